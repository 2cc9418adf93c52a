# SPDX-License-Identifier: GPL-2.0-or-later
"""One recording of a fleet: its limits, failures, causes, services, and what changes would do."""

import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from vmalab.explain.enomem.failed_calls import enomem
from vmalab.explain.whatif.comparison import what_if
from vmalab.fleet.account import FOLDER, Asked, service_of, take_account
from vmalab.fleet.scenarios import Scenario, decides
from vmalab.recording.opening import open_recording
from vmalab.replay.replay import Options

RAISED = Scenario(rlimit=("AS", 1 << 30))
LOWERED = Scenario(rlimit=("AS", 64 << 20))
MAPS = Scenario(setting=("vm.max_map_count", 262_144))


def test_an_account_says_what_enomem_says(examples: Path) -> None:
    path = str(examples / "python-rlimit-as")
    account = take_account(path, Asked())
    found, _ = enomem(open_recording(path), Options())
    assert account.calls == found.calls
    failed = sum(failure.count for failure in account.failures)
    assert failed == found.failed + found.others_failed
    nearest = account.limits[0]
    assert nearest.name == "RLIMIT_AS"
    assert (nearest.most, nearest.limit) == (65_307, 65_536)
    assert account.service == "python3"
    assert account.causes[0].vmas >= account.causes[-1].vmas > 0
    assert account.effects == ()


def test_a_recording_whose_last_map_does_not_come_out_is_not_as_recorded(
    examples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "cut"
    shutil.copytree(examples / "guards", path)
    with gzip.open(path / "calls.strace.gz", "rt") as log:
        lines = log.readlines()
    (path / "calls.strace.gz").unlink()
    (path / "calls.strace").write_text("".join(lines[: len(lines) // 2]))
    assert take_account(str(examples / "guards"), Asked()).as_recorded
    account = take_account(str(path), Asked())
    assert account.trouble == ""
    assert not account.as_recorded


def test_an_effect_is_that_of_whatif(examples: Path) -> None:
    path = str(examples / "python-rlimit-as")
    (effect,) = take_account(path, Asked((RAISED,))).effects
    found, _ = what_if(open_recording(path), RAISED.changes(), Options())
    assert (effect.fails, effect.passes) == (found.fails, found.passes)
    assert effect.passes > 0
    assert (effect.peak, effect.other_peak) == (104, 106)
    assert effect.run
    assert not effect.same


def test_a_whatif_that_is_not_weighed_finds_the_same(examples: Path) -> None:
    recording = open_recording(str(examples / "python-rlimit-as"))
    found, _ = what_if(recording, RAISED.changes(), Options())
    plain, _ = what_if(recording, RAISED.changes(), Options(), weighed=False)
    (image,), (known,) = plain.images, found.images
    assert (image.recorded.at_end, image.other.at_end) == (None, None)
    assert (plain.fails, plain.passes) == (found.fails, found.passes)
    assert (image.recorded.peak, image.other.peak) == (known.recorded.peak, known.other.peak)
    assert image.identical == known.identical


def test_another_kernel_beside_the_replay_is_the_same_whatif(examples: Path) -> None:
    scenario = Scenario(kernel="6.1")
    path = str(examples / "guards")
    (effect,) = take_account(path, Asked((scenario,))).effects
    found, _ = what_if(open_recording(path), scenario.changes(), Options())
    assert (effect.fails, effect.passes) == (found.fails, found.passes)
    assert effect.other_peak == max(image.other.peak for image in found.images)


@pytest.mark.parametrize(
    ("scenario", "run"),
    [
        pytest.param(MAPS, False, id="raised-but-never-asked"),
        pytest.param(replace(MAPS, setting=("vm.max_map_count", 60)), True, id="below-the-peak"),
        pytest.param(LOWERED, True, id="below-what-was-used"),
    ],
)
def test_what_cannot_change_anything_is_not_run(
    examples: Path, scenario: Scenario, run: bool
) -> None:
    path = str(examples / "python-rlimit-as")
    (effect,) = take_account(path, Asked((scenario,))).effects
    assert effect.run is run
    found, _ = what_if(open_recording(path), scenario.changes(), Options())
    assert effect.same == all(image.identical for image in found.images)


@pytest.mark.parametrize(
    ("scenario", "used", "refused", "expected"),
    [
        pytest.param(MAPS, {"map count": 262_136}, (), False, id="just-fits"),
        pytest.param(MAPS, {"map count": 262_137}, (), True, id="may-not-fit"),
        pytest.param(MAPS, {"map count": 10}, ("map count",), True, id="was-refused"),
        pytest.param(MAPS, {"map count": 10}, ("RLIMIT_AS",), False, id="refused-by-another"),
        pytest.param(MAPS, None, (), True, id="use-not-known"),
        pytest.param(Scenario(rlimit=("STACK", 1 << 30)), {}, (), True, id="moves-the-layout"),
        pytest.param(Scenario(setting=("vm.mmap_min_addr", 0)), {}, (), True, id="any-setting"),
        pytest.param(Scenario(kernel="6.18"), {}, (), False, id="same-kernel"),
        pytest.param(Scenario(kernel="6.1"), {}, (), True, id="another-kernel"),
    ],
)
def test_which_scenarios_decide_something(
    scenario: Scenario,
    used: dict[str, int] | None,
    refused: tuple[str, ...],
    expected: bool,
) -> None:
    assert decides(scenario, used, refused, "6.18") is expected


def test_a_recording_of_no_use_is_an_account_too(tmp_path: Path) -> None:
    (tmp_path / "calls.strace").write_text("no call at all\n")
    account = take_account(str(tmp_path), Asked((MAPS,)))
    assert "calls.strace" in account.trouble
    assert account.effects == ()


@pytest.mark.parametrize(
    ("command", "service"),
    [
        pytest.param(["/usr/bin/redis-server", "--port", "1"], "redis-server", id="program"),
        pytest.param(["/usr/bin/python3.11", "/srv/app.py"], "python3.11 app.py", id="script"),
        pytest.param(["/bin/sh", "-c", "exec x"], "sh", id="option"),
        pytest.param([], "host-1", id="nothing-known"),
    ],
)
def test_a_service_is_a_program(command: list[str], service: str) -> None:
    assert service_of(command, "fleet/shop/host-1", Asked(tops=("fleet",))) == service


def test_a_service_may_be_a_folder() -> None:
    asked = Asked(services=FOLDER, tops=("fleet", "fleet/eu"))
    assert service_of(["/bin/x"], "fleet/shop/host-1", asked) == "shop"
    assert service_of(["/bin/x"], "fleet/eu/shop/host-1", asked) == "shop"
    assert service_of(["/bin/x"], "fleet", asked) == "fleet"
