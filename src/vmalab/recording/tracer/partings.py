# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets go of processes that are to run untraced: mostly because somebody else is to trace them.

A recorded program may be a debugger, a sandbox, or a leak check that stops the threads of its own
process. When it is about to attach to a thread that is recorded, or asks to be traced itself, the
recorder gives way: the thread's whole process is stopped, looked at for the last time, and let go,
and only then is the call let into the kernel.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final, final

from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.proc_files import read_proc
from vmalab.recording.tracer.space import Tracee

# Seconds: how long threads are waited for that do not stop (state D).
_PATIENCE: Final = 1.0
_NR_PTRACE: Final = {ptrace.AUDIT_ARCH_X86_64: 101, ptrace.AUDIT_ARCH_I386: 26}
# Requests of ptrace(2).
_TRACEME: Final = 0
_ATTACHES: Final = frozenset((16, ptrace.PTRACE_SEIZE))


@final
class Release:
    """Threads that are let go together. caller: who waits for that, held before its call."""

    __slots__ = ("caller", "deadline", "over", "stopped", "waiting")

    def __init__(self, caller: Tracee, targets: Iterable[Tracee]) -> None:
        self.caller = caller
        self.deadline = time.monotonic() + _PATIENCE
        self.over = False
        self.stopped: list[Tracee] = []
        self.waiting = set(targets)


@final
class Partings:
    """Those under way. let_go: ends the recording of threads that are all held; go: lets a caller
    go on, unless it was killed.
    """

    def __init__(
        self, let_go: Callable[[list[Tracee]], None], go: Callable[[Tracee], None]
    ) -> None:
        self._let_go = let_go
        self._go = go
        self.under_way: list[Release] = []

    def begin(self, caller: Tracee, targets: Iterable[Tracee]) -> None:
        """Ask threads to stop; the caller is held until they have, and are let go."""
        parting = Release(caller, targets)
        self.under_way.append(parting)
        for task in list(parting.waiting):
            task.parting = parting
            if task.stop:
                _stopped(parting, task)
                continue
            try:
                ptrace.ptrace(ptrace.PTRACE_INTERRUPT, task.tid)
            except OSError:
                # It has ended, and will be waited for.
                parting.waiting.discard(task)
        self._check(parting)

    def stopped(self, parting: Release, task: Tracee) -> None:
        """A thread that is to be let go is held, and has done with its call."""
        _stopped(parting, task)
        if parting.over:
            parting.stopped.clear()
            self._let_go([task])
        else:
            self._check(parting)

    def ended(self, task: Tracee) -> None:
        """A thread is gone by itself."""
        parting = task.parting
        if parting is not None and not parting.over:
            parting.waiting.discard(task)
            self._check(parting)

    def look(self) -> None:
        """Go on without threads that do not stop."""
        now = time.monotonic()
        for parting in list(self.under_way):
            if now > parting.deadline:
                self._finish(parting)

    def _check(self, parting: Release) -> None:
        if not parting.waiting and parting in self.under_way:
            self._finish(parting)

    def _finish(self, parting: Release) -> None:
        self.under_way.remove(parting)
        parting.over = True
        caller = parting.caller
        # The caller last: its call is made as soon as it is let go.
        others = [task for task in parting.stopped if task is not caller]
        leaves = len(others) < len(parting.stopped)
        parting.stopped.clear()
        self._let_go([*others, caller] if leaves else others)
        if not leaves:
            self._go(caller)


def _stopped(parting: Release, task: Tracee) -> None:
    parting.waiting.discard(task)
    parting.stopped.append(task)


def is_ptrace(stop: ptrace.Stop) -> bool:
    """Return whether a thread is about to call ptrace(2)."""
    return stop.op == ptrace.AT_ENTRY and stop.words[0] == _NR_PTRACE.get(stop.arch)


def process_of(task: Tracee, tasks: dict[int, Tracee]) -> list[Tracee]:
    """Return all threads of a thread's process."""
    return [other for other in tasks.values() if other.tgid == task.tgid]


def wanted(caller: Tracee, stop: ptrace.Stop, tasks: dict[int, Tracee]) -> list[Tracee]:
    """Return the threads that a call of ptrace(2) wants to have traced by somebody else."""
    request, pid = stop.words[1] & 0xFFFFFFFF, stop.words[2] & 0xFFFFFFFF
    if request == _TRACEME:
        return process_of(caller, tasks)
    target = _found(caller, pid, tasks) if request in _ATTACHES else None
    if target is None or target.tgid == caller.tgid:
        # The kernel refuses to let a process trace itself.
        return []
    space = target.space
    return [target] if space is None else [tasks[tid] for tid in space.tasks if tid in tasks]


def _found(caller: Tracee, pid: int, tasks: dict[int, Tracee]) -> Tracee | None:
    """Return the recorded thread that has this number for the caller, in its PID namespace."""
    depth = len(_numbers(caller.tid)) - 1
    if depth <= 0:
        return tasks.get(pid)
    for task in tasks.values():
        if _numbers(task.tid)[depth : depth + 1] == [pid]:
            return task
    return None


def _numbers(tid: int) -> list[int]:
    """Return the numbers of a thread, from the recorder's PID namespace to its own."""
    for line in read_proc(tid, "status").split(b"\n"):
        if line.startswith(b"NSpid:"):
            return [int(word) for word in line.split()[1:]]
    return []
