# SPDX-License-Identifier: GPL-2.0-or-later
"""Links to open files: /proc/PID/fd/N and its other names.

Mirrors proc_fd_link() of fs/proc/fd.c (v6.18).
"""

from typing import Final

from vmalab.linux.types.file import File
from vmalab.linux.types.task import Task

# Names of the caller's own descriptors.
_OWN: Final = ("/dev/fd", "/proc/self/fd", "/proc/thread-self/fd")


def proc_fd_link(task: Task, path: str) -> File | None:
    """Return the open file that an absolute path is a link to; None: it is none, or not known."""
    folder, _, number = path.rpartition("/")
    if not number.isascii() or not number.isdecimal() or len(number) > 10:
        return None
    if folder in _OWN:
        return task.files.fget(int(number))
    parts = folder.split("/")
    # "/proc/PID/fd", "/proc/PID/task/TID/fd".
    if len(parts) < 4 or parts[:2] != ["", "proc"] or parts[-1] != "fd":
        return None
    if len(parts) != 4 and (len(parts) != 6 or parts[3] != "task"):
        return None
    whose = parts[-2]
    if whose == "self" or whose == "thread-self":
        return task.files.fget(int(number))
    if not whose.isascii() or not whose.isdecimal() or len(whose) > 10:
        return None
    other = task.machine.find_task(int(whose))
    return None if other is None else other.files.fget(int(number))
