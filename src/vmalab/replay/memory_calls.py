# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls concern memory, and which part of the address space a call may change."""

from vmalab.calls.call import Call
from vmalab.calls.ranges import Range, Ranges, page_range, register_range, requested_range
from vmalab.calls.table import (
    EXECS,
    KEEPS_VMAS,
    MAPS,
    MEMORY,
    RANGED,
    SOMETIMES_MEMORY,
    commands_match,
)
from vmalab.linux.include.uapi.mman import MADV_COLLAPSE, MAP_ANONYMOUS
from vmalab.linux.include.uapi.sched import CLONE_THREAD, CLONE_VM
from vmalab.linux.include.uapi.unistd import NR_brk, NR_mmap
from vmalab.linux.include.uapi.userfaultfd import (
    UFFDIO_REGISTER,
    UFFDIO_REGISTER_MODE_MISSING,
    USERFAULTFD_IOC_NEW,
)


def is_memory_call(call: Call) -> bool:
    """Return whether a call creates, changes or inspects an address space.

    An exec that fails says something of the file system, not of memory.
    """
    family = call.row.family
    if family & MEMORY:
        return True
    if family & EXECS:
        return call.ret == 0
    if not family & SOMETIMES_MEMORY:
        return False
    if call.name == "ioctl" and call.args[1] == USERFAULTFD_IOC_NEW:
        return False
    return commands_match(call.name, call.args)


def maps_file(call: Call) -> bool:
    """Return whether a call asks for a mapping of a file."""
    return call.name == "mmap" and not call.args[3] & MAP_ANONYMOUS


def is_collapse(call: Call) -> bool:
    """Return whether a call asks for huge pages now, which the pages that there are decide."""
    return call.name == "madvise" and call.args[2] == MADV_COLLAPSE


def collapses_elsewhere(call: Call) -> bool:
    """Return whether a call asks for huge pages of a process whose pages nobody looked for."""
    return call.name == "process_madvise" and call.args[3] == MADV_COLLAPSE


def has_failed(call: Call) -> bool:
    """Return whether a call failed, as it was recorded."""
    if call.native and call.result >= 0 and call.row.number != NR_brk:
        return False
    return call.refused(call.ret) != 0


def awaits_faults(call: Call) -> Range | None:
    """The range [start, end) in bytes whose first faults a call asks to be told of, if it does.

    Nobody asks that of memory that has its pages (UFFDIO_REGISTER_MODE_MISSING).
    """
    if call.args[1] != UFFDIO_REGISTER or call.name != "ioctl" or call.mem is None:
        return None
    request = call.mem.get(2)
    mode = request.get("mode") if isinstance(request, dict) else None
    if not isinstance(mode, int) or mode & UFFDIO_REGISTER_MODE_MISSING == 0:
        return None
    return requested_range(call)


def clone_flags(call: Call) -> int:
    """Return the CLONE_* flags of a call that makes a task."""
    if call.name == "clone":
        return call.args[0]
    if call.name == "vfork":
        return CLONE_VM
    if call.name == "clone3" and call.mem is not None:
        request = call.mem.get(0)
        if isinstance(request, dict):
            flags = request.get("flags")
            return flags if isinstance(flags, int) else 0
    return 0


def makes_thread(call: Call) -> bool:
    """Return whether the new task is a thread of its maker's process."""
    return clone_flags(call) & CLONE_THREAD != 0


def shares_memory(call: Call) -> bool:
    """Return whether the new task has the same address space."""
    return clone_flags(call) & CLONE_VM != 0


def is_at_its_range(call: Call) -> bool:
    """Return whether what a call may have changed is the range that its registers say, alone."""
    if not call.row.family & RANGED:
        return False
    return call.row.number != NR_mmap or (call.native and call.result == call.a0)


def ranges_of(call: Call, predicted: int | None = None) -> Ranges | None:
    """Return the parts [start, end) in bytes that a call may have changed; None: any part.

    Both what the log says the call answered and what was predicted are taken into account.
    """
    family = call.row.family
    if not family & MAPS:
        if family & RANGED:
            return [register_range(call.a0, call.a1)]
        if call.range_at == 2:
            return [register_range(call.a2, call.a3)]
        return [] if family & KEEPS_VMAS else None
    if call.row.number == NR_mmap:
        found = [register_range(call.a0, call.a1)]
        if call.native and call.result == call.a0 and predicted is None:
            return found
        length = call.args[1]
    elif call.name == "mremap":
        args = call.args
        found = [page_range(args[0], max(args[1], args[2]))]
        length = args[2]
        _add_span(found, args[4], length)
    else:
        return None
    if call.ret is not None:
        _add_span(found, call.ret, length)
    if predicted is not None:
        _add_span(found, predicted, length)
    return found


def _add_span(found: Ranges, start: int, length: int) -> None:
    """Add `[start, start + length)`, unless it is there or `start` is an error number."""
    if start >= 0:
        span = page_range(start, length)
        if span not in found:
            found.append(span)
