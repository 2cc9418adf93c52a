# SPDX-License-Identifier: GPL-2.0-or-later
"""Names functions in ELF files: from their symbol tables, read once per file.

A place that no symbol spans has no name: the nearest symbol before it would be another function's.
"""

import mmap
import os
import struct
from bisect import bisect_right
from typing import Final, final

_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_PHDR = struct.Struct("<IIQQQQQQ")
_SYM = struct.Struct("<IBBHQQ")
_PT_LOAD: Final = 1
_SHT_SYMTAB: Final = 2
_SHT_DYNSYM: Final = 11
_STT_FUNC: Final = 2
_STT_GNU_IFUNC: Final = 10
MAX_FILE: Final = 1 << 32


@final
class _File:
    """The functions of one file: where they begin and end in memory as the file counts it."""

    def __init__(self, raw: mmap.mmap) -> None:
        """Errors: ValueError, struct.error, IndexError for what is not a 64-bit ELF file."""
        head = _EHDR.unpack_from(raw)
        if head[0][:5] != b"\x7fELF\x02":
            raise ValueError("not a 64-bit ELF file")
        phoff, shoff, phnum, shnum = head[5], head[6], head[10], head[12]
        # Segments: offset in the file, size there, address.
        self._loads: list[tuple[int, int, int]] = []
        for index in range(phnum):
            kind, _, offset, vaddr, _, size, _, _ = _PHDR.unpack_from(raw, phoff + 56 * index)
            if kind == _PT_LOAD:
                self._loads.append((offset, size, vaddr))
        sections = [_SHDR.unpack_from(raw, shoff + 64 * index) for index in range(shnum)]
        found: dict[int, tuple[int, int, int]] = {}
        for section in sections:
            if section[1] in (_SHT_SYMTAB, _SHT_DYNSYM) and section[6] < len(sections):
                self._read(raw, section[4], section[5], sections[section[6]][4], found)
        self._functions = [(start, *found[start]) for start in sorted(found)]
        self._starts = [function[0] for function in self._functions]
        self._raw = raw

    def _read(
        self,
        raw: mmap.mmap,
        at: int,
        size: int,
        strings: int,
        found: dict[int, tuple[int, int, int]],
    ) -> None:
        table = raw[at : at + size // _SYM.size * _SYM.size]
        for name, info, _, section, value, length in _SYM.iter_unpack(table):
            if section and length and info & 15 in (_STT_FUNC, _STT_GNU_IFUNC):
                known = found.get(value)
                if known is None or known[0] < length:
                    found[value] = (length, strings, name)

    def name(self, offset: int) -> str:
        """Return the function at an offset in the file: "mmap+0x13", or "" """
        for begins, size, vaddr in self._loads:
            if begins <= offset < begins + size:
                address = offset - begins + vaddr
                break
        else:
            return ""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return ""
        start, length, strings, name = self._functions[index]
        if address >= start + length:
            return ""
        end = self._raw.find(b"\0", strings + name)
        text = self._raw[strings + name : end].decode("utf-8", "replace")
        return f"{text}+{address - start:#x}"


@final
class Symbols:
    """The functions of all files that stacks of a recording lead through."""

    def __init__(self) -> None:
        self._files: dict[str, _File | None] = {}
        self._names: dict[tuple[str, int], str] = {}

    def name(self, tid: int, path: str, offset: int) -> str:
        """The function at an offset of a file that a thread has mapped: "mmap+0x13", or ""."""
        key = (path, offset)
        known = self._names.get(key)
        if known is None:
            if path not in self._files:
                self._files[path] = _open(f"/proc/{tid}/root{path}")
            file = self._files[path]
            known = self._names[key] = "" if file is None else file.name(offset)
        return known


def _open(path: str) -> _File | None:
    """Return a file's functions, None when they cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if not 0 < os.fstat(fd).st_size <= MAX_FILE:
            return None
        return _File(mmap.mmap(fd, 0, prot=mmap.PROT_READ))
    except (OSError, ValueError, struct.error, IndexError):
        return None
    finally:
        os.close(fd)
