# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes files that the user names so that nobody sees half of one, and a failure loses nothing.

A file is written beside its place and moved there once it is whole. What is no plain file (a pipe,
a terminal, a descriptor under /proc) is written to as it is, and so is a file in a folder that
takes no other.
"""

import ctypes
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from vmalab.calls.errors import UsageError

Move = Callable[[str, str], None]

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Links that the kernel follows at most.
_LINKS: Final = 40
_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1
_libc: Final = ctypes.CDLL(None, use_errno=True)


def replace_file(path: str, text: str, move: Move = os.replace) -> None:
    """Put a text in the place of a file, whole or not at all. Errors: UsageError."""
    try:
        with replacing(path, move) as place, open(place, "w", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: cannot write: {why}") from None


@contextmanager
def replacing(path: str, move: Move = os.replace) -> Iterator[str]:
    """Yield a path to write to; what is there at the end takes the place of `path`.

    It is a new, empty file, or `path` where that is no plain file. Errors: OSError.
    """
    target = _behind_links(path)
    beside = _new_beside(target)
    if beside is None:
        yield path
        return
    try:
        yield beside
        move(beside, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


@contextmanager
def written_whole(target: str) -> Iterator[str]:
    """Yield a path beside `target`, with the same ending, for a file or folder to be made there.

    It gets the name `target` at the end, or goes. Errors: OSError, also where `target` exists.
    """
    folder, name = os.path.split(os.path.normpath(target))
    beside = os.path.join(folder, f".vmalab-{secrets.token_hex(4)}-{name[-64:]}")
    try:
        yield beside
        _move_to_new(beside, target)
    except BaseException:
        _remove(beside)
        raise


def _behind_links(path: str) -> str:
    """Return where the links at the end of a path lead; one into /proc is left, being no path."""
    for _ in range(_LINKS):
        if not os.path.islink(path) or os.path.realpath(os.path.dirname(path)).startswith("/proc/"):
            break
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return path


def _new_beside(target: str) -> str | None:
    """Make a file in the same folder, for the same ones to read; None: `target` is no plain file,
    or the folder takes none while `target` is there to be written to.
    """
    try:
        known = os.lstat(target)
    except FileNotFoundError:
        known = None
    if known is not None and not stat.S_ISREG(known.st_mode):
        return None
    beside = os.path.join(os.path.dirname(target), f".vmalab-{secrets.token_hex(8)}.new")
    try:
        fd = os.open(beside, _NEW, 0o666)
    except PermissionError:
        if known is None:
            raise
        return None
    try:
        if known is not None:
            os.fchmod(fd, stat.S_IMODE(known.st_mode))
    finally:
        os.close(fd)
    return beside


def _move_to_new(source: str, target: str) -> None:
    """Give a file or folder a name that nothing has. Errors: OSError."""
    names = os.fsencode(source), os.fsencode(target)
    if _libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_NOREPLACE) == 0:
        return
    number = ctypes.get_errno()
    # A file system may not know of it.
    if number in (errno.EINVAL, errno.ENOSYS) and not os.path.lexists(target):
        os.rename(source, target)
        return
    raise OSError(number, os.strerror(number), target)


def _remove(path: str) -> None:
    """Remove what has been made so far."""
    if os.path.isdir(path):
        shutil.rmtree(path, ignore_errors=True)
        return
    with suppress(OSError):
        os.unlink(path)
