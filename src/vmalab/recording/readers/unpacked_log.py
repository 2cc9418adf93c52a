# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a log whose lines are in JSON or in a table: as the lines would be read by themselves."""

from collections.abc import Callable, Sequence
from itertools import dropwhile
from typing import final

from vmalab.calls.call import Event
from vmalab.recording.readers.events import EventReader
from vmalab.recording.readers.handed_on import HandedOn
from vmalab.recording.readers.line_source import lines_in
from vmalab.recording.readers.unpacked import Packing


@final
class UnpackedLogReader(HandedOn):
    """Takes what a log's lines are in, hands these to their reader.

    reader: that of the lines.
    """

    def __init__(
        self,
        first: Sequence[str],
        packing: Packing,
        choose: Callable[[Sequence[str]], EventReader],
    ) -> None:
        """first: what the log begins with. choose: returns the reader for the lines in it."""
        self._packing = packing
        self._unpacker = packing.unpacker()
        trial = packing.unpacker()
        plain = [text for line in first for text in trial.feed(line)] + trial.finish()
        super().__init__(choose(list(dropwhile(lambda text: not text, plain))))

    @property
    def remark(self) -> str:
        """What was done to the lines before they were read, as a sentence."""
        said = self._packing.remark
        if self._unpacker.several:
            said += ", some of which have several: a line's number counts these"
        return said

    def take(self) -> list[Event]:
        """Return the events since the last call of take()."""
        return self.reader.take()

    def feed_block(self, block: bytes) -> None:
        """Whole lines, as the log has them, each with its newline."""
        self._hand_on([text for line in lines_in(block) for text in self._unpacker.feed(line)])

    def cut(self, line: str) -> None:
        """The last line of a log that ends without a newline."""
        if self._unpacker.ends_with(line):
            self._hand_on(self._unpacker.feed(line))
            return
        *lines, last = [*self._unpacker.feed(line), *self._unpacker.finish()]
        self._hand_on(lines)
        self.reader.cut(last)

    def broken(self, why: str) -> None:
        """The log cannot be read on."""
        self._hand_on(self._unpacker.finish())
        self.reader.broken(why)

    def finish(self) -> None:
        """The end of the log."""
        lines = self._unpacker.finish()
        last = lines.pop() if self._unpacker.goes_on else None
        self._hand_on(lines)
        if last is not None:
            self.reader.cut(last)
        self.reader.finish()

    def _hand_on(self, lines: Sequence[str]) -> None:
        if lines:
            block = "".join(f"{line}\n" for line in lines)
            self.reader.feed_block(block.encode("utf-8", "surrogateescape"))
