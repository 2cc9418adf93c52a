# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a log of lines, whatever wrote it: the first lines tell who reads the rest."""

from collections.abc import Iterator, Sequence
from typing import final

from vmalab.calls.call import Event
from vmalab.recording.readers.architecture import Architecture
from vmalab.recording.readers.events import EventReader, read_batches
from vmalab.recording.readers.handed_on import HandedOn
from vmalab.recording.readers.line_source import LineSource
from vmalab.recording.readers.plain_lines import are_plain
from vmalab.recording.readers.strace import StraceReader


@final
class LogText(HandedOn):
    """Reads the events of a log of lines once, and counts on the way."""

    def __init__(self, path: str, *, follow: bool) -> None:
        """follow: somebody named it, so it may be a symbolic link, and pasted from anywhere."""
        self._path = path
        self._follow = follow
        super().__init__(StraceReader())
        self._is_plain = True
        self._source = LineSource(path, follow=follow)

    @property
    def remark(self) -> str:
        """What was done to the lines before they were read, as a sentence; "" for nothing."""
        if self._is_plain:
            return ""
        from vmalab.recording.readers.other_logs import remark_of

        return remark_of(self.reader)

    def _choose(self, first: Sequence[str]) -> EventReader:
        """Return a reader for a log that begins with these lines."""
        self._is_plain = are_plain(first)
        if not self._is_plain:
            # What else a log may be takes long to load, and to tell.
            from vmalab.recording.readers.other_logs import chosen_reader

            self.reader = chosen_reader(first, pasted=self._follow)
        return self.reader

    def batches(self) -> Iterator[list[Event]]:
        """Yield the events in order, as many at a time as are read at once.

        Errors: ReadError, also for a bare log of another architecture.
        """
        architecture = Architecture()
        for events in read_batches(self._source, self._choose):
            if self._follow:
                architecture.check(self._path, events)
            yield events

    def share(self) -> float | None:
        """Return which part has been read, 0 to 1; None where that is not known."""
        return self._source.share()
