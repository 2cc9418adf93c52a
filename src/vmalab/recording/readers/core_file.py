# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the VMAs of a core file: its PT_LOAD headers, and NT_FILE for the files; no memory.

The kernel writes a header for each VMA, also for those whose memory it leaves out. A core holds
neither device and inode nor whether a VMA is shared; gdb's own cores lack VMAs, and say "r--" of
memory that nobody may read.
"""

import os
import struct
from typing import BinaryIO, Final

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import UNKNOWN_PERMS, VmaLine
from vmalab.linux.include.uapi.elf import PT_LOAD
from vmalab.recording.readers.line_source import open_plain
from vmalab.recording.readers.map_text.forms import line_of
from vmalab.recording.readers.map_text.notes import join_files
from vmalab.recording.readers.map_text.reader import MapText
from vmalab.recording.readers.maps import MAX_VMAS

MAGIC: Final = b"\x7fELF"
_ET_CORE: Final = 4
_PT_NOTE: Final = 4
_NT_FILE: Final = 0x46494C45
_PN_XNUM: Final = 0xFFFF
# Bytes of notes that are read; the kernel's limit of NT_FILE is 4 MiB, threads' registers add.
_MAX_NOTES: Final = 64 << 20
_FLAGS: Final = ((4, "r"), (2, "w"), (1, "x"))


class _CoreElf:
    """The sizes and layouts of one class and byte order."""

    def __init__(self, ident: bytes, path: str) -> None:
        if len(ident) < 16 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise ReadError(path, 0, "an ELF file of no known class")
        order = "<" if ident[5] == 1 else ">"
        self.wide = ident[4] == 2
        self.header = struct.Struct(order + ("HHIQQQIHHHHHH" if self.wide else "HHIIIIIHHHHHH"))
        self.program = struct.Struct(order + ("IIQQQQQQ" if self.wide else "IIIIIIII"))
        self.section = struct.Struct(order + ("IIQQQQIIQQ" if self.wide else "IIIIIIIIII"))
        self.note = struct.Struct(order + "III")
        self.word = struct.Struct(order + ("Q" if self.wide else "I"))

    def segment(self, raw: bytes) -> tuple[int, int, int, int, int, int]:
        """Return type, flags, offset, address, size in the file and in memory of a segment."""
        values = self.program.unpack(raw)
        if self.wide:
            kind, flags, offset, address, _, size, memory, _ = values
        else:
            kind, offset, address, _, size, memory, flags, _ = values
        return kind, flags, offset, address, size, memory


def read_core(path: str, *, follow: bool = True) -> MapText:
    """Return the VMAs of a core file. Errors: ReadError."""
    with open_plain(path, follow=follow) as file:
        try:
            return _read(file, path)
        except struct.error:
            raise ReadError(path, 0, "the core file ends within its headers") from None
        except (OSError, ValueError) as error:
            raise ReadError(path, 0, f"no usable core file: {error}") from None


def _at(file: BinaryIO, offset: int, size: int) -> bytes:
    if offset >> 62:
        raise ValueError(f"a place beyond the file: {offset:#x}")
    file.seek(offset, os.SEEK_SET)
    # A raw file may give less than was asked for, once.
    parts = []
    while size > 0 and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _read(file: BinaryIO, path: str) -> MapText:
    ident = _at(file, 0, 16)
    elf = _CoreElf(ident, path)
    header = elf.header.unpack(_at(file, 16, elf.header.size))
    kind, _, _, _, phoff, shoff, _, _, phentsize, phnum, *_ = header
    if kind != _ET_CORE:
        raise ReadError(path, 0, "a program or library, not a core file: it has no memory map")
    if phentsize != elf.program.size:
        raise ReadError(path, 0, f"program headers of {phentsize} bytes")
    if phnum == _PN_XNUM:
        phnum = elf.section.unpack(_at(file, shoff, elf.section.size))[7]
    if phnum > MAX_VMAS:
        raise ReadError(path, 0, f"more than {MAX_VMAS} segments")
    raw = _at(file, phoff, phnum * elf.program.size)
    segments: list[VmaLine] = []
    files: list[VmaLine] = []
    by_gdb = False
    for at in range(0, phnum * elf.program.size, elf.program.size):
        kind, flags, offset, address, size, memory = elf.segment(raw[at : at + elf.program.size])
        if kind == PT_LOAD and memory:
            perms = "".join(letter if flags & bit else "-" for bit, letter in _FLAGS) + "?"
            segments.append(line_of(address, address + memory, perms, ""))
        elif kind == _PT_NOTE:
            found, gdb = _notes(elf, _at(file, offset, min(size, _MAX_NOTES)))
            files += found
            by_gdb = by_gdb or gdb
    if by_gdb:
        segments = [_without_perms(line) if line.perms == "r--?" else line for line in segments]
    lines = join_files(segments, files)
    if not lines:
        raise ReadError(path, 0, "a core file without segments")
    text = MapText(lines, "a core file")
    text.notes.append("Read from a core file: it does not say what is shared, nor all flags.")
    if by_gdb:
        text.breaks = set(range(len(lines) - 1))
        text.notes.append("gdb wrote it: VMAs may be missing, and `r--` may be no access at all.")
    return text


def _without_perms(line: VmaLine) -> VmaLine:
    return line_of(line.start, line.end, UNKNOWN_PERMS, line.name)


def _notes(elf: _CoreElf, raw: bytes) -> tuple[list[VmaLine], bool]:
    """Return the files of NT_FILE, and whether the notes are gdb's."""
    files: list[VmaLine] = []
    by_gdb = False
    at = 0
    while at + elf.note.size <= len(raw):
        name_size, size, kind = elf.note.unpack_from(raw, at)
        at += elf.note.size
        name = raw[at : at + name_size].rstrip(b"\0")
        at += (name_size + 3) & ~3
        if kind == _NT_FILE and name == b"CORE":
            files += _mapped_files(elf, raw[at : at + size])
        by_gdb = by_gdb or name == b"GDB"
        at += (size + 3) & ~3
    return files, by_gdb


def _mapped_files(elf: _CoreElf, raw: bytes) -> list[VmaLine]:
    """The ranges of NT_FILE: how many, the page size, three words for each, then all names."""
    word = elf.word.size
    (count,) = elf.word.unpack_from(raw, 0)
    (page,) = elf.word.unpack_from(raw, word)
    if count > MAX_VMAS:
        raise ValueError(f"{count} mapped files")
    names = raw[word * (2 + 3 * count) :].split(b"\0")
    found = []
    for index in range(min(count, len(names))):
        at = word * (2 + 3 * index)
        (start,), (end,), (pgoff,) = (elf.word.unpack_from(raw, at + word * n) for n in range(3))
        name = names[index].decode("utf-8", "surrogateescape")
        found.append(line_of(start, end, UNKNOWN_PERMS, name, pgoff * page))
    return found
