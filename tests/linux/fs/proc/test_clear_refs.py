# SPDX-License-Identifier: GPL-2.0-or-later
"""A write to clear_refs: what counts as not written to from then on."""

import pytest

from vmalab.linux.fs.proc.clear_refs import CLEAR_REFS
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import VM_SOFTDIRTY
from vmalab.linux.include.uapi.capability import CAP_DAC_OVERRIDE
from vmalab.linux.include.uapi.errno import EACCES, EBADF, EINVAL
from vmalab.linux.include.uapi.fcntl import AT_FDCWD, O_RDONLY, O_WRONLY
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.types.file import I_OTHER
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

CWD = AT_FDCWD & 0xFFFFFFFF
SIGCHLD = 17


@pytest.fixture
def dirty(task: Task, mm: Mm) -> int:
    """Map memory of a kernel that tracks writes; the answer is a descriptor of clear_refs."""
    mm.config.soft_dirty = True
    do_syscall(task, "mmap", 0x10000000, 4096, 3, 0x32, -1 & 0xFFFFFFFF, 0)
    return do_syscall(task, "openat", CWD, 1, O_WRONLY, mem={1: CLEAR_REFS})


def is_dirty(mm: Mm) -> bool:
    return any(vma.vm_flags & VM_SOFTDIRTY for vma in mm_vmas(mm))


def write(task: Task, fd: int, text: str) -> int:
    return do_syscall(task, "write", fd, 1, len(text), mem={1: text})


def test_a_four_makes_all_memory_clean(task: Task, mm: Mm, dirty: int) -> None:
    assert is_dirty(mm)
    assert write(task, dirty, "4\n") == 2
    assert not is_dirty(mm)


@pytest.mark.parametrize(("text", "answer"), [("1", 1), ("3", 1), ("9", -EINVAL), ("x", -EINVAL)])
def test_other_kinds_leave_it_dirty(task: Task, mm: Mm, dirty: int, text: str, answer: int) -> None:
    assert write(task, dirty, text) == answer
    assert is_dirty(mm)


def test_a_child_that_writes_means_the_process_that_opened_it(
    task: Task, mm: Mm, dirty: int
) -> None:
    """As Linux 6.12 does it."""
    child = do_fork(task, SIGCHLD, 101)
    assert child is not None
    assert child.mm is not None
    assert write(child, dirty, "4") == 1
    assert is_dirty(child.mm)
    assert not is_dirty(mm)


def test_only_what_is_open_for_writing_can_be_written_to(task: Task) -> None:
    fd = do_syscall(task, "openat", CWD, 1, O_RDONLY, mem={1: CLEAR_REFS})
    assert write(task, fd, "4") == -EBADF


@pytest.mark.parametrize(
    ("change", "result"),
    [
        (("setresuid", 2**64 - 1, 65534, 0), -EACCES),
        (("setresuid", 65534, 0, 0), 0),
        (("setfsuid", 65534), -EACCES),
    ],
    ids=str,
)
def test_a_process_that_changed_its_user_may_not_open_it(
    task: Task, change: tuple[str, int, int, int], result: int
) -> None:
    """As 6.17.13, 6.18.15 and 7.1.13 answered the first; it is root's, and only to be written."""
    task.machine.closed_world = True
    task.machine.add_inode(CLEAR_REFS, I_OTHER, "00:00", -1, 0)
    assert do_syscall(task, *change) == 0
    task.cred.cap_effective &= ~(1 << CAP_DAC_OVERRIDE)
    assert min(do_syscall(task, "openat", CWD, 1, O_WRONLY, mem={1: CLEAR_REFS}), 0) == result
