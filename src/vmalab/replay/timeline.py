# SPDX-License-Identifier: GPL-2.0-or-later
"""One order for what happens in a recording: the lines of its log, and the events of its processes.

An event that meta.json places after N lines comes before what line N + 1 tells. Some of the log is
read ahead, so that the calls which are still under way at a place can be told.
"""

from collections import deque
from typing import Final, final

from mypy_extensions import i64

from vmalab.calls.call import Call, Event
from vmalab.calls.table import ADDRESS, EXECS, FORKS
from vmalab.recording.format.meta import MetaEvent, MetaImage
from vmalab.recording.format.program import I386_PROGRAM
from vmalab.recording.format.recording import Log

# Items of the log that are read ahead.
AHEAD: Final = 512
# After the whole log: the largest number that is compared as fast as a small one.
_END: Final = (1 << 62) - 1

Item = Event | MetaEvent


@final
class Timeline:
    """Goes through a recording once: `advance` until it answers None.

    last_line: of the log, the last that says something; None while that has not been reached.
    """

    def __init__(self, log: Log, events: deque[MetaEvent], most: int = AHEAD) -> None:
        """events: the earliest first; they are taken off. most: items of the log read ahead."""
        self._source = log.batches()
        self._events = events
        self._most: i64 = most
        self.last_line: int | None = None
        # What has been read of the log, and how much of it has been passed.
        self._items: list[Event] = []
        self._at: i64 = 0
        self._complete = False
        # Places of the calls among them that are not told by the line at their place: they ended
        # on a later one than they began, or never; the first of these that has not been passed.
        self._long: list[int] = []
        self._next_long = 0
        self._current: Event | None = None
        # Whether events come before the item at hand.
        self._waits = False
        # The line after which the next event comes, as far as it is known.
        self._next_event = _END

    def advance(self) -> Item | None:
        """Return what happens next; None at the end."""
        if not self._waits:
            if len(self._items) - self._at <= self._most and not self._complete:
                self._read()
            if self._at == len(self._items):
                if self.last_line is None:
                    self.last_line = 0 if self._current is None else self._current.line
                self._current = None
                return self._events.popleft() if self._events else None
            item = self._items[self._at]
            self._at += 1
            self._current = item
        else:
            current = self._current
            assert current is not None
            item = current
        # More events may have come since, where a recording grows.
        if self._next_event == _END and self._events:
            self._next_event = self._events[0].after_line
        if self._next_event < item.line:
            self._waits = True
            self._next_event = _END
            return self._events.popleft()
        self._waits = False
        return item

    def _read(self) -> None:
        """Read on, until enough is known of what comes next."""
        items = self._items[self._at :]
        self._items, self._at = items, 0
        while len(items) <= self._most:
            batch = next(self._source, None)
            if batch is None:
                self._complete = True
                break
            items += batch
        self._next_long = 0
        self._long = []
        highest = 0
        for place, item in enumerate(items):
            if isinstance(item, Call) and (item.entry_line < item.line or item.line < highest):
                self._long.append(place)
            highest = max(highest, item.line)

    def ahead(self) -> list[Event]:
        """Return what comes next in the log."""
        return self._items[self._at : self._at + self._most]

    def maker_of(self, call: Call) -> Call | None:
        """Return the fork that made a call's thread and returns later; None when there is none."""
        for maker in self.ahead():
            if isinstance(maker, Call) and maker.ret == call.tid and maker.row.family & FORKS:
                if maker.entry_line < call.line:
                    return maker
        return None

    def runs_i386(self, tid: int) -> bool:
        """Return whether the program that a task runs, or is about to start, is a 32-bit one.

        So it is when a 32-bit call comes before its next exec, and no address beyond 4 GiB does.
        """
        found = False
        current = [] if self._current is None else [self._current]
        for item in current + self.ahead():
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
        items, long = self._items, self._long
        at, last = self._at, min(self._at + self._most, len(self._items))
        while self._next_long < len(long) and long[self._next_long] < at:
            self._next_long += 1
        # A call of one line can be the next line's only.
        while at < last and items[at].line <= line + 1:
            _add_open(found, items[at], line)
            at += 1
        for place in range(self._next_long, len(long)):
            if at <= long[place] < last:
                _add_open(found, items[long[place]], line)
        return found


def _add_open(found: list[Call], item: Event, line: int) -> None:
    """Add a call that may have been under way when so many lines were complete, if it is one."""
    if isinstance(item, Call) and item.entry_line <= line + 1 and line < item.line:
        found.append(item)


def is_beyond(item: Item, until: int) -> bool:
    """Return whether something happened after the last line that is wanted; 0: all are."""
    if until == 0:
        return False
    return item.after_line >= until if isinstance(item, MetaEvent) else item.line > until
