# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of file descriptors: which open file each number stands for.

Mirrors fs/file.c (v6.18).  A table holds one reference of each file that is in it.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.uapi.errno import EBADF, EINVAL, EMFILE
from vmalab.linux.lib.bitmap import Bitmap
from vmalab.linux.types.file import FMODE_PATH, File

# No descriptor is larger, whatever RLIMIT_NOFILE says (fs.nr_open).
SYSCTL_NR_OPEN: Final = 1024 * 1024


def get_file(file: File) -> File:
    """Take a reference to an open file."""
    file.f_count += 1
    return file


def fput(file: File) -> None:
    """Drop a reference to an open file; the last one releases it."""
    file.f_count -= 1
    if file.f_count == 0:
        file.f_op.release(file)


@final
@mypyc_attr(native_class=True)
class FilesStruct:
    """struct files_struct: the descriptors of a process, shared by tasks with CLONE_FILES."""

    def __init__(self) -> None:
        # Tasks that use the table.
        self.count: i64 = 1
        self.fdt: dict[int, File] = {}
        # The numbers that are open, and those that an exec closes.
        self.open_fds: Bitmap = Bitmap()
        self.close_on_exec: Bitmap = Bitmap()
        # No descriptor below it is free.
        self.next_fd: int = 0

    def fget(self, fd: int) -> File | None:
        """Return the file behind a descriptor, without taking a reference.

        None when it is not open.

        Also one of O_PATH, unlike what `fget` of this module answers.  Kernel: fget_raw().
        """
        return self.fdt.get(fd)

    def alloc_fd(self, start: int, limit: int) -> int:
        """Return the lowest free descriptor from `start` on and below `limit`, or -EMFILE."""
        fd = int(self.open_fds.find_next_zero_bit(max(start, self.next_fd)))
        if fd >= min(limit, SYSCTL_NR_OPEN):
            return -EMFILE
        if start <= self.next_fd:
            self.next_fd = fd + 1
        return fd

    def install(self, file: File, cloexec: bool, limit: int) -> int:
        """Give a file the lowest free descriptor: it, or -EMFILE with the reference dropped.

        The caller's reference becomes the table's (`FD_ADD`).
        """
        fd = self.alloc_fd(0, limit)
        if fd < 0:
            fput(file)
            return fd
        self.put_at(fd, file, cloexec)
        return fd

    def install_at(self, fd: int, file: File, cloexec: bool = False) -> None:
        """State as a fact that `fd` is `file`, in the place of what it was before.

        The caller's reference becomes the table's.  For replays, where the number is in the record.
        """
        old = self.fdt.get(fd)
        self.put_at(fd, file, cloexec)
        if old is not None:
            fput(old)

    def put_at(self, fd: int, file: File, cloexec: bool) -> None:
        """Enter a file, with its flag for exec."""
        self.fdt[fd] = file
        if fd < SYSCTL_NR_OPEN:
            # A record may state larger ones, which are never allocated.
            self.open_fds.set_bit(fd)
        if cloexec and fd < SYSCTL_NR_OPEN:
            self.close_on_exec.set_bit(fd)
        else:
            self.close_on_exec.clear_bit(fd)

    def close(self, fd: int) -> int:
        """Close a descriptor: 0, or -EBADF when it is not open."""
        file = self.fdt.pop(fd, None)
        if file is None:
            return -EBADF
        self.open_fds.clear_bit(fd)
        self.close_on_exec.clear_bit(fd)
        if fd < self.next_fd:
            self.next_fd = fd
        fput(file)
        return 0

    def dup(self, fd: int, start: int, cloexec: bool, limit: int) -> int:
        """Open the file of `fd` again under the lowest free descriptor from `start` on.

        Errors: EBADF, EMFILE.
        """
        file = self.fdt.get(fd)
        if file is None:
            return -EBADF
        new = self.alloc_fd(start, limit)
        if new >= 0:
            self.put_at(new, get_file(file), cloexec)
        return new

    def dup_to(self, fd: int, new: int, cloexec: bool, limit: int) -> int:
        """Make `new`, another number, a second descriptor of the file of `fd`, closing what it was.

        Returns `new` or -EBADF: `fd` is not open, or `new` is beyond the limit.
        """
        file = self.fdt.get(fd)
        if file is None or new >= min(limit, SYSCTL_NR_OPEN):
            return -EBADF
        self.install_at(new, get_file(file), cloexec)
        return new

    def in_range(self, first: int, last: int) -> list[int]:
        """Return the open descriptors from `first` to `last` (inclusive), lowest first."""
        return sorted([fd for fd in self.fdt if first <= fd <= last])

    def close_range(self, first: int, last: int, only_mark: bool) -> None:
        """Close the descriptors from `first` to `last` (inclusive), or mark them close-on-exec."""
        for fd in self.in_range(first, last):
            if only_mark:
                self.close_on_exec.set_bit(min(fd, SYSCTL_NR_OPEN))
            else:
                self.close(fd)

    def close_marked(self) -> None:
        """Close what an exec closes (`do_close_on_exec`)."""
        for fd in self.close_on_exec.bits():
            self.close(fd)

    def copy(self) -> "FilesStruct":
        """Return a table of its own with the same files (`dup_fd`)."""
        new = FilesStruct()
        for fd, file in self.fdt.items():
            new.fdt[fd] = get_file(file)
        new.open_fds = self.open_fds.copy()
        new.close_on_exec = self.close_on_exec.copy()
        new.next_fd = self.next_fd
        return new

    def put(self) -> None:
        """A task stops using the table; the last one closes everything (`put_files_struct`)."""
        self.count -= 1
        if self.count == 0:
            for fd in sorted(self.fdt):
                self.close(fd)


def fget(files: FilesStruct, fd: int) -> File | None:
    """Return the file behind a descriptor, without taking a reference; None when it is not open.

    One of O_PATH is as good as none: most calls refuse it.
    """
    file = files.fdt.get(fd)
    return None if file is None or file.f_mode & FMODE_PATH != 0 else file


def unshare_files(files: FilesStruct) -> FilesStruct:
    """The table for a task that wants one of its own: a copy if others use it, else the same."""
    if files.count == 1:
        return files
    files.count -= 1
    return files.copy()


def check_close_range(first: int, last: int, flags: int) -> int:
    """0, or -EINVAL for unknown flags or a reversed range."""
    return -EINVAL if flags & ~0x6 != 0 or first > last else 0
