# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets threads that share a space into its calls one at a time, in a known order.

A call that sleeps (a fault that another thread is to serve, a slow disk) must not keep the others
for ever: it is overtaken.
"""

import time
from collections.abc import Callable
from typing import Final, final

from vmalab.recording.tracer.proc_files import thread_state
from vmalab.recording.tracer.space import Flight, Space, Tracee

# Seconds: how often a call that others wait for is looked at, and how long it may keep them, by the
# state of its thread: one that a signal could wake may wait for those it keeps.
LOOK_EVERY: Final = 0.002
_PATIENCE: Final = {"S": 0.0, "D": 0.05}
_MAY_RUN: Final = 2.0


@final
class Order:
    """Who may enter a call. enter: lets a thread go on, alone in its space; overtaken: told of a
    call that others go on before. Both may raise ProcessLookupError for a thread that was killed.
    """

    def __init__(
        self,
        enter: Callable[[Tracee, Space, Flight], None],
        overtaken: Callable[[Tracee, Flight], None],
    ) -> None:
        self._enter = enter
        self._overtaken = overtaken
        # Spaces that threads wait for, and since when.
        self._waiting: dict[Space, float] = {}

    @property
    def pause(self) -> float | None:
        """Seconds until `look` is to be called again; None: nobody waits."""
        return LOOK_EVERY if self._waiting else None

    def ask(self, space: Space, task: Tracee, flight: Flight) -> None:
        """A thread wants to enter a call: it does so now, or when its turn comes."""
        if space.holder is None:
            self._let_in(space, task, flight)
        else:
            space.queue.append(task)
            self._waiting.setdefault(space, time.monotonic())

    def release(self, space: Space, task: Tracee) -> None:
        """A thread is through with its call, or gone: the next one may enter."""
        if space.holder is task:
            space.holder = None
            if task.flight is not None:
                task.flight.ordered = False
            self._admit(space)

    def withdraw(self, space: Space, task: Tracee) -> bool:
        """Let a thread wait no more; False if it did not."""
        if task not in space.queue:
            return False
        space.queue.remove(task)
        return True

    def forget(self, space: Space) -> None:
        """A space is gone."""
        self._waiting.pop(space, None)

    def look(self) -> None:
        """Let those who wait overtake a call that sleeps."""
        now = time.monotonic()
        for space, since in list(self._waiting.items()):
            holder = space.holder
            if holder is None or holder.flight is None:
                space.holder = None
                self._admit(space)
                continue
            state = thread_state(holder.tid)
            if state == "t" or now - since <= _PATIENCE.get(state, _MAY_RUN):
                continue
            holder.flight.ordered = False
            holder.flight.unfinished = True
            self._overtaken(holder, holder.flight)
            space.holder = None
            self._admit(space)

    def _admit(self, space: Space) -> None:
        while space.queue and space.holder is None:
            task = space.queue.popleft()
            if task.flight is not None and task.space is space:
                self._let_in(space, task, task.flight)
        if space.queue:
            self._waiting[space] = time.monotonic()
        else:
            self._waiting.pop(space, None)

    def _let_in(self, space: Space, task: Tracee, flight: Flight) -> None:
        space.holder = task
        flight.ordered = True
        try:
            self._enter(task, space, flight)
        except ProcessLookupError:
            # Killed while it was held. Its end will be told; nothing of the call happens.
            space.holder = None
