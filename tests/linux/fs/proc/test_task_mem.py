# SPDX-License-Identifier: GPL-2.0-or-later
"""The Vm* and Rss* lines of status."""

from vmalab.linux.fs.exec import restore_vma
from vmalab.linux.fs.proc.task_mem import mm_status
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

RW_PRIVATE = 0x100073
BASE = 0x10000000
ANON = (3, 0x32, 2**64 - 1, 0)
POPULATE_WRITE = 23


def one(mm: Mm, start: int, end: int, flags: int) -> None:
    assert restore_vma(mm, start, end, flags, start >> 12, None, None) == 0


def test_status_splits_executable_pages_between_program_and_libraries(mm: Mm) -> None:
    mm.start_code, mm.end_code = 0x400200, 0x402100
    one(mm, 0x400000, 0x403000, 0x75)
    one(mm, 0x500000, 0x508000, 0x75)
    one(mm, 0x600000, 0x601000, RW_PRIVATE | 0x2000)
    one(mm, 0x700000, 0x702000, RW_PRIVATE | 0x100)
    status = mm_status(mm)
    assert status["VmExe"] == 12
    assert status["VmLib"] == 32
    assert status["VmSize"] == (3 + 8 + 1 + 2) * 4
    assert status["VmLck"] == 4
    assert status["VmData"] == 4
    assert status["VmStk"] == 8


def test_a_counter_below_zero_shows_as_the_unsigned_number_it_is(mm: Mm) -> None:
    mm.locked_vm = -2
    assert mm_status(mm)["VmLck"] == 2**64 - 8
    mm.locked_vm = 0


def test_a_program_without_known_code_is_all_library(mm: Mm) -> None:
    one(mm, 0x500000, 0x508000, 0x75)
    assert mm_status(mm)["VmExe"] == 0
    assert mm_status(mm)["VmLib"] == 32


def test_code_that_ends_before_it_starts_counts_as_all_there_is(mm: Mm) -> None:
    one(mm, 0x500000, 0x508000, 0x75)
    mm.start_code, mm.end_code = 0x400000, 0
    assert mm_status(mm)["VmExe"] == 32
    assert mm_status(mm)["VmLib"] == 0


NAMES = """
VmPeak VmSize VmLck VmPin VmHWM VmRSS RssAnon RssFile RssShmem
VmData VmStk VmExe VmLib VmPTE VmSwap HugetlbPages
"""


def test_the_lines_are_those_of_the_kernel_in_its_order(mm: Mm) -> None:
    assert list(mm_status(mm)) == NAMES.split()
    assert set(mm_status(mm).values()) == {0}


def test_touched_pages_and_their_tables_count(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x400000, *ANON) == BASE
    assert do_syscall(task, "madvise", BASE + 0x1FE000, 0x5000, POPULATE_WRITE) == 0
    status = mm_status(mm)
    assert (status["VmRSS"], status["RssAnon"], status["VmHWM"]) == (20, 20, 20)
    assert status["VmPTE"] == (2 + 1 + 1) * 4
    assert do_syscall(task, "munmap", BASE, 0x200000) == 0
    status = mm_status(mm)
    assert (status["VmRSS"], status["RssAnon"], status["VmHWM"]) == (12, 12, 20)
    assert status["VmPTE"] == (1 + 1 + 1) * 4
    assert status["VmSwap"] == 0


def test_pages_of_shared_memory_count_apart(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x4000, 3, 0x31, 2**64 - 1, 0) == BASE
    assert do_syscall(task, "madvise", BASE, 0x4000, POPULATE_WRITE) == 0
    status = mm_status(mm)
    assert (status["RssShmem"], status["RssFile"], status["VmRSS"]) == (16, 0, 16)


def test_what_a_read_brings_besides_is_unknown(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x8000, 3, 0x31, 2**64 - 1, 0) == BASE
    assert do_syscall(task, "madvise", BASE, 0x1000, 22) == 0
    status = mm_status(mm)
    assert (status["RssShmem"], status["RssFile"], status["RssAnon"]) == (-1, 0, 0)
    assert (status["VmRSS"], status["VmHWM"]) == (-1, -1)


def test_nothing_is_known_of_pages_that_were_there_before(mm: Mm) -> None:
    one(mm, 0x500000, 0x508000, RW_PRIVATE)
    unknown = {name for name, value in mm_status(mm).items() if value == -1}
    assert unknown == {"VmHWM", "VmRSS", "RssAnon", "VmPTE", "VmSwap"}


def test_a_child_starts_with_what_it_got(task: Task) -> None:
    assert do_syscall(task, "mmap", BASE, 0x4000, *ANON) == BASE
    assert do_syscall(task, "madvise", BASE, 0x4000, POPULATE_WRITE) == 0
    assert do_syscall(task, "madvise", BASE + 0x1000, 0x3000, 4) == 0
    child = do_fork(task, 0, 101)
    assert child is not None
    assert child.mm is not None
    status = mm_status(child.mm)
    assert (status["VmRSS"], status["VmHWM"]) == (4, 4)
