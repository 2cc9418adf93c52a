# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads what a live process uses of each limit on its address space, from /proc."""

import os
import re
import time
from typing import Final, NamedTuple

from vmalab.calls.errors import ReadError
from vmalab.linux.include.page import USER_END
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.patterns import pattern

CAP_IPC_LOCK: Final = 14
_LIMIT: Final = pattern(r"(Max [a-z ]+?)  +(\d+|unlimited) +(\d+|unlimited)")
_LIMIT_NAMES: Final = {
    "Max address space": "AS",
    "Max data size": "DATA",
    "Max locked memory": "MEMLOCK",
    "Max stack size": "STACK",
}
_SYSCTLS: Final = ("max_map_count", "overcommit_memory", "mmap_min_addr")


class ProcessLimits(NamedTuple):
    """One moment of a live process.

    when: seconds on a clock that only grows. vmas: how many. largest_gap: the longest free range
    below its highest mapping but the stack, bytes. status: /proc/PID/status in kB by name (VmSize,
    VmData, VmStk, VmLck, VmRSS). rlimits: soft limits in bytes, RLIM_INFINITY for none: AS, DATA,
    MEMLOCK, STACK. sysctl: of vm. commit_limit, committed: of the machine, kB. may_lock: it has
    CAP_IPC_LOCK.
    """

    pid: int
    when: float
    vmas: int
    largest_gap: int
    status: dict[str, int]
    rlimits: dict[str, int]
    sysctl: dict[str, int]
    commit_limit: int
    committed: int
    may_lock: bool


def read_limits(pid: int) -> ProcessLimits:
    """Return a process now. Errors: ReadError when there is none, or it may not be looked at."""
    ranges = _ranges(_text(pid, "maps"))
    status = _text(pid, "status")
    sysctl = {name: _sysctl(name) for name in _SYSCTLS}
    meminfo = _fields(_read("/proc/meminfo"))
    caps = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return ProcessLimits(
        pid=pid,
        when=time.monotonic(),
        vmas=len(ranges),
        largest_gap=_largest_gap(ranges, sysctl["mmap_min_addr"]),
        status={name: kb for name, kb in _fields(status).items() if name.startswith("Vm")},
        rlimits=parse_limits(_text(pid, "limits")),
        sysctl=sysctl,
        commit_limit=meminfo.get("CommitLimit", 0),
        committed=meminfo.get("Committed_AS", 0),
        may_lock=caps is not None and int(caps.group(1), 16) >> CAP_IPC_LOCK & 1 != 0,
    )


def max_map_count() -> int:
    """Return the setting of this machine, 0 where it cannot be read."""
    try:
        return _sysctl("max_map_count")
    except OSError:
        return 0


def parse_limits(text: str) -> dict[str, int]:
    """Return the soft limits in /proc/PID/limits that concern memory, in bytes."""
    found = {}
    for line in text.split("\n"):
        match = _LIMIT().match(line)
        if match is not None and match.group(1) in _LIMIT_NAMES:
            soft = match.group(2)
            value = RLIM_INFINITY if soft == "unlimited" else int(soft)
            found[_LIMIT_NAMES[match.group(1)]] = value
    return found


def _ranges(maps: str) -> list[tuple[int, int, bool]]:
    """[start, end) of each VMA in bytes, and whether it is the stack."""
    found = []
    for line in maps.split("\n")[:-1]:
        span = line.split(" ", 1)[0]
        first, _, last = span.partition("-")
        start, end = int(first, 16), int(last, 16)
        if start < USER_END:
            found.append((start, end, line.endswith("[stack]")))
    return found


def _largest_gap(ranges: list[tuple[int, int, bool]], low: int) -> int:
    best, position = 0, low
    for start, end, is_stack in ranges:
        if is_stack:
            break
        best = max(best, start - position)
        position = end
    return best


def _fields(text: str) -> dict[str, int]:
    """Return the lines "Name:  123 kB" by name."""
    found = {}
    for line in text.split("\n"):
        name, _, rest = line.partition(":")
        words = rest.split()
        if len(words) == 2 and words[1] == "kB" and words[0].isdecimal():
            found[name] = int(words[0])
    return found


def _sysctl(name: str) -> int:
    text = _read(f"/proc/sys/vm/{name}").strip()
    return int(text) if text.isdecimal() else 0


def refusal_of(error: OSError) -> str:
    """Return why a file of a process cannot be read, and what it takes."""
    why = error.strerror or str(error)
    if isinstance(error, PermissionError):
        why += " (it takes the rights of a debugger: the same user, or CAP_SYS_PTRACE)"
    return why


def _text(pid: int, name: str) -> str:
    try:
        return _read(f"/proc/{pid}/{name}")
    except (FileNotFoundError, ProcessLookupError):
        raise ReadError(f"/proc/{pid}", 0, "no such process") from None
    except OSError as error:
        raise ReadError(f"/proc/{pid}/{name}", 0, f"cannot read: {refusal_of(error)}") from None


def _read(path: str) -> str:
    with open(path, "rb", opener=_opener) as file:
        return file.read().decode("utf-8", "surrogateescape")


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
