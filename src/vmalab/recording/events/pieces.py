# SPDX-License-Identifier: GPL-2.0-or-later
"""What was noted of the memory of a recorded program during one call."""

import stat
from typing import Final, final

from vmalab.recording.events import layout
from vmalab.recording.events.images import Kernel
from vmalab.recording.events.maplines import device, text_at
from vmalab.recording.events.ordering import Ordering
from vmalab.recording.tracer.decode import file_note
from vmalab.recording.tracer.memory import Pointees

_MNT_NOEXEC: Final = 4


@final
class Pieces(Pointees):
    """What was noted of the memory of a call."""

    def __init__(self) -> None:
        self._parts: dict[int, bytes] = {}
        # The note on a mapped file, its path and its inode, "" and 0 for none.
        self.note = ""
        self.path = ""
        self.inode = 0
        # Where the record of the stack is, -1: there is none.
        self.stack = -1

    def add(self, address: int, raw: bytes) -> None:
        """So many bytes were at an address."""
        self._parts[address] = raw

    def read(self, address: int, size: int) -> bytes:
        """At most `size` bytes; fewer where memory ends, or is not known."""
        for start, raw in self._parts.items():
            if start <= address < start + len(raw):
                return raw[address - start : address - start + size]
        return b""


@final
class PieceFinder:
    """Finds the pieces of calls among those of their threads. used: how far those of each thread
    have been used.
    """

    def __init__(self, order: Ordering, kernel: Kernel) -> None:
        self.used: dict[int, int] = {}
        self._order = order
        self._kernel = kernel

    def of(self, view: memoryview, tid: int, until: int, since: int = 0) -> Pieces:
        """Return what was noted of a thread's memory by a time, and has not been used yet."""
        found = Pieces()
        pieces = self._order.pieces.get(tid, [])
        at = self.used.get(tid, 0)
        while at < len(pieces) and pieces[at][0] <= until:
            when, offset = pieces[at]
            at += 1
            if when >= since:
                self._add(found, view, offset)
        self.used[tid] = at
        return found

    def _add(self, found: Pieces, view: memoryview, offset: int) -> None:
        kind, _, _, word, _ = layout.head.unpack_from(view, offset)
        if kind == layout.STACK:
            found.stack = offset
            return
        if kind == layout.CONTENTS:
            address = int.from_bytes(view[offset + layout.ADDRESS : offset + layout.DATA], "little")
            size = min(word, layout.MAX_DATA)
            found.add(address, bytes(view[offset + layout.DATA : offset + layout.DATA + size]))
            return
        fields = layout.file.unpack_from(view, offset)
        dev, inode = device(fields[5] & 0xFFFFFFFF), fields[6]
        name = text_at(view, offset + layout.FILE_NAME, layout.NAME_SIZE)
        path = self._kernel.path_of(dev, inode, name)
        size, mode, mount = fields[7:]
        more = ""
        if stat.S_ISREG(mode):
            more = f" {size} {self._kernel.file_system_of(dev, mount & _MNT_NOEXEC != 0)}"
        raw = path.encode("utf-8", "surrogateescape")
        found.note = file_note(raw, dev, inode, word, more)
        found.path, found.inode = path, inode
