# SPDX-License-Identifier: GPL-2.0-or-later
"""One order for what happens in a recording: the lines of its log, and the events of its processes.

An event that meta.json places after N lines comes before what line N + 1 tells. Some of the log is
read ahead, so that the calls which are still under way at a place can be told.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final, final

from vmalab.calls.call import Call, Event
from vmalab.calls.table import ADDRESS, EXECS, FORKS
from vmalab.recording.format.meta import MetaEvent, MetaImage
from vmalab.recording.format.program import I386_PROGRAM
from vmalab.recording.format.recording import Log

# Items of the log that are read ahead.
AHEAD: Final = 512

Item = Event | MetaEvent


@final
class Timeline:
    """Iterates over a recording once. `ahead` holds what comes next in the log.

    last_line: of the log, the last that says something; None while that has not been reached.
    """

    def __init__(self, log: Log, events: deque[MetaEvent], most: int = AHEAD) -> None:
        """events: the earliest first; they are taken off. most: items of the log read ahead."""
        self._log = log
        self._events = events
        self._most = most
        self.ahead: deque[Event] = deque()
        self.last_line: int | None = None
        self._current: Event | None = None

    def __iter__(self) -> Iterator[Item]:
        source = self._log.batches()
        ahead = self.ahead
        events = self._events
        batch: list[Event] | None = []
        at = 0
        while True:
            while batch is not None and len(ahead) <= self._most:
                if at < len(batch):
                    ahead.append(batch[at])
                    at += 1
                else:
                    batch, at = next(source, None), 0
            if not ahead:
                break
            item = ahead.popleft()
            self._current = item
            while events and events[0].after_line < item.line:
                yield events.popleft()
            yield item
        self.last_line = 0 if self._current is None else self._current.line
        self._current = None
        yield from events

    def maker_of(self, call: Call) -> Call | None:
        """Return the fork that made a call's thread and returns later; None when there is none."""
        for maker in self.ahead:
            if isinstance(maker, Call) and maker.ret == call.tid and maker.row.family & FORKS:
                if maker.entry_line < call.line:
                    return maker
        return None

    def runs_i386(self, tid: int) -> bool:
        """Return whether the program that a task runs, or is about to start, is a 32-bit one.

        So it is when a 32-bit call comes before its next exec, and no address beyond 4 GiB does.
        """
        found = False
        current = () if self._current is None else (self._current,)
        for item in (*current, *self.ahead):
            if not isinstance(item, Call) or item.tid != tid:
                continue
            if item.row.family & EXECS and item is not self._current:
                break
            if item.row.family & ADDRESS and (item.ret or 0) >> 32 > 0:
                return False
            found = found or item.abi == "i386"
        return found

    def image_of(self, tid: int) -> MetaImage:
        """Return what a bare log says of the program that a task runs, or is about to start."""
        return MetaImage(program=I386_PROGRAM) if self.runs_i386(tid) else MetaImage()

    def under_way(self, line: int) -> list[Call]:
        """The calls that may have been under way when so many lines of the log were complete.

        A tracer writes the line of a call that has begun only when another thread interrupts it, so
        the next line may belong to one of them. The call at hand is among them if it ends later.
        """
        found: list[Call] = []
        current = self._current
        if isinstance(current, Call) and current.entry_line <= line + 1 and line < current.line:
            found.append(current)
        for item in self.ahead:
            if isinstance(item, Call) and item.entry_line <= line + 1 and line < item.line:
                found.append(item)
        return found


def is_beyond(item: Item, until: int) -> bool:
    """Return whether something happened after the last line that is wanted; 0: all are."""
    if until == 0:
        return False
    return item.after_line >= until if isinstance(item, MetaEvent) else item.line > until
