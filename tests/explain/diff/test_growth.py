# SPDX-License-Identifier: GPL-2.0-or-later
"""Two recordings of one workload: which cause has how many more VMAs, and when."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vmalab import Recording
from vmalab.cli.main import vmalab

# Each page mapped and protected is a VMA between others; the last call unmaps what was mapped.
HEAD = "50 mmap(NULL, 1048576, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000"
GUARD = "50 mprotect(0x7f00000{page:02x}000, 4096, PROT_NONE) = 0"
LOCK = "50 mlock(0x7f00000{page:02x}000, 4096) = 0"
TAIL = "50 munmap(0x7f0000000000, 1048576) = 0"


def log(path: Path, guards: int, locks: int = 0, tail: bool = False) -> str:
    """Write a log with so many pages apart by each call; Returns: its path."""
    lines = [HEAD]
    lines += [GUARD.format(page=2 * number + 1) for number in range(guards)]
    lines += [LOCK.format(page=101 + 2 * number) for number in range(locks)]
    path.write_text("\n".join(lines + [TAIL] * tail) + "\n")
    return str(path)


def diff(*arguments: str) -> tuple[int, Any]:
    """Run the verb; Returns: its exit status and its answer."""
    done = CliRunner().invoke(vmalab, ["diff", "--json", *arguments])
    assert done.exit_code in (0, 1), done.stderr
    return done.exit_code, json.loads(done.stdout)


def test_a_recording_has_no_more_than_itself(tmp_path: Path) -> None:
    path = log(tmp_path / "a", 5)
    status, found = diff(path, path)
    assert (status, found["more"]) == (0, 0)
    assert [moment["causes"] for moment in found["moments"]] == [[], []]


def test_more_guards_are_more_vmas_of_that_call(tmp_path: Path) -> None:
    status, found = diff(log(tmp_path / "a", 5), log(tmp_path / "b", 8))
    assert (status, found["more"]) == (1, 6)
    peak, end = found["moments"]
    assert peak == end | {"at": "peak"}
    grown = {row["cause"]: row["after"] - row["before"] for row in peak["causes"]}
    assert grown == {"mprotect(PROT_NONE)": 6}


def test_a_peak_that_is_gone_at_the_end_counts(tmp_path: Path) -> None:
    status, found = diff(log(tmp_path / "a", 5, tail=True), log(tmp_path / "b", 8, tail=True))
    peak, end = found["moments"]
    assert peak["after"] - peak["before"] == 6
    assert end["after"] == end["before"]
    assert (status, found["more"]) == (1, 6)


@pytest.mark.parametrize(("allowed", "status"), [("5", 1), ("6", 0)])
def test_what_is_allowed_is_no_failure(tmp_path: Path, allowed: str, status: int) -> None:
    paths = [log(tmp_path / "a", 5), log(tmp_path / "b", 8)]
    assert diff("--allow", allowed, *paths)[0] == status


def test_what_has_fewer_is_told_beside_what_has_more(tmp_path: Path) -> None:
    status, found = diff("--by", "call", log(tmp_path / "a", 5, 4), log(tmp_path / "b", 5, 1))
    assert (status, found["more"]) == (0, -6)
    done = CliRunner().invoke(
        vmalab, ["diff", log(tmp_path / "a", 6, 1), log(tmp_path / "b", 5, 4)]
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["+6", "2", "8", "mlock"] in lines
    assert ["-2", "12", "10", "mprotect(PROT_NONE)"] in lines
    assert done.exit_code == 1


def test_the_library_gives_the_same(tmp_path: Path) -> None:
    before, after = (
        Recording.open(log(tmp_path / name, count)) for name, count in (("a", 5), ("b", 8))
    )
    assert before.diff(after).more == 6
    assert after.diff(before).more == -6
    with pytest.raises(ValueError, match="by: one of site, function"):
        before.diff(after, by="colour")


def test_a_log_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    done = CliRunner().invoke(vmalab, ["diff", str(tmp_path / "empty"), log(tmp_path / "a", 1)])
    assert done.exit_code != 0
    assert done.stdout == ""
