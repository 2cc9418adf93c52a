# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel says of the VMAs of a process that is looked at, and no map shows.

That is where each has its pages' offsets, which of them share an anon_vma, which are chained to
those of other processes; and the exact end of the heap.
"""

import re
from typing import Final, final

from vmalab.recording.events import layout
from vmalab.recording.events.maplines import vma_at
from vmalab.recording.tracer.proc_files import lines_of

_HEAD: Final = re.compile(rb"([0-9a-f]{1,16})-[0-9a-f]{1,16} ")


@final
class MapWalk:
    """The VMAs of one process, as they come."""

    def __init__(self) -> None:
        self._rows: list[list[int]] = []
        self._ids: dict[int, int] = {}
        self._mm: dict[str, str] = {}

    def add(self, view: memoryview, kind: int, offset: int) -> None:
        """One record: a VMA, or the end of a list."""
        if kind == layout.VMAS:
            brk, base = layout.vmas.unpack_from(view, offset)[-2:]
            self._mm = {"brk": f"{brk:#x}", "mmap_base": f"{base:#x}"}
            return
        vma = vma_at(view, offset)
        token = int.from_bytes(view[offset + layout.VM_TOKEN : offset + layout.VMA_SIZE], "little")
        anon = self._ids.setdefault(token, len(self._ids) + 1) if token else 0
        self._rows.append([vma.start, vma.pgoff, anon, int(vma.chained)])

    def completed(self, facts: dict[str, object], smaps: bytes) -> dict[str, object]:
        """Return facts of an image with what is known here, if that is of all lines of its map."""
        heads = [
            match
            for line in lines_of(smaps)
            if (match := _HEAD.match(line)) and not line.endswith(b"[vsyscall]")
        ]
        starts = [int(match[1], 16) for match in heads]
        if starts != [row[0] for row in self._rows]:
            return dict(facts)
        mm = facts.get("mm")
        return facts | {"rmap": self._rows, "mm": (mm if isinstance(mm, dict) else {}) | self._mm}
