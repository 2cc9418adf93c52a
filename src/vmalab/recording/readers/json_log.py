# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a log whose lines are in objects of JSON: as the lines would be read by themselves."""

from collections.abc import Callable, Sequence
from typing import final

from vmalab.calls.call import Event
from vmalab.recording.readers.events import EventReader
from vmalab.recording.readers.handed_on import HandedOn
from vmalab.recording.readers.json_lines import Packing, Unpacker
from vmalab.recording.readers.line_source import lines_in


@final
class JsonLogReader(HandedOn):
    """Takes the objects of a log, hands its lines to their reader.

    reader: that of the lines.
    """

    def __init__(
        self,
        first: Sequence[str],
        packing: Packing,
        choose: Callable[[Sequence[str]], EventReader],
    ) -> None:
        """first: objects that the log begins with. choose: returns the reader for their lines."""
        self._key = packing.key
        self._unpacker = Unpacker(packing)
        trial = Unpacker(packing)
        plain = [text for line in first for text in trial.feed(line)]
        super().__init__(choose(plain))

    @property
    def remark(self) -> str:
        """What was done to the lines before they were read, as a sentence."""
        said = f"the lines are the strings {self._key[:40]!r} of JSON objects"
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
        if self._unpacker.is_whole(line):
            self._hand_on(self._unpacker.feed(line))
            return
        self._hand_on(self._unpacker.finish())
        self.reader.cut(line)

    def broken(self, why: str) -> None:
        """The log cannot be read on."""
        self._hand_on(self._unpacker.finish())
        self.reader.broken(why)

    def finish(self) -> None:
        """The end of the log."""
        lines = self._unpacker.finish()
        self._hand_on(lines[:-1])
        for last in lines[-1:]:
            # It was to go on in another object.
            self.reader.cut(last)
        self.reader.finish()

    def _hand_on(self, lines: Sequence[str]) -> None:
        if lines:
            block = "".join(f"{line}\n" for line in lines)
            self.reader.feed_block(block.encode("utf-8", "surrogateescape"))
