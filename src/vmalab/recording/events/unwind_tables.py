# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a file with code has its tables for unwinding, and what they hold, read as it is asked for.

Mirrors: Linux Standard Base, chapter 10: the section .eh_frame_hdr.
"""

import os
import stat
import struct
from contextlib import suppress
from typing import Final, final

from vmalab.recording.tracer.code_places import CodeFile
from vmalab.recording.tracer.program_headers import elf_headers

_PT_LOAD: Final = 1
_PT_GNU_EH_FRAME: Final = 0x6474E550
# The encodings of the head that linkers write: where .eh_frame is, how many rows, and the rows.
_HEAD: Final = struct.Struct("<4BiI")
_WANTED: Final = (1, 0x1B, 0x03, 0x3B)
_BLOCK_BITS: Final = 14
_BLOCK: Final = 1 << _BLOCK_BITS
_MOST_BLOCKS: Final = 1024


@final
class UnwindTables:
    """The tables of one file. address: of .eh_frame_hdr in it; rows: how many functions it has; 0
    where there are none that are understood.
    """

    def __init__(self, file: CodeFile) -> None:
        self.address = 0
        self.rows = 0
        self._fd = -1
        # Segments: offset, size, address.
        self._loads: list[tuple[int, int, int]] = []
        self._blocks: dict[int, bytes] = {}
        if file.fd >= 0 and not file.why:
            with suppress(OSError):
                self._open(f"/proc/self/fd/{file.fd}")

    def _open(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._fd = fd
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return
        phdrs = elf_headers(fd).get("phdrs", [])
        assert isinstance(phdrs, list)
        self._loads = [(row[2], row[4], row[3]) for row in phdrs if row[0] == _PT_LOAD]
        for row in phdrs:
            if row[0] == _PT_GNU_EH_FRAME:
                raw = os.pread(fd, _HEAD.size, row[2])
                if len(raw) == _HEAD.size and _HEAD.unpack(raw)[:4] == _WANTED:
                    self.address, self.rows = row[3], _HEAD.unpack(raw)[5]

    @property
    def table(self) -> int:
        """The address of the first row."""
        return self.address + _HEAD.size

    def address_of(self, offset: int) -> int | None:
        """Return the address in the file's own terms of what is at an offset."""
        for begins, size, vaddr in self._loads:
            if begins <= offset < begins + size:
                return offset - begins + vaddr
        # A segment is mapped by whole pages, also what is before its first byte.
        for begins, _, vaddr in self._loads:
            if begins & ~0xFFF <= offset < begins:
                return offset - begins + vaddr
        return None

    def word(self, address: int) -> int | None:
        """Return the word at an address in the file's own terms, None where the file has none."""
        for begins, size, vaddr in self._loads:
            if vaddr <= address and address + 8 <= vaddr + size:
                return self._read(begins + address - vaddr)
        return None

    def _read(self, offset: int) -> int | None:
        number, at = offset >> _BLOCK_BITS, offset & (_BLOCK - 1)
        raw = self._block(number)[at : at + 8]
        if len(raw) < 8:
            raw += self._block(number + 1)[: 8 - len(raw)]
        return int.from_bytes(raw, "little") if len(raw) == 8 else None

    def _block(self, number: int) -> bytes:
        raw = self._blocks.get(number)
        if raw is None:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            try:
                raw = os.pread(self._fd, _BLOCK, number << _BLOCK_BITS)
            except OSError:
                raw = b""
            self._blocks[number] = raw
        return raw

    def close(self) -> None:
        """Read no more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
