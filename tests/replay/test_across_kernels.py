# SPDX-License-Identifier: GPL-2.0-or-later
"""Replaying one recording as several kernels shows where they part, and which feature is why."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.errors import UsageError
from vmalab.cli.diff_kernels import diff_kernels as command
from vmalab.recording.format.output_folder import Folder
from vmalab.recording.format.writer import log_line, write_recording
from vmalab.replay.across_kernels import AS_RECORDED, diff_kernels, feature_difference
from vmalab.replay.feature_trials import FeatureTrials, differences, least
from vmalab.replay.replay import Options
from vmalab.replay.report import MAX_DIFFERENCES

TID = 20000
WINDOW = 0x10000000
FIRST = (
    "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]\n"
    "VmFlags: rd wr mr mw me gd ac\n"
)
META: dict[str, object] = {
    "format": 1,
    "kernel": {"release": "6.18.44", "config": {}},
    "generator": {"profile": "test", "seed": 1},
    "sysctl": {"kernel.randomize_va_space": 0},
    "min_addr_effective": 65536,
    "main_image": f"{TID}.1",
    "events": [{"after_line": 0, "event": "exec", "pid": TID, "image": f"{TID}.1"}],
    "images": {
        f"{TID}.1": {
            "rlimits": {"STACK": [8388608, None], "MEMLOCK": [8388608, 8388608]},
            "anon_vma": ["7ffffffde000-7ffffffff000"],
            "vdso_dropped": True,
        }
    },
}


def made(name: str, *args: int) -> Call:
    return Call(TID, name, (*args, 0, 0, 0, 0, 0, 0)[:6])


INSTALL = (made("madvise", WINDOW, 4096, 102), 0)


def recorded(path: Path, installs: int) -> str:
    """Three calls on 6.18, the second of which, made so often, older kernels do not have."""
    calls = (
        (made("mmap", WINDOW, 8192, 3, 0x32, U64_MAX, 0), WINDOW),
        *[INSTALL] * installs,
        (made("munmap", WINDOW, 4096), 0),
    )
    final = (
        f"{WINDOW + 4096:08x}-{WINDOW + 8192:08x} rw-p 00000000 00:00 0 \n"
        "VmFlags: rd wr mr mw me ac gu\n"
    )
    lines = [log_line(TID, call, result) for call, result in calls]
    with Folder.at(str(path)) as folder:
        write_recording(folder, META, lines, f"{TID}.1", FIRST, {f"{TID}.1": final + FIRST})
    return str(path)


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return recorded(tmp_path / "guard", 1)


def test_older_kernels_part_and_the_feature_is_named(recording: str) -> None:
    found = diff_kernels(recording, ["6.12", "6.18", "7.3"]).found
    call = found[0]
    assert call.line == 2
    assert call.answers == {
        "6.12": "-1 EINVAL (Invalid argument)",
        "6.18": AS_RECORDED,
        "7.3": AS_RECORDED,
    }
    assert call.reasons == {"6.12": ["guard_regions"]}


def test_a_call_is_explained_where_it_stands(recording: str) -> None:
    trials = FeatureTrials(recording, "6.12", {"mseal": False, "guard_regions": True})
    place = next(place for place in differences(recording, Options(kernel="6.12")) if place[1])
    assert trials.explain({place}) == {place: ("guard_regions",)}


def test_a_feature_that_changes_nothing_explains_nothing(recording: str) -> None:
    trials = FeatureTrials(recording, "6.12", {"mseal": False, "memfd_noexec": False})
    assert trials.explain(set(differences(recording, Options(kernel="6.12")))) == {}


def test_a_last_map_is_explained_by_what_calls_before_it_did(recording: str) -> None:
    [last] = diff_kernels(recording, ["6.17", "6.18"]).found
    assert (last.line, last.call) == (0, "final map")
    assert last.reasons == {"6.17": ["guard_flag"]}


@pytest.mark.parametrize("wanted", ["a", "h", "ch", "bdf", "abcdefgh"])
def test_the_fewest_features_that_cure_together_are_found(wanted: str) -> None:
    tried: list[str] = []

    def cured(names: Sequence[str]) -> bool:
        tried.append("".join(names))
        return set(wanted) <= set(names)

    assert "".join(least(tuple("abcdefgh"), cured)) == wanted
    assert len(tried) <= 16


def test_two_features_together_are_named(recording: str) -> None:
    features = {"mseal": False, "guard_regions": True, "guard_flag": True}
    place = next(place for place in differences(recording, Options(kernel="6.12")) if not place[1])
    trials = FeatureTrials(recording, "6.12", features)
    assert trials.explain({place}) == {place: ("guard_regions", "guard_flag")}


def test_a_last_map_may_take_features_together(tmp_path: Path) -> None:
    path = recorded(tmp_path / "together", 1)
    *_, last = diff_kernels(path, ["6.12", "6.18"]).found
    assert (last.call, last.reasons) == ("final map", {"6.12": ["guard_regions", "guard_flag"]})
    result = CliRunner().invoke(command, [path, "--kernels", "6.12,6.18"])
    assert "guard_regions, guard_flag" in result.output


def test_nothing_is_said_behind_more_differences_than_are_kept(tmp_path: Path) -> None:
    path = recorded(tmp_path / "much", MAX_DIFFERENCES + 5)
    compared = diff_kernels(path, ["6.12", "6.18"])
    assert compared.end == 1 + MAX_DIFFERENCES
    assert [parting.line for parting in compared.found] == list(range(2, compared.end + 1))
    assert all(parting.reasons == {"6.12": ["guard_regions"]} for parting in compared.found)
    result = CliRunner().invoke(command, [path, "--kernels", "6.12,6.18"])
    assert f"part at {MAX_DIFFERENCES} places up to line {compared.end}, behind" in result.output
    result = CliRunner().invoke(command, [path, "--kernels", "6.12,6.18", "--json"])
    assert len(result.stdout.splitlines()) == MAX_DIFFERENCES
    assert f"nothing is compared behind line {compared.end}: too much differs" in result.stderr


def test_alike_kernels_do_not_part(recording: str) -> None:
    assert diff_kernels(recording, ["6.18", "6.19", "7.0"]).found == []


def test_unknown_kernel_is_an_error(recording: str) -> None:
    with pytest.raises(UsageError, match="no model of kernel"):
        diff_kernels(recording, ["6.18", "5.4"])


@pytest.mark.parametrize("versions", [[], ["6.18"], ["6.18", "6.18"]])
def test_fewer_than_two_kernels_are_an_error(recording: str, versions: list[str]) -> None:
    with pytest.raises(UsageError, match="two different kernel versions at least"):
        diff_kernels(recording, versions)


def test_features_of_two_versions() -> None:
    turned = feature_difference("6.12", "6.18")
    assert turned["guard_regions"] is True
    assert "mseal" not in turned


def test_features_of_two_point_releases() -> None:
    assert feature_difference("6.18.36", "6.18.37") == {
        "guard_flag": True,
        "soft_dirty_is_sticky": True,
    }
    assert feature_difference("6.18.99", "6.18") == {}


def test_point_releases_part_where_a_series_got_a_change(recording: str) -> None:
    """6.18.37 shows that a VMA has guard regions, 6.18.36 does not."""
    assert diff_kernels(recording, ["6.18", "6.18.99"]).found == []
    found = diff_kernels(recording, ["6.18.36", "6.18.44"]).found
    assert [list(parting.reasons.values()) for parting in found] == [[["guard_flag"]]]


def test_command_prints_who_does_what_and_why(recording: str) -> None:
    result = CliRunner().invoke(command, [recording, "--kernels", "6.12,6.18"])
    assert result.exit_code == 1
    assert "    6.12: -1 EINVAL (Invalid argument)  (guard_regions)" in result.output
    assert "    6.18: 0" in result.output
    assert (
        "  guard_regions: MADV_GUARD_INSTALL and MADV_GUARD_REMOVE exist.\n"
        '    Linux commit 662df3e5c376 ("mm: madvise: implement lightweight guard page mechanism")'
        " in v6.13\n"
    ) in result.output


def test_command_prints_json(recording: str) -> None:
    result = CliRunner().invoke(command, [recording, "--kernels", "6.12,6.18", "--json"])
    objects = [json.loads(line) for line in result.output.splitlines()]
    assert objects[0]["reasons"] == {"6.12": ["guard_regions"]}
    assert objects[0]["call"].startswith("madvise(")


def test_command_ends_with_0_when_nothing_parts(recording: str) -> None:
    assert CliRunner().invoke(command, [recording, "--kernels", "6.18,7.0"]).exit_code == 0
