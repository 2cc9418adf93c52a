# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory that exec maps beyond a program's file, and who may execute a heap."""

import pytest

from vmalab.linux.include.proc_maps import vma_perms
from vmalab.linux.include.uapi.errno import EAGAIN, ENOMEM, EPERM
from vmalab.linux.mm.brk import vm_brk_flags
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup

from ..noted_calls import do_syscall

BASE = 0x10000000
NOBODY = 2**64 - 1
READ_IMPLIES_EXEC = 0x0400000


def perms(mm: Mm, addr: int) -> str:
    vma = vma_lookup(mm, addr)
    return "" if vma is None else vma_perms(vma.vm_flags)


def test_it_replaces_what_is_there_and_joins_what_ends_there(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x4000, 1, 0x32, NOBODY, 0) == BASE
    assert vm_brk_flags(mm, BASE + 0x1000, 0x1001, False) == 0
    assert [perms(mm, BASE + page) for page in (0, 0x1000, 0x2000, 0x3000)] == [
        "r--p",
        "rw-p",
        "rw-p",
        "r--p",
    ]
    assert vm_brk_flags(mm, BASE + 0x3000, 0x2000, False) == 0
    vma = vma_lookup(mm, BASE + 0x1000)
    assert vma is not None
    assert vma.vm_end == BASE + 0x5000
    assert mm.data_vm == 4


def test_nothing_to_map_is_fine(mm: Mm) -> None:
    assert vm_brk_flags(mm, BASE, 0, False) == 0
    assert mm.map_count == 0


def test_it_may_be_executable(mm: Mm) -> None:
    assert vm_brk_flags(mm, BASE, 0x1000, True) == 0
    assert perms(mm, BASE) == "rwxp"


@pytest.mark.parametrize(
    ("addr", "size"),
    [(BASE, 2**64 - 1), (BASE, 1 << 47), (1 << 47, 0x1000), (2**64 - 4096, 0x1000)],
    ids=["wraps", "too long", "beyond the end", "near 2^64"],
)
def test_no_such_addresses(mm: Mm, addr: int, size: int) -> None:
    assert vm_brk_flags(mm, addr, size, False) == -ENOMEM
    assert mm.map_count == 0


def test_limits_apply(task: Task, mm: Mm) -> None:
    task.signal.rlim_cur[9] = 0x2000
    assert vm_brk_flags(mm, BASE, 0x3000, False) == -ENOMEM
    assert vm_brk_flags(mm, BASE, 0x2000, False) == 0


def test_locked_memory_is_limited_and_touched(task: Task, mm: Mm) -> None:
    mm.def_flags |= 0x2000
    assert vm_brk_flags(mm, BASE, 0x2000, False) == 0
    assert mm.page_tables.nr_anon == 2
    task.cred.cap_effective, task.signal.rlim_cur[8] = 0, 0x2000
    assert vm_brk_flags(mm, BASE + 0x2000, 0x1000, False) == -EAGAIN
    mm.def_flags = 0


def test_sealed_memory_is_not_replaced(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x1000, 1, 0x32, NOBODY, 0) == BASE
    assert do_syscall(task, "mseal", BASE, 0x1000, 0) == 0
    assert vm_brk_flags(mm, BASE, 0x1000, False) == -EPERM


def test_where_reading_implies_executing_a_heap_grows_executable(task: Task, mm: Mm) -> None:
    mm.start_brk = mm.brk = BASE
    assert do_syscall(task, "brk", BASE + 0x1000) == BASE + 0x1000
    task.personality |= READ_IMPLIES_EXEC
    assert do_syscall(task, "brk", BASE + 0x3000) == BASE + 0x3000
    assert [perms(mm, BASE), perms(mm, BASE + 0x1000)] == ["rw-p", "rwxp"]
    assert vm_brk_flags(mm, BASE + 0x10000, 0x1000, False) == 0
    assert perms(mm, BASE + 0x10000) == "rwxp"
