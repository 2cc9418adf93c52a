# SPDX-License-Identifier: GPL-2.0-or-later
"""What counts the lines of a log that another reader takes in the end."""

from vmalab.recording.readers.events import EventReader


class HandedOn:
    """Hands lines on, and counts them as their reader does. reader: that of the lines."""

    def __init__(self, reader: EventReader) -> None:
        self.reader = reader

    @property
    def lines(self) -> int:
        """Lines read, all kinds, as the log has them."""
        return self.reader.lines

    @property
    def unparsed(self) -> int:
        """Lines that could not be understood; each is an `Unparsed` among the events."""
        return self.reader.unparsed

    @property
    def notes(self) -> int:
        """Lines that say nothing about calls."""
        return self.reader.notes
