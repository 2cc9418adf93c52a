# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths that lead to one file, or no longer to it: links, renames, directories, O_TMPFILE."""

import pytest

from vmalab.linux.include.uapi.errno import EBADF, EFAULT, EPERM
from vmalab.linux.include.uapi.fcntl import AT_FDCWD, AT_RENAME_EXCHANGE, O_RDWR, O_TMPFILE
from vmalab.linux.include.uapi.sched import CLONE_FS
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.types.file import Inode
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

CWD = AT_FDCWD & 0xFFFFFFFFFFFFFFFF
SEALING, FUTURE_WRITE, ADD_SEALS = 2, 16, 1033


def opened(task: Task, path: str, flags: int = O_RDWR) -> Inode:
    """Open a path, and answer its inode."""
    file = task.files.fget(do_syscall(task, "open", 1, flags, mem={0: path}))
    assert file is not None
    return file.inode


def sealed_memory_file(task: Task) -> int:
    fd = do_syscall(task, "memfd_create", 1, SEALING, mem={0: "x"})
    assert do_syscall(task, "fcntl", fd, ADD_SEALS, FUTURE_WRITE) == 0
    return fd


@pytest.mark.parametrize(
    "folder",
    ["/proc/self/fd", "/dev/fd", "/proc/thread-self/fd", "/proc/{}/fd", "/proc/{}/task/{}/fd"],
)
def test_a_memory_file_opened_through_a_link_keeps_its_seals(task: Task, folder: str) -> None:
    fd = sealed_memory_file(task)
    link = folder.format(task.pid, task.pid) + f"/{fd}"
    again = do_syscall(task, "open", 1, O_RDWR, mem={0: link})
    assert again != fd
    assert do_syscall(task, "mmap", 0, 4096, 3, 1, again, 0) == -EPERM


@pytest.mark.parametrize(
    "path", ["/proc/self/fd/x", "/proc/self/fd/77", "/proc/1/fd/0", "/proc/fd/0"]
)
def test_a_link_that_leads_nowhere_is_some_other_file(task: Task, path: str) -> None:
    memory = task.files.fget(sealed_memory_file(task))
    assert memory is not None
    assert opened(task, path) is not memory.inode


def test_a_renamed_file_keeps_its_inode(task: Task) -> None:
    inode = opened(task, "/tmp/a")
    do_syscall(task, "rename", 1, 2, mem={0: "/tmp/a", 1: "/tmp/b"})
    assert opened(task, "/tmp/b") is inode
    assert opened(task, "/tmp/a") is not inode


def test_what_is_renamed_over_is_another_file(task: Task) -> None:
    old = opened(task, "/tmp/b")
    new = opened(task, "/tmp/a")
    do_syscall(task, "renameat", CWD, 1, CWD, 2, mem={1: "/tmp/a", 3: "/tmp/b"})
    assert opened(task, "/tmp/b") is new
    assert not old.linked


def test_a_directory_is_renamed_with_what_is_in_it(task: Task) -> None:
    inode = opened(task, "/tmp/d/x")
    do_syscall(task, "rename", 1, 2, mem={0: "/tmp/d", 1: "/tmp/e"})
    assert opened(task, "/tmp/e/x") is inode


def test_exchanged_files_change_places(task: Task) -> None:
    a, b = opened(task, "/tmp/a"), opened(task, "/tmp/b")
    do_syscall(
        task, "renameat2", CWD, 1, CWD, 2, AT_RENAME_EXCHANGE, mem={1: "/tmp/a", 3: "/tmp/b"}
    )
    assert (opened(task, "/tmp/a"), opened(task, "/tmp/b")) == (b, a)


def test_a_link_is_the_same_file(task: Task) -> None:
    inode = opened(task, "/tmp/a")
    do_syscall(task, "link", 1, 2, mem={0: "/tmp/a", 1: "/tmp/b"})
    assert opened(task, "/tmp/b") is inode


def test_files_without_a_name_are_each_their_own(task: Task) -> None:
    first = opened(task, "/tmp", O_TMPFILE | O_RDWR)
    second = opened(task, "/tmp", O_TMPFILE | O_RDWR)
    assert first is not second
    assert (first.size, first.linked) == (0, False)


def test_relative_paths_start_in_the_working_directory(task: Task) -> None:
    inode = opened(task, "/srv/x")
    do_syscall(task, "chdir", 1, mem={0: "/srv"})
    assert opened(task, "x") is inode
    do_syscall(task, "chdir", 1, mem={0: "sub/.."})
    assert opened(task, "x") is inode
    fd = do_syscall(task, "open", 1, 0o200000, mem={0: "/etc"})
    do_syscall(task, "fchdir", fd)
    assert opened(task, "x") is not inode


@pytest.mark.parametrize(("flags", "follows"), [(0, False), (CLONE_FS, True)])
def test_a_child_has_a_working_directory_of_its_own_but_for_clone_fs(
    task: Task, flags: int, follows: bool
) -> None:
    child = do_fork(task, flags, 4242)
    assert child is not None
    do_syscall(task, "chdir", 1, mem={0: "/srv"})
    assert (child.fs.pwd == "/srv") is follows


NOT_OPEN = 77


@pytest.mark.parametrize(
    ("name", "arguments", "strings"),
    [
        ("fchdir", (NOT_OPEN,), {}),
        ("renameat", (NOT_OPEN, 1, CWD, 2), {1: "a", 3: "b"}),
        ("renameat2", (CWD, 1, NOT_OPEN, 2, 0), {1: "a", 3: "b"}),
        ("linkat", (NOT_OPEN, 1, CWD, 2, 0), {1: "a", 3: "b"}),
    ],
)
def test_a_directory_that_is_not_open(
    task: Task, name: str, arguments: tuple[int, ...], strings: dict[int, object]
) -> None:
    assert do_syscall(task, name, *arguments, mem=strings) == -EBADF


@pytest.mark.parametrize("name", ["chdir", "rename", "link"])
def test_names_at_no_address(task: Task, name: str) -> None:
    assert do_syscall(task, name, 0, 0) == -EFAULT
