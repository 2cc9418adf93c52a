# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells programs that an exec would give rights, which the kernel withholds while they are traced.

A set-user-ID program, or one with capabilities of its file, gets its rights only if its tracer has
CAP_SYS_PTRACE.
"""

import os
import stat
from contextlib import suppress
from typing import Final

from vmalab.calls.call import Call
from vmalab.recording.tracer.proc_files import read_proc

_CAP_SYS_PTRACE: Final = 1 << 19
_AT_FDCWD: Final = 0xFFFFFFFFFFFFFF9C
_AT_EMPTY_PATH: Final = 0x1000


def may_trace_all() -> bool:
    """Return whether this process has CAP_SYS_PTRACE."""
    return int(_field(os.getpid(), b"CapEff", b"0")[0], 16) & _CAP_SYS_PTRACE != 0


def gains_rights(call: Call) -> bool:
    """Whether the exec that a held thread is about to make gives it rights of the program's own."""
    path = _path(call)
    if path is None or _field(call.tid, b"NoNewPrivs", b"0") == [b"1"]:
        return False
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode) or os.statvfs(path).f_flag & os.ST_NOSUID:
            return False
    except OSError:
        return False
    user, group = (int(_field(call.tid, name, b"0 0")[1]) for name in (b"Uid", b"Gid"))
    if found.st_mode & stat.S_ISUID and found.st_uid != user:
        return True
    if found.st_mode & stat.S_ISGID and found.st_mode & stat.S_IXGRP and found.st_gid != group:
        return True
    with suppress(OSError):
        return bool(os.getxattr(path, "security.capability"))
    return False


def _path(call: Call) -> str | None:
    """Return the program of an exec, as this process can open it; None when that is not known."""
    index = 1 if call.name == "execveat" else 0
    path = (call.mem or {}).get(index)
    if not isinstance(path, str):
        return None
    proc = f"/proc/{call.tid}"
    if path.startswith("/"):
        return f"{proc}/root{path}"
    at = call.args[0] if call.name == "execveat" else _AT_FDCWD
    if at == _AT_FDCWD:
        return f"{proc}/cwd/{path}" if path else None
    file = f"{proc}/fd/{at & 0xFFFFFFFF}"
    if not path:
        return file if call.args[4] & _AT_EMPTY_PATH else None
    return f"{file}/{path}"


def _field(pid: int, name: bytes, default: bytes) -> list[bytes]:
    """Return the words of a line of /proc/PID/status."""
    for line in read_proc(pid, "status").split(b"\n"):
        if line.startswith(name + b":"):
            return line.split()[1:]
    return default.split()
