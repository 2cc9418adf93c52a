# SPDX-License-Identifier: GPL-2.0-or-later
"""Rounds through a /proc that the test makes: what is read, and how often."""

import os
from pathlib import Path

import pytest

from vmalab.recording.live.survey import Survey

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max data size             unlimited            unlimited            bytes
Max stack size            8388608              unlimited            bytes
Max locked memory         65536                65536                bytes
Max address space         1073741824           unlimited            bytes
"""


class Proc:
    """A folder like /proc."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def process(self, pid: int, vmas: int, size: int = 400, name: str = "x", caps: int = 0) -> None:
        folder = self.folder / str(pid)
        folder.mkdir(exist_ok=True)
        status = (
            f"Name:\t{name}\nVmSize:\t{size} kB\nVmLck:\t8 kB\nVmData:\t12 kB\nVmStk:\t132 kB\n"
        )
        (folder / "status").write_text(f"{status}CapEff:\t{caps:016x}\n", "utf-8")
        (folder / "limits").write_text(LIMITS, "ascii")
        lines = [f"{at:x}000-{at:x}800 rw-p 0 00:00 0\n" for at in range(1, vmas + 1)]
        lines.append("ffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall]\n")
        (folder / "maps").write_text("".join(lines), "ascii")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_what_a_process_uses(proc: Proc) -> None:
    proc.process(7, 3)
    (proc.folder / "self").mkdir()
    (use,) = Survey(str(proc.folder)).round()
    assert (use.pid, use.comm, use.vmas) == (7, "x", 3)
    assert (use.size, use.locked, use.data, use.stack) == (400, 8, 12, 132)
    assert use.rlimits == {"AS": 1 << 30, "DATA": (1 << 64) - 1, "MEMLOCK": 65536, "STACK": 8 << 20}
    assert not use.may_lock


def test_a_kernel_thread_has_no_memory(proc: Proc) -> None:
    (proc.folder / "2").mkdir()
    (proc.folder / "2" / "status").write_text("Name:\tkthreadd\n", "ascii")
    assert Survey(str(proc.folder)).round() == []


def test_names_are_as_the_process_has_them(proc: Proc) -> None:
    proc.process(7, 1, name=r"a\nb\\nc")
    (use,) = Survey(str(proc.folder)).round()
    assert use.comm == "a\nb\\nc"


def test_a_map_is_read_again_where_the_size_has_changed(proc: Proc) -> None:
    proc.process(7, 3)
    survey = Survey(str(proc.folder))
    survey.round()
    proc.process(7, 5, size=500)
    for _ in range(10_000):
        (use,) = survey.round()
        if use.vmas == 5:
            return
    raise AssertionError("the map is not read again")


def test_every_map_has_its_turn(proc: Proc) -> None:
    for pid in range(1, 40):
        proc.process(pid, 3)
    survey = Survey(str(proc.folder))
    survey.round()
    for pid in range(1, 40):
        proc.process(pid, 4)
    for _ in range(10_000):
        if all(use.vmas == 4 for use in survey.round()):
            return
    raise AssertionError("some maps are never read again")


def test_a_map_that_may_not_be_read_is_counted(proc: Proc) -> None:
    proc.process(7, 3)
    os.unlink(proc.folder / "7" / "maps")
    survey = Survey(str(proc.folder))
    assert survey.round() == []
    assert survey.denied == 1


def test_who_may_lock_has_no_limit_on_it(proc: Proc) -> None:
    proc.process(7, 3, caps=1 << 14)
    (use,) = Survey(str(proc.folder)).round()
    assert use.may_lock


def test_this_process_is_seen() -> None:
    (use,) = Survey(pids=frozenset((os.getpid(),))).round()
    with open("/proc/self/maps", "rb") as maps:
        lines = [line for line in maps if b"[vsyscall]" not in line]
    assert abs(use.vmas - len(lines)) < 10
