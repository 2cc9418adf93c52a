# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder that a recording is written to, held by a descriptor, so that nothing leads out of it.

It may have been there before, and be somebody else's: of what is put into it meanwhile no link is
followed and no file written to.
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self, final

# Writes some of the bytes to a descriptor: how many. os.write, or what a test puts in its place.
Write = Callable[[int, bytes], int]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_GROWING: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


@final
class Folder:
    """A folder that is there. Errors of all methods: OSError."""

    def __init__(self, fd: int) -> None:
        """fd: of the folder, this object's from now on."""
        self._fd = fd

    @classmethod
    def at(cls, path: str) -> Self:
        """Open the user's folder, which may be behind a link; make it where it is missing."""
        os.makedirs(path, exist_ok=True)
        return cls(os.open(path, _FOLDER))

    def inside(self, name: str) -> "Folder":
        """Open a folder within, which is made where it is missing."""
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=self._fd)
        return Folder(os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._fd))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more is done with it."""
        os.close(self._fd)

    def names(self) -> list[str]:
        """Return what it holds."""
        return os.listdir(self._fd)

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(name, dir_fd=self._fd)

    def rename(self, name: str, new: str) -> None:
        """Give a file another name, in the place of what has that name."""
        os.replace(name, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def new(self, name: str, mode: int = 0o644) -> int:
        """Open a file for writing that must not be there yet. mode: who may read it."""
        return os.open(name, _NEW, mode, dir_fd=self._fd)

    def growing(self, name: str) -> int:
        """Open a file for writing at its end. Errors: OSError, also when it is no plain file's."""
        return os.open(name, _GROWING, 0o644, dir_fd=self._fd)

    def replace(self, name: str, raw: bytes, write: Write) -> None:
        """Write a file so that it is never seen half-written."""
        partial = name + ".new"
        with suppress(FileNotFoundError):
            self.remove(partial)
        fd = self.new(partial)
        try:
            try:
                while raw:
                    raw = raw[write(fd, raw) :]
            finally:
                os.close(fd)
            os.replace(partial, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except BaseException:
            with suppress(OSError):
                self.remove(partial)
            raise


@final
class GrowingFile:
    """A file that only grows. size: bytes; lines: newlines; those written so far."""

    def __init__(self, fd: int, write: Write) -> None:
        """fd: of the file, this object's from now on. Errors: OSError, here and in `append`."""
        self._fd = fd
        self._write = write
        self.size = os.fstat(fd).st_size
        self.lines = 0

    def append(self, raw: bytes, *, whole: bool) -> None:
        """Add lines. When not all can be written, those that could be stay, or if `whole`, none."""
        kept = 0
        try:
            if os.fstat(self._fd).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "the file has been deleted")
            while kept < len(raw):
                kept += self._write(self._fd, raw[kept:])
        except BaseException:
            kept = 0 if whole else raw.rfind(b"\n", 0, kept) + 1
            os.ftruncate(self._fd, self.size + kept)
            raise
        finally:
            self.size += kept
            self.lines += raw.count(b"\n", 0, kept)

    def close(self) -> None:
        """Nothing more is added."""
        os.close(self._fd)
