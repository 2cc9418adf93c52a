# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the events of a recording go while they come: one file, or the newest two of many."""

import mmap
import os
from typing import final

from vmalab.recording.events import rawfile
from vmalab.recording.events.magics import RAW_NAME
from vmalab.recording.format.output_folder import Write
from vmalab.recording.tracer.recording_writer import Output


@final
class Tape:
    """The files of one recording. size: bytes of records that have come so far."""

    def __init__(self, output: Output, write: Write) -> None:
        """Errors: OutputFailed."""
        self._output = output
        self._write = write
        self.size = 0
        self._fd = output.beside(RAW_NAME)

    def take(self, cpu: int, raw: bytes) -> None:
        """Add what a ring held. Errors: OSError."""
        rawfile.write_chunk(self._fd, self._write, cpu, raw)
        self.size += len(raw)

    def note(self, facts: dict[str, object], smaps: bytes = b"") -> None:
        """Add what no event tells. Errors: OSError."""
        rawfile.write_note(self._fd, self._write, facts, smaps)

    def turn(self) -> None:
        """Begin another file; of the former ones the last is kept. Errors: OutputFailed."""
        os.close(self._fd)
        self._output.rename(RAW_NAME, rawfile.FORMER)
        self._fd = self._output.beside(RAW_NAME)

    def close(self) -> None:
        """Nothing more is added."""
        os.close(self._fd)

    def view(self) -> "mmap.mmap | bytes":
        """Return all that was kept. Errors: OSError."""
        return rawfile.opened_all(self._output.folder)

    def remove(self) -> None:
        """The files are not needed any more."""
        for name in (RAW_NAME, rawfile.FORMER):
            self._output.remove(name)
