# SPDX-License-Identifier: GPL-2.0-or-later
"""What was noted of the memory of a recorded program during one call."""

from typing import final

from vmalab.recording.tracer.memory import Pointees


@final
class Pieces(Pointees):
    """What was noted of the memory of a call."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}
        # The note on a mapped file, "" for none.
        self.note = ""

    def add(self, address: int, raw: bytes) -> None:
        """So many bytes were at an address."""
        self._parts[address] = raw

    def read(self, address: int, size: int) -> bytes:
        """At most `size` bytes; fewer where memory ends, or is not known."""
        for start, raw in self._parts.items():
            if start <= address < start + len(raw):
                return raw[address - start : address - start + size]
        return b""
