# SPDX-License-Identifier: GPL-2.0-or-later
"""Begins to trace: one thread, or all threads of a running process; says why it is not allowed."""

import os
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.hold import gather
from vmalab.recording.tracer.proc_files import (
    is_kernel_thread,
    thread_state,
    threads_of,
    tracer_of,
)
from vmalab.recording.tracer.recorder import Recorder

# What a tracer is to be told of, besides calls and signals.
FOLLOW: Final = (
    ptrace.PTRACE_O_TRACESYSGOOD
    | ptrace.PTRACE_O_TRACEFORK
    | ptrace.PTRACE_O_TRACEVFORK
    | ptrace.PTRACE_O_TRACECLONE
    | ptrace.PTRACE_O_TRACEEXEC
    | ptrace.PTRACE_O_TRACEEXIT
)

# Looks at a process without a thread that could be traced, before it counts as ended.
_VAIN_LOOKS: Final = 100


def seize_all(recorder: Recorder, pid: int) -> None:
    """Trace and stop every thread of a process. Errors: ReadError."""
    if not threads_of(pid):
        raise ReadError(str(pid), 0, "no such process")
    vain = 0
    while vain < _VAIN_LOOKS:
        new = [tid for tid in threads_of(pid) if tid not in recorder.tasks]
        taken = [tid for tid in new if _seize_thread(tid)]
        for tid in taken:
            recorder.add(tid, pid)
        if taken:
            gather(recorder)
        elif recorder.tasks:
            break
        else:
            # An exec of one thread has made all that were listed vanish.
            vain += 1
    if not recorder.tasks:
        raise ReadError(str(pid), 0, "it ended before it could be recorded")


def _seize_thread(tid: int) -> bool:
    """Trace a thread of a process; False when it is ending, or traced by this process already.

    Errors: ReadError.
    """
    for look in range(_VAIN_LOOKS):
        try:
            seize(tid, FOLLOW)
        except ReadError:
            if thread_state(tid) in ("", "Z", "X") or tracer_of(tid) == os.getpid():
                return False
            # Perhaps its number has just gone over to a thread that makes an exec.
            if look == _VAIN_LOOKS - 1:
                raise
        else:
            break
    return True


def seize(tid: int, options: int) -> None:
    """Trace a thread. Errors: ReadError, which says how to be allowed to."""
    try:
        ptrace.ptrace(ptrace.PTRACE_SEIZE, tid, 0, options)
    except ProcessLookupError:
        raise ReadError(str(tid), 0, "no such process") from None
    except PermissionError:
        raise ReadError(str(tid), 0, _why_not(tid)) from None


def _why_not(tid: int) -> str:
    tracer = tracer_of(tid)
    if tracer:
        return f"it is traced already, by process {tracer}"
    if is_kernel_thread(tid):
        return "it is a thread of the kernel, which makes no calls"
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            scope = file.read().strip()
    except OSError:
        scope = "0"
    if scope != "0":
        return (
            f"tracing it is not permitted: /proc/sys/kernel/yama/ptrace_scope is {scope}; run as "
            "root (CAP_SYS_PTRACE), or set it to 0, or let vmalab start the program itself"
        )
    if os.geteuid() == 0:
        return (
            "tracing it is not permitted, though this user is root: it has rights that root lacks "
            "here (CAP_SYS_PTRACE), or a security module or the container forbids it"
        )
    return (
        "tracing it is not permitted: it belongs to another user, or has more privileges; "
        "run as root (CAP_SYS_PTRACE)"
    )
