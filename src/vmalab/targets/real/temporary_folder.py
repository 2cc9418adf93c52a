# SPDX-License-Identifier: GPL-2.0-or-later
"""Temporary folders that go with their process, or, when it was killed, at the next start.

A folder holds a file that its process keeps locked. A folder of this user's whose lock is free
belongs to nobody any more. Name, owner, kind and the text of that file must all be right before
anything is removed.
"""

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from typing import Final, final

_PREFIX: Final = ".vmalab-"
_NAME: Final = re.compile(r"\.vmalab-[a-z]+-[a-z0-9_]{8}")
_LOCK: Final = "lock"
_TEXT: Final = b"vmalab removes this folder when the process that has locked this file is gone\n"


@final
class OwnFolder:
    """A new folder below `parent`. Errors: OSError when it cannot be made."""

    def __init__(self, parent: str, kind: str) -> None:
        clear_dead(parent)
        self.path = ""
        self._lock = -1
        while self._lock < 0:
            self.path = tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}-", dir=parent)
            try:
                self._lock = _make_lock(self.path)
            except FileNotFoundError:
                # Another process took it, empty as it was, for one that was left.
                continue

    def close(self) -> None:
        """Remove the folder with all that it holds."""
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


def _make_lock(folder: str) -> int:
    """Return the file that tells whose a folder is, locked before it has its text."""
    lock = os.open(
        os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
    )
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.write(lock, _TEXT)
    return lock


def clear_dead(parent: str) -> None:
    """Remove the folders below `parent` that processes of this user have left."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if _NAME.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _clear(entry.path)


def _clear(folder: str) -> None:
    """Remove one folder, if it was left. Errors: OSError, it was not, or cannot be removed."""
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return
    if not os.listdir(folder):
        # Its process was killed between two calls; one that lives makes another.
        os.rmdir(folder)
        return
    lock = os.open(os.path.join(folder, _LOCK), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.read(lock, len(_TEXT) + 1) == _TEXT:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
