# SPDX-License-Identifier: GPL-2.0-or-later
"""The functions of Python that a held thread is in, read from its interpreter (3.11 to 3.13).

Nothing of the program is run for it, and no option of Python is needed. What does not look as the
version's structures do has no frames.
"""

import os
import re
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

from vmalab.recording.format.frames import Named
from vmalab.recording.tracer.code_mapping import Code
from vmalab.recording.tracer.memory import Pointees
from vmalab.recording.tracer.program_headers import elf_headers
from vmalab.recording.tracer.python_layouts import (
    BYTES_START,
    CODE_FILE,
    CODE_LINES,
    CODE_NAME,
    INSTRUCTION,
    LAYOUTS,
    NEXT_THREAD,
    OWNED_BY_C,
    SIZE,
    STR_STATE,
)

_PYTHON: Final = re.compile(r"(?:lib)?python(\d)\.(\d{1,2})(?:\.so.*)?$")
_RUNTIME: Final = b"_PyRuntime\0"
_SYM: Final = struct.Struct("<IBBHQQ")
_PT_LOAD: Final = 1
_MAX_FRAMES: Final = 64
_MAX_THREADS: Final = 4096
_MAX_NAME: Final = 1024
_MAX_LINES: Final = 1 << 16
_MAX_CODES: Final = 1 << 14
_MAX_PLACES: Final = 1 << 17
# Bytes of .dynsym and .dynstr that are looked within.
_MAX_TABLE: Final = 1 << 24


@lru_cache(_MAX_THREADS)
def version_of(name: str) -> tuple[int, int] | None:
    """Return the version of Python that a mapped file is, None for any other file."""
    match = _PYTHON.match(os.path.basename(name))
    version = None if match is None else (int(match[1]), int(match[2]))
    return version if version in LAYOUTS else None


