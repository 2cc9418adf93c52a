# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of several kernels: each has its line, the sums are the last one, and nothing is lost."""

import json

import check_kernels
import pytest
from check_kernels import Ended

ANSWER = {"kernel": "7.3.4", "calls": 9, "differences": 0, "seed": 5}


def ended(target: str, status: int | None = 0, errors: str = "", **more: object) -> Ended:
    answer = json.dumps({**ANSWER, **more}) if status in (0, 1) else ""
    return Ended(target, status, answer + "\n", errors, 3.2)


SAME = ended("live")
DIFFERS = ended("qemu:7.3", 1, "qemu:7.3: 9 calls shrunk to 2\n", differences=2)
PROGRAM = ended(
    "qemu:6.1", 1, programs=[{"identical": True}, {"identical": False}, {"identical": True}]
)
LOST = ended("qemu:6.1", 2, "vmalab: qemu:6.1: profile dense, stream 7: no answer for 120 s\n")
HUNG = ended("qemu:6.1", None)


class Known(check_kernels.Checks):
    """Checks of which it is known how they end."""

    def __init__(self, found: tuple[Ended, ...]) -> None:
        super().__init__()
        self.left = list(found)

    def check(self, target: str, calls: int, patience: float) -> Ended:
        return self.left.pop(0)


class Interrupted(Known):
    """The second one is interrupted."""

    stopped = 0

    def check(self, target: str, calls: int, patience: float) -> Ended:
        if len(self.left) == 2:
            raise KeyboardInterrupt
        return super().check(target, calls, patience)

    def stop(self) -> None:
        self.stopped += 1


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (SAME, "live: 7.3.4: 9 calls, 0 differences, 3 s (seed 5)"),
        (DIFFERS, "qemu:7.3: 7.3.4: 9 calls, 2 DIFFERENCES, 3 s (seed 5)"),
        (PROGRAM, "qemu:6.1: 7.3.4: 9 calls, 3 programs, 1 DIFFERENCES, 3 s (seed 5)"),
        (LOST, "qemu:6.1: NOT CHECKED, 3 s"),
        (HUNG, "qemu:6.1: GIVEN UP after 60 s"),
    ],
    ids=["same", "differs", "program", "lost", "hung"],
)
def test_a_line_has_calls_differences_and_seconds(one: Ended, line: str) -> None:
    assert check_kernels.line(one, 60) == line


@pytest.mark.parametrize(
    ("found", "status", "sums"),
    [
        ((SAME, SAME), 0, "2 kernels, 18 calls, 0 differences: "),
        ((SAME, DIFFERS, PROGRAM), 1, "3 kernels, 27 calls, 3 differences: "),
        ((DIFFERS, LOST, HUNG), 2, "3 kernels, 9 calls, 2 differences, 2 NOT CHECKED: "),
    ],
    ids=["same", "differ", "lost"],
)
def test_the_status_is_that_of_the_worst(
    found: tuple[Ended, ...], status: int, sums: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--jobs", "1", "--calls", "9", *(one.target for one in found)]
    assert check_kernels.main(words, Known(found)) == status
    said = capsys.readouterr()
    assert said.out.splitlines()[-1].startswith(sums)
    assert said.err == "".join(one.errors for one in found)


def test_a_target_that_there_is_not_is_not_checked() -> None:
    found = check_kernels.Checks().check("qemu:/nowhere/vmlinuz", 1, 600)
    assert found.status == 2
    assert "qemu:/nowhere/vmlinuz: " in found.errors


def test_a_check_that_does_not_end_is_given_up() -> None:
    found = check_kernels.Checks().check("live", 1 << 40, 0.01)
    assert found.status is None
    assert check_kernels.line(found, 0.01).startswith("live: GIVEN UP")


@pytest.mark.parametrize(
    ("processors", "gibibytes", "jobs"), [(2, 8, 2), (64, 4, 4), (4, 0, 1)], ids=str
)
def test_as_many_at_a_time_as_processors_and_memory_allow(
    processors: int, gibibytes: int, jobs: int
) -> None:
    assert check_kernels.at_a_time(processors, gibibytes << 30) == jobs
    assert check_kernels.available_memory() > 0


def test_an_interrupted_check_ends_what_runs_and_begins_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks = Interrupted((SAME, SAME, SAME))
    with pytest.raises(KeyboardInterrupt):
        check_kernels.main(["--jobs", "1", "live", "live", "live"], checks)
    assert checks.stopped == 1
    assert len(checks.left) == 2
    assert len(capsys.readouterr().out.splitlines()) <= 1
