# SPDX-License-Identifier: GPL-2.0-or-later
"""From the lines of a log to its events, whatever wrote it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from vmalab.calls.call import Event
from vmalab.recording.readers.line_source import LineSource, lines_in


class EventReader(Protocol):
    """Takes the lines of a log in order, gives its events; see `StraceReader`."""

    @property
    def lines(self) -> int:
        """Lines read, all kinds."""

    @property
    def unparsed(self) -> int:
        """Lines that could not be understood."""

    @property
    def notes(self) -> int:
        """Lines that say nothing about calls."""

    def feed_block(self, block: bytes) -> None:
        """Whole lines, as the log has them, each with its newline."""

    def cut(self, line: str) -> None:
        """The last line of a log that ends without a newline."""

    def broken(self, why: str) -> None:
        """The log cannot be read on."""

    def finish(self) -> None:
        """The end of the log."""

    def take(self) -> list[Event]:
        """Return the events since the last call of take()."""


def read_events(source: LineSource, reader: EventReader) -> Iterator[Event]:
    """Return all events of a log, in order, with at most one block of lines in memory."""
    return chain.from_iterable(read_batches(source, lambda first: reader))


def read_batches(
    source: LineSource, choose: Callable[[Sequence[str]], EventReader]
) -> Iterator[list[Event]]:
    """Yield all events of a log, a block of lines at a time; its first lines decide who reads it.

    The source is read once only. The last event of a block waits for the next one, which may begin
    with the frames of its stack.
    """
    reader: EventReader | None = None
    waits: list[Event] = []
    for block in source.blocks():
        if reader is None:
            reader = choose(lines_in(block))
        reader.feed_block(block)
        events = reader.take()
        if events:
            waits.append(events.pop())
            if len(waits) > 1:
                events.insert(0, waits.pop(0))
        yield events
    if reader is None:
        reader = choose([] if source.last is None else [source.last])
    if source.last is not None:
        reader.cut(source.last)
    if source.broken is not None:
        reader.broken(source.broken)
    reader.finish()
    yield waits + reader.take()