@final
class PythonFrames:
    """One process's Python. version: of LAYOUTS; runtime: address of its _PyRuntime."""

    def __init__(self, version: tuple[int, int], runtime: int) -> None:
        self._layout = LAYOUTS[version]
        self.runtime = runtime
        self._states: dict[int, int] = {}
        # Functions by the addresses of their code object and of their line table.
        self._codes: dict[tuple[int, int], tuple[str, str, int, bytes]] = {}
        # Lines of theirs, by the address of the instruction too.
        self._places: dict[tuple[int, int, int], Named] = {}

    def frames(self, memory: Pointees, native_id: int) -> list[Named]:
        """Return a thread's functions, innermost first. native_id: as the process knows it."""
        found: list[Named] = []
        at = self._first(memory, native_id)
        layout = self._layout
        while at and len(found) < _MAX_FRAMES:
            words = memory.words(at, 10)
            if len(words) < 10:
                break
            owner = words[layout.owner // 8] >> (layout.owner % 8 * 8) & 0xFF
            if owner != OWNED_BY_C:
                named = self._named(memory, words[layout.code // 8], words[INSTRUCTION // 8])
                if named is None:
                    break
                found.append(named)
            at = words[layout.previous // 8]
        return found

    def _first(self, memory: Pointees, native_id: int) -> int:
        """Return the address of a thread's innermost frame, 0 when it is not found."""
        state = self._states.get(native_id, 0)
        if not state or memory.words(state + self._layout.native_id, 1) != [native_id]:
            state = self._states[native_id] = self._state(memory, native_id)
        if not state:
            return 0
        at = _word(memory, state + self._layout.frame)
        within = self._layout.within
        return at if within is None or not at else _word(memory, at + within)

    def _state(self, memory: Pointees, native_id: int) -> int:
        interpreter = _word(memory, self.runtime + self._layout.interpreters)
        state = _word(memory, interpreter + self._layout.threads) if interpreter else 0
        for _ in range(_MAX_THREADS):
            if not state or memory.words(state + self._layout.native_id, 1) == [native_id]:
                break
            state = _word(memory, state + NEXT_THREAD)
        return state

    def _named(self, memory: Pointees, code: int, instruction: int) -> Named | None:
        lines = _word(memory, code + CODE_LINES)
        known = self._codes.get((code, lines))
        if known is None:
            known = self._read_code(memory, code, lines)
            if known is None:
                return None
            if len(self._codes) >= _MAX_CODES:
                self._codes.clear()
                self._places.clear()
            self._codes[code, lines] = known
        place = (code, lines, instruction)
        named = self._places.get(place)
        if named is None:
            file, name, first, table = known
            unit = (instruction - code - self._layout.start) // 2
            if len(self._places) >= _MAX_PLACES:
                self._places.clear()
            named = self._places[place] = Named(name, file, line_at(table, first, unit))
        return named

    def _read_code(
        self, memory: Pointees, code: int, lines: int
    ) -> tuple[str, str, int, bytes] | None:
        file = self._text(memory, _word(memory, code + CODE_FILE))
        name = self._text(memory, _word(memory, code + CODE_NAME))
        first = memory.words(code + self._layout.first_line, 1, wide=False)
        size = _word(memory, lines + SIZE)
        if not file or not name or not first or size > _MAX_LINES:
            return None
        return file, name, first[0], memory.read(lines + BYTES_START, size)

    def _text(self, memory: Pointees, at: int) -> str:
        """Return the text of a str object; "" when it is none."""
        length, state = _word(memory, at + SIZE), memory.words(at + STR_STATE, 1, wide=False)
        if not 0 < length <= _MAX_NAME or not state:
            return ""
        kind, is_compact, is_ascii = state[0] >> 2 & 7, state[0] >> 5 & 1, state[0] >> 6 & 1
        if not is_compact or kind not in (1, 2, 4):
            return ""
        start = at + (self._layout.ascii if is_ascii else self._layout.other)
        raw = memory.read(start, length * kind)
        encoding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind]
        return raw.decode(encoding, "replace")


def _word(memory: Pointees, at: int) -> int:
    words = memory.words(at, 1)
    return words[0] if words else 0


def line_at(table: bytes, line: int, unit: int) -> int:
    """Return the line of a code unit by a table of locations; 0: it has none.

    line: the first one of the function. unit: instructions of two bytes before it.
    """
    at = 0
    while at < len(table):
        head = table[at]
        at += 1
        kind, units = head >> 3 & 15, (head & 7) + 1
        if kind >= 13 and kind < 15:
            delta, at = _signed(table, at)
            line += delta
        elif 10 <= kind <= 12:
            line += kind - 10
        unit -= units
        if unit < 0:
            return 0 if kind == 15 else max(line, 0)
        while at < len(table) and not table[at] & 0x80:
            at += 1
    return 0


def _signed(table: bytes, at: int) -> tuple[int, int]:
    """Return a number of the table, and where the next one is."""
    value = shift = 0
    while at < len(table) and shift < 60:
        byte = table[at]
        at += 1
        value |= (byte & 63) << shift
        shift += 6
        if not byte & 64:
            break
    return (-(value >> 1) if value & 1 else value >> 1), at


@final
class Pythons:
    """The files of a recording that are Python. Each is looked into once."""

    def __init__(self) -> None:
        # By name and inode: where _PyRuntime is, counted from the file's first mapped byte.
        self._runtimes: dict[tuple[str, int], _Runtime | None] = {}

    def find(self, tid: int, codes: list[Code], known: PythonFrames | None) -> PythonFrames | None:
        """Return the Python that a held thread's process has mapped, None where there is none.

        known: what it was before; it is kept if it is still the same.
        """
        for code in codes:
            version = version_of(code.name)
            if version is None:
                continue
            key = (code.name, code.inode)
            if key not in self._runtimes:
                self._runtimes[key] = _runtime_of(tid, code)
            place = self._runtimes[key]
            address = 0 if place is None else place.address(code)
            if address:
                same = known is not None and known.runtime == address
                return known if same else PythonFrames(version, address)
        return None


@dataclass(frozen=True, slots=True)
class _Runtime:
    """Where _PyRuntime is, as the file counts addresses, and the file's segments."""

    value: int
    loads: tuple[tuple[int, int, int], ...]

    def address(self, code: Code) -> int:
        """Return where it is in a process that has this mapping of the file; 0: unknown."""
        for offset, size, vaddr in self.loads:
            if offset <= code.offset < offset + size:
                return code.start - (vaddr + code.offset - offset) + self.value
        return 0


def _runtime_of(tid: int, code: Code) -> _Runtime | None:
    try:
        fd = os.open(f"/proc/{tid}/root{code.name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if os.fstat(fd).st_ino != code.inode:
            return None
        rows = elf_headers(fd).get("phdrs", [])
        value = _symbol(fd)
    except OSError:
        return None
    finally:
        os.close(fd)
    assert isinstance(rows, list)
    loads = tuple((row[2], row[4], row[3]) for row in rows if row[0] == _PT_LOAD)
    return _Runtime(value, loads) if value else None


def _symbol(fd: int) -> int:
    """Return the value of _PyRuntime in a file's dynamic symbols, 0 when it is not there."""
    try:
        from elftools.elf.elffile import ELFFile
    except ImportError:
        return 0
    with os.fdopen(os.dup(fd), "rb") as file:
        try:
            elf = ELFFile(file)
            symbols, strings = (elf.get_section_by_name(name) for name in (".dynsym", ".dynstr"))
            if max(symbols.data_size, strings.data_size) > _MAX_TABLE:
                return 0
            table, names = symbols.data(), strings.data()
        except Exception:
            return 0
    wanted = names.find(_RUNTIME)
    table = table[: len(table) // _SYM.size * _SYM.size]
    return next((row[4] for row in _SYM.iter_unpack(table) if row[0] == wanted and row[4]), 0)
