# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors: the lowest free one, copies, closing, limits."""

import pytest

from vmalab.linux.include.uapi.errno import EBADF, EINVAL, EMFILE
from vmalab.linux.include.uapi.fcntl import (
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_GETFD,
    F_GETFL,
    F_SETFD,
    O_CLOEXEC,
)
from vmalab.linux.types.file import FMODE_READ, I_REG, File, FileOps, Inode
from vmalab.linux.types.files import FilesStruct, check_close_range, fget, unshare_files
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

NO_LIMIT = 1 << 20


class Released(FileOps):
    """Counts the files that were let go."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def release(self, file: File) -> None:
        self.count += 1


@pytest.fixture
def ops() -> Released:
    return Released()


def new_file(ops: FileOps) -> File:
    return File(Inode(I_REG, "fe:00", 1), "/f", FMODE_READ, ops)


def test_install_takes_the_lowest_free_descriptor(ops: Released) -> None:
    files = FilesStruct()
    assert [files.install(new_file(ops), False, NO_LIMIT) for _ in range(3)] == [0, 1, 2]
    assert files.close(1) == 0
    assert files.install(new_file(ops), False, NO_LIMIT) == 1
    assert files.install(new_file(ops), False, NO_LIMIT) == 3


def test_descriptor_stated_as_a_fact_is_skipped_and_replaces_what_was_there(ops: Released) -> None:
    files = FilesStruct()
    files.install_at(0, new_file(ops))
    files.install_at(1, new_file(ops))
    file = new_file(ops)
    files.install_at(1, file)
    assert ops.count == 1
    assert fget(files, 1) is file
    assert files.install(new_file(ops), False, NO_LIMIT) == 2


def test_install_beyond_the_limit_drops_the_file(ops: Released) -> None:
    files = FilesStruct()
    assert files.install(new_file(ops), False, 1) == 0
    assert files.install(new_file(ops), False, 1) == -EMFILE
    assert ops.count == 1


def test_close_releases_with_the_last_descriptor(ops: Released) -> None:
    files = FilesStruct()
    fd = files.install(new_file(ops), False, NO_LIMIT)
    copy = files.dup(fd, 0, False, NO_LIMIT)
    assert files.close(fd) == 0
    assert ops.count == 0
    assert files.close(copy) == 0
    assert ops.count == 1
    assert files.close(copy) == -EBADF


def test_a_copied_table_holds_its_own_references(ops: Released) -> None:
    files = FilesStruct()
    files.install(new_file(ops), True, NO_LIMIT)
    copy = files.copy()
    files.put()
    assert ops.count == 0
    copy.close_marked()
    assert ops.count == 1
    assert copy.fdt == {}


def test_unshare_leaves_a_table_of_one_user_alone(ops: Released) -> None:
    files = FilesStruct()
    assert unshare_files(files) is files
    files.count += 1
    assert unshare_files(files) is not files
    assert files.count == 1


@pytest.fixture
def fd(task: Task, ops: Released) -> int:
    """A descriptor of `task`."""
    return task.files.install(new_file(ops), False, NO_LIMIT)


def test_dup2_onto_another_closes_that(task: Task, fd: int, ops: Released) -> None:
    other = task.files.install(new_file(ops), False, NO_LIMIT)
    assert do_syscall(task, "dup2", fd, other) == other
    assert ops.count == 1
    assert fget(task.files, other) is fget(task.files, fd)


def test_dup2_onto_itself(task: Task, fd: int) -> None:
    assert do_syscall(task, "dup2", fd, fd) == fd
    assert do_syscall(task, "dup2", 77, 77) == -EBADF
    assert do_syscall(task, "dup2", 77, 5) == -EBADF


def test_dup3_checks_flags_and_wants_two_numbers(task: Task, fd: int) -> None:
    assert do_syscall(task, "dup3", fd, fd, 0) == -EINVAL
    assert do_syscall(task, "dup3", fd, 9, 1) == -EINVAL
    assert do_syscall(task, "dup3", fd, 9, O_CLOEXEC) == 9
    assert 9 in task.files.close_on_exec


def test_dup_to_a_number_beyond_the_limit(task: Task, fd: int) -> None:
    task.signal.rlim_cur[7] = 4
    assert do_syscall(task, "dup2", fd, 4) == -EBADF
    assert do_syscall(task, "fcntl", fd, F_DUPFD, 4) == -EINVAL
    assert do_syscall(task, "fcntl", fd, F_DUPFD, 3) == 3
    assert do_syscall(task, "fcntl", fd, F_DUPFD, 3) == -EMFILE


def test_fcntl_duplicates_from_a_number_on(task: Task, fd: int) -> None:
    assert do_syscall(task, "fcntl", fd, F_DUPFD, 10) == 10
    assert do_syscall(task, "fcntl", fd, F_DUPFD_CLOEXEC, 10) == 11
    assert do_syscall(task, "fcntl", 10, F_GETFD) == 0
    assert do_syscall(task, "fcntl", 11, F_GETFD) == 1
    assert do_syscall(task, "fcntl", 11, F_SETFD, 0) == 0
    assert do_syscall(task, "fcntl", 11, F_GETFD) == 0
    assert do_syscall(task, "fcntl", 12, F_GETFD) == -EBADF
    assert do_syscall(task, "dup", fd) == fd + 1


def test_fcntl_commands_without_a_model_say_so(task: Task, fd: int) -> None:
    assert do_syscall(task, "fcntl", fd, F_GETFL) == -38


def test_close_range_closes_or_marks(task: Task, ops: Released) -> None:
    for _ in range(5):
        task.files.install(new_file(ops), False, NO_LIMIT)
    assert do_syscall(task, "close_range", 3, 2**32 - 1, 4) == 0
    assert task.files.close_on_exec.bits() == [3, 4]
    assert do_syscall(task, "close_range", 1, 2, 0) == 0
    assert sorted(task.files.fdt) == [0, 3, 4]
    assert do_syscall(task, "close_range", 2, 1, 0) == -EINVAL
    assert do_syscall(task, "close_range", 1, 2, 1) == -EINVAL


def test_close_range_can_leave_a_shared_table(task: Task, fd: int) -> None:
    shared = task.files
    shared.count += 1
    assert do_syscall(task, "close_range", 0, 9, 2) == 0
    assert task.files is not shared
    assert task.files.fdt == {}
    assert fget(shared, fd) is not None
    shared.put()


def test_check_close_range_takes_a_range_of_one() -> None:
    assert check_close_range(4, 4, 0) == 0
