# SPDX-License-Identifier: GPL-2.0-or-later
"""What a new task shares with its maker."""

from vmalab.calls.call import Call
from vmalab.linux.include.uapi.sched import CLONE_THREAD, CLONE_VFORK, CLONE_VM
from vmalab.recording.tracer.proc_files import lines_of, read_proc
from vmalab.recording.tracer.ptrace import PTRACE_EVENT_VFORK


def task_flags(call: Call | None, child: int, event: int) -> int:
    """Return the CLONE_* flags of a task that was made by a call.

    None: the call was under way when the recording began. event: the tracer's word for it.
    """
    known = -1 if call is None else _flags_of(call)
    return known if known >= 0 else _guess(child, event)


def _flags_of(call: Call) -> int:
    """Return the flags that a call asks for; -1 when they could not be read."""
    if call.name == "clone":
        return call.args[0]
    if call.name == "vfork":
        return CLONE_VM | CLONE_VFORK
    if call.name == "fork":
        return 0
    request = (call.mem or {}).get(0) if call.name == "clone3" else None
    flags = request.get("flags") if isinstance(request, dict) else None
    return flags if isinstance(flags, int) else -1


def _guess(child: int, event: int) -> int:
    if event == PTRACE_EVENT_VFORK:
        return CLONE_VM | CLONE_VFORK
    for line in lines_of(read_proc(child, "status")):
        if line.startswith(b"Tgid:"):
            return 0 if int(line.split()[1]) == child else CLONE_VM | CLONE_THREAD
    return 0
