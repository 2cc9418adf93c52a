# SPDX-License-Identifier: GPL-2.0-or-later
"""Stops all threads of a recording at once: to look at a running process, or to let go of it."""

import os

from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.recorder import Recorder
from vmalab.recording.tracer.space import Space


def gather(recorder: Recorder) -> None:
    """Asks every thread to stop, and waits until all are held, or gone."""
    recorder.gathering = True
    for task in list(recorder.tasks.values()):
        if task.space is not None and task in task.space.queue:
            # It waits for its turn, which does not come now.
            recorder.held.add(task.tid)
        elif task.tid not in recorder.held:
            try:
                ptrace.ptrace(ptrace.PTRACE_INTERRUPT, task.tid)
            except OSError:
                continue
    while any(tid not in recorder.held for tid in recorder.tasks):
        tid, status = os.waitpid(-1, ptrace.WALL)
        recorder.handle(tid, status)


def resume(recorder: Recorder) -> None:
    """Lets everything go on that was gathered."""
    recorder.gathering = False
    held, recorder.held = sorted(recorder.held), set()
    for tid in held:
        if tid in recorder.tasks:
            recorder.go_if_alive(recorder.tasks[tid])


def detach(recorder: Recorder) -> None:
    """Ends the recording of programs that live on. Preconditions: all are held."""
    ended: set[Space] = set()
    for task in recorder.tasks.values():
        space = task.space
        if space is not None and space not in ended:
            ended.add(space)
            space.end(space.last(task.tid))
    for task in recorder.tasks.values():
        try:
            ptrace.ptrace(ptrace.PTRACE_DETACH, task.tid, 0, task.signal)
        except OSError:
            continue
    recorder.tasks.clear()
