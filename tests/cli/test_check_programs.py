# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that were recorded on another kernel are replayed; a recording that differs is kept."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmalab.check.campaign import Plan
from vmalab.cli.check_programs import check_programs, runs_programs
from vmalab.targets.real.target_errors import TargetError
from vmalab.views.answers.check import program_answer
from vmalab.views.check import recorded_program_lines

PLAN = Plan("qemu:6.1", None, 100, 1, ("mix",))
STATIC = Path(__file__).parents[1] / "data" / "layout" / "static"


def record(image: str, folder: str) -> Iterator[tuple[str, str]]:
    """One recording as it was made, and one in which a call answers something else."""
    assert image == "6.1"
    for name in ("same", "other"):
        place = Path(folder, name)
        shutil.copytree(STATIC, place)
        if name == "other":
            log = place / "calls.strace"
            log.write_text(log.read_text().replace("0x7f9f960e1000", "0x7f9f950e1000"))
        yield name, ""


def test_a_recording_that_differs_is_kept(tmp_path: Path) -> None:
    place, kept = tmp_path / "place", tmp_path / "kept"
    same, other = check_programs(PLAN, str(kept), str(place), record)
    assert (same.name, same.report.identical, same.saved) == ("same", True, "")
    assert (other.name, other.report.identical) == ("other", False)
    assert [path.name for path in kept.iterdir()] == [Path(other.saved).name]
    assert (Path(other.saved) / "calls.strace").is_file()
    text = "\n".join(recorded_program_lines(other.name, other.report, other.saved))
    assert "program other: DIFFERS: " in text
    assert f"saved: {other.saved}/" in text
    assert program_answer(same.name, same.report)["adopted_reasons"] == {"random place": 2}


def test_a_program_that_cannot_be_recorded_is_an_error(tmp_path: Path) -> None:
    def fail(image: str, folder: str) -> Iterator[tuple[str, str]]:
        yield "shell", "no such program"

    with pytest.raises(TargetError, match="shell cannot be recorded: no such program"):
        list(check_programs(PLAN, str(tmp_path), str(tmp_path), fail))
    assert list(tmp_path.iterdir()) == []


def test_only_guests_are_given_programs() -> None:
    assert [runs_programs(name) for name in ("qemu:6.1", "live", "tree:x")] == [True, False, False]
