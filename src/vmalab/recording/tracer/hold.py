# SPDX-License-Identifier: GPL-2.0-or-later
"""Stops all threads of a recording at once, and lets go of them, within a bounded time.

A thread is held while `Tracee.stop` is set: waitpid() has reported a stop, and nothing has resumed
the thread since. A thread that sleeps uninterruptibly (state D: a fault that nobody serves, a vfork
whose child has not run its exec) does not stop when asked to, nor does one that goes round in the
kernel (a fault of the kernel's own that nobody serves). It is given a moment, and then left alone:
the kernel detaches what is still traced when the tracer ends, and drops the request to stop.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.proc_files import thread_usage, tracer_of
from vmalab.recording.tracer.recorder import Recorder
from vmalab.recording.tracer.sleeps import woken_outside
from vmalab.recording.tracer.space import LastMap, Space

# Seconds: how long threads have to stop; how long when all that are left will not, as far as can be
# seen, or have not stopped when asked before; and how often they are looked at.
_PATIENCE: Final = 0.6
_PATIENCE_SHORT: Final = 0.1
_LOOK_EVERY: Final = 0.01
# Ticks of time in the kernel, of 10 ms: who has had them, and has not stopped, goes round in there.
_ROUNDS: Final = 3


def gather(recorder: Recorder) -> None:
    """Stop every thread and keep it stopped.

    Threads that do not stop in time keep `Tracee.stop` at 0; those that are gone are forgotten.
    """
    recorder.gathering = True
    tasks = [task for task in recorder.tasks.values() if not task.stop]
    again = all(task.asked for task in tasks)
    waiting = set()
    for task in tasks:
        task.asked = _interrupt(task.tid)
        if task.asked:
            waiting.add(task.tid)
    for tid, status in _stops(waiting, _PATIENCE_SHORT if again else _PATIENCE):
        recorder.handle(tid, status)
    for tid in [tid for tid, task in recorder.tasks.items() if not task.stop]:
        if not _is_ours(tid):
            recorder.lost(tid)


def resume(recorder: Recorder) -> None:
    """Let every gathered thread run on. Preconditions: none waits for its turn to enter a call."""
    recorder.gathering = False
    for task in list(recorder.tasks.values()):
        if task.stop:
            recorder.go_if_alive(task)


def detach(recorder: Recorder) -> dict[int, int]:
    """End the recording of programs that live on.

    The last maps are read while the threads are held, and written when they run again.

    Preconditions: `gather` has been called. Returns: as `let_go`.
    """
    lasts: dict[Space, LastMap] = {}
    try:
        tasks = sorted(recorder.tasks.values(), key=lambda task: not task.stop)
        for task in tasks:
            if not task.stop:
                recorder.leave_unfinished(task)
            if task.space is not None and task.space not in lasts:
                lasts[task.space] = task.space.last(task.tid)
    finally:
        ended = let_go(recorder, _PATIENCE_SHORT)
    for space, last in lasts.items():
        space.end(last)
    return ended


def let_go(recorder: Recorder, patience: float = _PATIENCE) -> dict[int, int]:
    """Stop tracing everything, whatever state it is in; nothing of the recorder's is needed for it.

    Each thread goes on from its stop as if there had been no tracer: with the signal that was being
    delivered, or stopped, if its process is. patience: seconds that threads have to stop.

    Returns: the wait statuses of those that had ended, by their number.
    """
    stops = {tid: task.stop for tid, task in recorder.tasks.items() if task.stop} | recorder.early
    tasks = dict(recorder.tasks)
    waiting = set(tasks) - set(stops)
    for task in tasks.values():
        if task.stop and task.flight is not None and task.flight.untraced is not None:
            # A call that it has not made yet, or that it has just made.
            with suppress(OSError):
                task.flight.untraced.restore(task.tid)
    recorder.tasks.clear()
    recorder.early.clear()
    done = set(stops)
    ended: dict[int, int] = {}
    for tid, status in stops.items():
        waiting |= _detach(tid, status) - done
    waiting = {tid for tid in waiting if _interrupt(tid)}
    for tid, status in _stops(waiting, patience):
        if os.WIFSTOPPED(status):
            if tid in tasks:
                with suppress(OSError):
                    woken_outside(tasks[tid])
            done.add(tid)
            waiting |= _detach(tid, status) - done
        else:
            ended[tid] = status
    return ended


def _detach(tid: int, status: int) -> set[int]:
    """Let a stopped thread go on untraced; the tasks it has just made, which are traced too."""
    made: set[int] = set()
    try:
        if status >> 16 in ptrace.FORK_EVENTS:
            made.add(ptrace.get_message(tid))
        ptrace.ptrace(ptrace.PTRACE_DETACH, tid, 0, ptrace.signal_at(status))
    except OSError:
        # It has been killed: it needs nobody to let it go.
        return made
    return made


def _interrupt(tid: int) -> bool:
    """Ask a thread to stop; False when it is gone, or not traced by this process."""
    try:
        ptrace.ptrace(ptrace.PTRACE_INTERRUPT, tid)
    except OSError:
        return False
    return True


def _stops(waiting: set[int], patience: float) -> Iterator[tuple[int, int]]:
    """Wait statuses as they come, until none of `waiting` is missing or the time is over.

    Mutates: waiting: those that have reported, and those that have vanished, are removed.
    """
    began = time.monotonic()
    # What those that have not stopped at once had used by then.
    used: dict[int, int] = {}
    while waiting:
        try:
            tid, status = os.waitpid(-1, ptrace.WALL | os.WNOHANG)
        except ChildProcessError:
            return
        if tid:
            waiting.discard(tid)
            yield tid, status
            continue
        waiting -= {tid for tid in waiting if not _is_ours(tid)}
        waited = time.monotonic() - began
        if waited > patience:
            return
        if waited > _PATIENCE_SHORT:
            if all(_stays(tid, used) for tid in waiting):
                return
        elif not used and waited > _LOOK_EVERY:
            used = {tid: thread_usage(tid)[1] for tid in waiting}
        signal.sigtimedwait((signal.SIGCHLD,), _LOOK_EVERY)


def _stays(tid: int, used: dict[int, int]) -> bool:
    """Whether a thread will not stop: it sleeps uninterruptibly, or goes round in the kernel.

    used: ticks that threads had used in the kernel after they were asked to stop.
    """
    try:
        state, ticks = thread_usage(tid)
    except OSError:
        return False
    return state == "D" or ticks >= used.setdefault(tid, ticks) + _ROUNDS


def _is_ours(tid: int) -> bool:
    """Return whether a thread is there and traced by this process.

    A first thread vanishes without a word when another thread, not traced yet, makes an exec.
    """
    try:
        return tracer_of(tid) == os.getpid()
    except OSError:
        return True
