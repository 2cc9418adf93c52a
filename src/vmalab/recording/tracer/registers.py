# SPDX-License-Identifier: GPL-2.0-or-later
"""What the registers of a held thread say: the call it will make, or how its last one ended."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.abi32 import call_of
from vmalab.recording.tracer.decode import (
    decode_call,
    decode_number,
)
from vmalab.recording.tracer.memory import Memory
from vmalab.recording.tracer.stops import ENDS, is_traced

# ENOSYS: the call was never entered. EINTR and its kin: it was broken off.
_UNDONE: Final = frozenset((-38, -4, -512, -513, -514, -516))


def call_at(tid: int, stop: ptrace.Stop, memory: Memory) -> Call | None:
    """Return the call that a thread is about to make, None when it is of no interest."""
    if not stop.op:
        return None
    number, args = stop.words[0], stop.words[1:]
    if stop.arch == ptrace.AUDIT_ARCH_X86_64:
        return decode_number(tid, number, args, memory) if is_traced(number, args) else None
    found = call_of(number, args, memory) if stop.arch == ptrace.AUDIT_ARCH_I386 else None
    return None if found is None else decode_call(tid, *found, memory, wide=False)


def result_of_killed(call: Call) -> int | None:
    """Return what the call of a dying thread has answered.

    None: nothing, and it has changed nothing.
    """
    if call.name in ENDS:
        return None
    try:
        result = ptrace.get_result(call.tid)
    except OSError:
        return None
    return None if result in _UNDONE else result


def call_once(tid: int, stop: ptrace.Stop) -> Call | None:
    """Return the call at a stop of a thread whose memory is not kept open. Errors: OSError."""
    memory = Memory(tid)
    try:
        return call_at(tid, stop, memory)
    finally:
        memory.close()
