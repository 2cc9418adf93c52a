# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's own tracepoints that perf events are opened on, and what they hold.

Mirrors: Documentation/trace/events.rst, the format of events/*/*/format in tracefs.
"""

import os
import re
from typing import Final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.recording.tracer.stops import TRACED

_PLACES: Final = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
# What an event is for: its path, and the fields that are wanted of it.
WANTED: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "entry": ("raw_syscalls/sys_enter", ("id", "args")),
    "exit": ("raw_syscalls/sys_exit", ("id", "ret")),
    "lock": ("mmap_lock/mmap_lock_acquire_returned", ("write",)),
    "fault": ("exceptions/page_fault_user", ("address",)),
    "kernel fault": ("exceptions/page_fault_kernel", ("address",)),
    "page": ("kmem/rss_stat", ("member", "curr")),
    "task": ("task/task_newtask", ("pid", "clone_flags")),
    "program": ("sched/sched_process_exec", ("filename", "old_pid")),
    "end": ("sched/sched_process_exit", ("pid",)),
}
_FIELD: Final = re.compile(
    r"field:[^;]*?(\w+)(?:\[\d*\])?;\s*offset:(\d+);\s*size:(\d+);", re.ASCII
)
_ID: Final = re.compile(r"^ID: (\d+)$", re.M | re.ASCII)

# A tracepoint: its number, and of each field that is wanted where it is and its size, in bytes.
Tracepoint = tuple[int, dict[str, tuple[int, int]]]


def read_tracepoints() -> dict[str, Tracepoint]:
    """Return all that are wanted, by what they are for. Errors: OSError, when one is not there."""
    place = next((one for one in _PLACES if os.path.isdir(f"{one}/events")), _PLACES[0])
    found: dict[str, Tracepoint] = {}
    for purpose, (path, wanted) in WANTED.items():
        with open(f"{place}/events/{path}/format", encoding="ascii") as file:
            text = file.read()
        number = _ID.search(text)
        fields = {
            name: (int(offset), int(size))
            for name, offset, size in _FIELD.findall(text)
            if name in wanted
        }
        if number is None or len(fields) != len(wanted):
            raise FileNotFoundError(2, f"tracepoint {path} has not the fields that are needed")
        found[purpose] = (int(number[1]), fields)
    return found


def filters() -> dict[str, str]:
    """Return which events of a tracepoint count, by what it is for, as tracefs writes that."""
    calls = "||".join(
        f"id=={first}" if first == last else f"(id>={first}&&id<={last})"
        for first, last in _ranges(sorted(NUMBER_OF_SYSCALL[name] for name in TRACED))
    )
    return {"entry": calls, "exit": calls, "lock": "write==1", "page": "member==1&&curr==1"}


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Return runs of numbers, first and last."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
