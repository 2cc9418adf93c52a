# SPDX-License-Identifier: GPL-2.0-or-later
"""Descriptors that cannot be mapped, and the errno with which each is refused."""

import pytest

from vmalab.linux.include.uapi.errno import EACCES, EBADF, ENODEV, EPERM
from vmalab.linux.include.uapi.fcntl import F_DUPFD, F_GET_SEALS, O_PATH, O_RDONLY
from vmalab.targets.model.model import ModelTarget

from .conftest import apply, follow

READ, WRITE, EXEC = 1, 2, 4
SHARED, PRIVATE = 1, 2


def open_as(target: ModelTarget, what: str) -> int:
    """Descriptor 5, opened as `what` says."""
    if what.startswith("/"):
        flags = O_PATH if what.endswith("(path)") else O_RDONLY
        follow(target, "open", 5, 0, flags, mem={0: what.removesuffix(" (path)")})
    elif what == "pipe read":
        follow(target, "pipe2", 0, mem={0: [5, 6]})
    elif what == "pipe write":
        follow(target, "pipe", 0, mem={0: [4, 5]})
    elif what == "socketpair":
        follow(target, "socketpair", 0, 1, 1, mem={3: [4, 5]})
    else:
        follow(target, what, 5)
    return 5


@pytest.mark.parametrize(
    ("what", "private", "shared_writable", "executable"),
    [
        ("/bin/x (path)", -EBADF, -EBADF, -EBADF),
        ("pipe read", -ENODEV, -EACCES, -EPERM),
        ("pipe write", -EACCES, -EACCES, -EACCES),
        ("socketpair", -ENODEV, -ENODEV, -EPERM),
        ("eventfd2", -ENODEV, -ENODEV, -EPERM),
        ("inotify_init1", -ENODEV, -EACCES, -EPERM),
        ("userfaultfd", -ENODEV, -EACCES, -EPERM),
        ("/proc/meminfo", -ENODEV, -EACCES, -EPERM),
    ],
)
def test_what_cannot_be_mapped_is_refused_for_its_first_reason(
    target: ModelTarget, what: str, private: int, shared_writable: int, executable: int
) -> None:
    """Each answer was Linux 6.18's."""
    fd = open_as(target, what)
    assert apply(target, "mmap", 0, 4096, READ, PRIVATE, fd, 0) == private
    assert apply(target, "mmap", 0, 4096, READ | WRITE, SHARED, fd, 0) == shared_writable
    assert apply(target, "mmap", 0, 4096, READ | EXEC, PRIVATE, fd, 0) == executable


def test_a_path_stays_one_when_its_descriptor_is_copied(target: ModelTarget) -> None:
    fd = open_as(target, "/bin/x (path)")
    follow(target, "dup", 7, fd)
    follow(target, "fcntl", 8, fd, F_DUPFD, 8)
    for copy in (7, 8):
        assert apply(target, "mmap", 0, 4096, READ, PRIVATE, copy, 0) == -EBADF
        assert apply(target, "fcntl", copy, F_GET_SEALS) == -EBADF
        assert apply(target, "ftruncate", copy, 0) == -EBADF
    follow(target, "openat", 9, 8, O_RDONLY, mem={1: "y"})
    assert apply(target, "mmap", 0, 4096, READ, PRIVATE, 9, 0) > 0
