# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that pages of others, page caches, rings, drivers and failed execs decide are adopted."""

from collections.abc import Callable

import pytest

from vmalab.replay.report import ReplayReport

from ..small_recordings import DATA, Make, anonymous, step

Replayed = Callable[..., ReplayReport]

EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
RW = "PROT_READ|PROT_WRITE"
END = 0x7F0000100000
A = END - 0x2000


def mmap(size: int, at: int) -> str:
    return f"50 mmap(NULL, {size}, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {at:#x}\n"


# Other processes.

OTHER = (
    EXEC + "50 clone(child_stack=NULL, flags=SIGCHLD) = 51\n"
    "51 mmap(NULL, 4194304, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
    " = 0x7effffc00000\n50 pidfd_open(51, 0) = 3\n"
)
COLLAPSE = (
    "50 process_madvise(3, [{iov_base=0x7effffc00000, iov_len=0x200000}], 1, MADV_COLLAPSE, 0)"
)


def test_pages_of_another_process_decide_what_collapses(make: Make, replayed: Replayed) -> None:
    report = replayed(make(OTHER + COLLAPSE + " = 2097152\n", None))
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"fault history": 1}


def test_what_is_not_there_does_not_collapse(make: Make, replayed: Replayed) -> None:
    wrong = COLLAPSE.replace("7effffc00000", "7effff800000") + " = 2097152\n"
    assert replayed(make(OTHER + wrong, None)).total.differ == 1


def test_a_descriptor_of_a_process_that_has_ended(make: Make, replayed: Replayed) -> None:
    """It is a zombie: its memory is gone, but not its number."""
    log = OTHER.replace("50 pidfd_open", "51 +++ exited with 0 +++\n50 pidfd_open")
    log += COLLAPSE.replace("COLLAPSE", "DONTNEED") + " = -1 ESRCH (No such process)\n"
    report = replayed(make(log, None))
    assert (report.total.differ, report.total.adopted) == (0, 0)


# What is in files, in rings and in programs that cannot be loaded.

SHARED = EXEC + (
    '50 memfd_create("x", 0) = 3\n50 ftruncate(3, 4194304) = 0\n'
    "50 mmap(0x7efffe000000, 4194304, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED, 3, 0)"
    " = 0x7efffe000000\n"
)


def test_the_pages_of_a_file_decide_what_collapses(make: Make, replayed: Replayed) -> None:
    log = SHARED + "50 madvise(0x7efffe000000, 2097152, MADV_COLLAPSE) = 0\n"
    report = replayed(make(log, None))
    assert (report.total.differ, report.total.adopted_reasons) == (0, {"page cache": 1})


def test_a_ring_that_was_written_to_is_not_found(make: Make, replayed: Replayed) -> None:
    log = EXEC + f"50 io_setup(1, [{A + 4096:#x}]) = 0\n"
    log += f"50 io_destroy({A + 4096:#x}) = -1 EINVAL (Invalid argument)\n"
    report = replayed(make(log, None))
    assert (report.total.differ, report.total.adopted_reasons) == (0, {"ring content": 1})


def test_a_mapping_of_a_driver_may_not_be_cut(make: Make, replayed: Replayed) -> None:
    log = EXEC + "50 perf_event_open(0x7ffd, 0, -1, -1, 0) = 3\n"
    log += f"50 mmap(NULL, 8192, {RW}, MAP_SHARED, 3<anon_inode:[perf_event]>, 0) = {A:#x}\n"
    log += f"50 munmap({A:#x}, 4096) = -1 EINVAL (Invalid argument)\n"
    report = replayed(make(log, None))
    assert (report.total.differ, report.total.adopted_reasons) == (0, {"device mapping": 2})


def test_an_exec_that_fails_late_leaves_another_map(make: Make, replayed: Replayed) -> None:
    """The step tells what was made by then; nothing else of that program is recorded."""
    log = EXEC + mmap(8192, A)
    log += '50 execve("/bin/y", ["y"], 0x7ffc /* 3 vars */) = -1 EINVAL (Invalid argument)\n'
    stack = anonymous(0x7FFE00000000, 0x7FFE00021000, flags=DATA.replace("ac", "gd ac"))
    steps = step("2 50 X mmap 1 0 1", anonymous(A, END)) + step("3 50 X execve 0 4 1", stack)
    report = replayed(make(log, steps, [stack]))
    assert report.identical
    assert report.total.adopted_reasons == {"failed exec": 1}


@pytest.mark.parametrize(
    ("start", "told"),
    [(0x7FFE00000000, True), (0x7FFD00000000, False)],
    ids=["another space", "the same"],
)
def test_an_exec_that_fails_late_shows_in_the_last_map(
    make: Make, replayed: Replayed, start: int, told: bool
) -> None:
    log = EXEC + '50 execve("/bin/y", ["y"], 0x7ffc /* 3 vars */) = -1 EINVAL (Invalid argument)\n'
    stack = anonymous(start, start + 0x21000, flags=DATA.replace("ac", "gd ac"))
    report = replayed(make(log, None, [stack]))
    assert report.identical == told
    assert any("past its point of no return" in note for note in report.notes) == told
