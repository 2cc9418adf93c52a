# SPDX-License-Identifier: GPL-2.0-or-later
"""What readers of texts of events share: counters, calls under way, lines that are no events."""

from typing import Final

from vmalab.calls.call import Call, Event, Unparsed
from vmalab.recording.readers.paste import MARKS, restore, retyped

# Lines of a file that are looked at to tell what it is.
LOOKED_AT: Final = 64
# Calls that may be under way at a time.
MAX_PENDING: Final = 1 << 16


def plain_event(line: str) -> str:
    """Return a line without colours, with the characters it had, and without marks behind it."""
    return retyped(restore(line)).rstrip(MARKS)


class EventText:
    """Takes lines, gives events; its methods and counters are those of `StraceReader`."""

    def __init__(self) -> None:
        self.lines = 0
        self.unparsed = 0
        self.notes = 0
        self._events: list[Event] = []
        self._pending: dict[int, Call] = {}

    def take(self) -> list[Event]:
        """Return the events since the last call of take()."""
        events = self._events
        self._events = []
        return events

    def cut(self, line: str) -> None:
        """The last line of a log that ends without a newline."""
        self.lines += 1
        self._reject(line, "the log ends in this line: it has no newline, its end may be missing")

    def broken(self, why: str) -> None:
        """The log cannot be read on, behind the last line."""
        self.lines += 1
        self._reject("", why)

    def finish(self) -> None:
        """The end of the log: calls that never returned are handed over."""
        self._events += self._pending.values()
        self._pending.clear()

    def _reject(self, line: str, why: str) -> None:
        self.unparsed += 1
        self._events.append(Unparsed(self.lines, line, why))
