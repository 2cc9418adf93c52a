# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a log of strace as people paste it: quoted, indented, wrapped at a width."""

from collections.abc import Sequence
from typing import final

from vmalab.calls.call import Event
from vmalab.recording.readers.handed_on import HandedOn
from vmalab.recording.readers.line_shape import STRACE_LINES, calls_in, is_trimmed, without_end
from vmalab.recording.readers.line_source import lines_in
from vmalab.recording.readers.margins import margin_of, without_margin
from vmalab.recording.readers.paste import restore
from vmalab.recording.readers.strace import StraceReader
from vmalab.recording.readers.wrapped import Joiner, frame_of, is_padded, wrapping_of


@final
class PastedLogReader(HandedOn):
    """Takes the lines of a pasted log, hands them to a reader as strace printed them.

    joined: how many were parts of longer ones, which were wrapped at `width` columns.
    """

    def __init__(self, first: Sequence[str]) -> None:
        """first: lines that the log begins with, which show what was done to it."""
        self._reader = StraceReader()
        super().__init__(self._reader)
        # Tabs are of an editor, which made them of blanks; strace prints none.
        self._blanks = is_padded(first) or any("\t" in line for line in first)
        if self._blanks:
            first = [line.expandtabs().rstrip() for line in first]
        self._frame = frame_of(first, STRACE_LINES)
        first = [line.removeprefix(self._frame) for line in first]
        self._margin = margin_of(STRACE_LINES.margins(first), first)
        plain = [without_margin(line, self._margin) for line in first]
        self._trimmed = any(map(is_trimmed, plain))
        plain = list(map(self._indented, plain))
        self._has_ends = any(line != without_end(line) for line in map(restore, plain))
        self._wrapping = wrapping_of(plain, STRACE_LINES)
        self._joiner = Joiner(STRACE_LINES, self._wrapping, sure=True)
        self._run_together = any(len(calls_in(line)) > 2 for line in plain)
        self.joined = 0

    def _lines_in(self, line: str) -> list[str]:
        """Return the calls of a line in which a page has put several."""
        if self._blanks:
            line = line.expandtabs().rstrip()
        line = self._indented(without_margin(line.removeprefix(self._frame), self._margin))
        if self._has_ends:
            line = without_end(restore(line))
        return calls_in(line) if self._run_together else [line]

    def _indented(self, line: str) -> str:
        """Return a line of a stack as it was before somebody took all indentation off."""
        return f" {line}" if self._trimmed and is_trimmed(line) else line

    @property
    def needed(self) -> bool:
        """Whether anything was done to the lines."""
        return (
            bool(self._frame)
            or self._margin is not None
            or self._has_ends
            or self._blanks
            or self._trimmed
            or self._wrapping is not None
            or self._run_together
        )

    @property
    def remark(self) -> str:
        """What was done to the lines before they were read, as a sentence; "" for nothing."""
        if self._run_together:
            return "calls stood in one line: a line's number is that of a call"
        if self._wrapping is None or not self.joined:
            return ""
        return f"{self.joined} lines were wrapped at {self._wrapping.width} columns, and are joined"

    def take(self) -> list[Event]:
        """Return the events since the last call of take()."""
        return self._reader.take()

    def feed_block(self, block: bytes) -> None:
        """Whole lines, as the log has them, each with its newline."""
        for line in lines_in(block):
            self.feed(line)

    def feed(self, line: str) -> None:
        """One line, without its newline."""
        for part in self._lines_in(line):
            self._hand_on(self._joiner.feed(part))

    def cut(self, line: str) -> None:
        """The last line of a log that ends without a newline."""
        *whole, last = self._lines_in(line)
        for part in whole:
            self._hand_on(self._joiner.feed(part))
        self._hand_on(self._joiner.feed(last))
        text, parts = self._joiner.finish() or (last, 1)
        self._count(parts)
        self._reader.cut(text)

    def broken(self, why: str) -> None:
        """The log cannot be read on."""
        self._hand_on(self._joiner.finish())
        self._reader.broken(why)

    def finish(self) -> None:
        """The end of the log."""
        self._hand_on(self._joiner.finish())
        self._reader.finish()

    def _hand_on(self, done: tuple[str, int] | None) -> None:
        if done is not None:
            text, parts = done
            self._count(parts)
            self._reader.feed(text)

    def _count(self, parts: int) -> None:
        # An event stands where its last line does.
        self._reader.lines += parts - 1
        if parts > 1:
            self.joined += parts
