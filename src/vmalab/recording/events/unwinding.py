# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks stacks that were copied at the entry of a call, when the recording is over.

libunwind does it where the machine has it, with the tables that every program has for exceptions;
without it the chain of frame pointers is followed, which is right only for programs that keep one.
"""

import ctypes
from typing import Any, Final, NamedTuple, final

from vmalab.recording.events.code_map import CodeMap
from vmalab.recording.events.layout import STACK_REG_NAMES
from vmalab.recording.events.libunwind import (
    FIND_ACCESSOR,
    INVALID,
    MEMORY_ACCESSOR,
    NO_INFO,
    NO_REGISTER,
    REGISTER_ACCESSOR,
    Libunwind,
    idle_accessors,
    libunwind,
    unwind_table,
)
from vmalab.recording.events.unwind_tables import UnwindTables
from vmalab.recording.tracer.call_stacks import MAX_FRAMES
from vmalab.recording.tracer.code_mapping import Code
from vmalab.recording.tracer.code_places import CodePlaces

_CURSOR_SIZE: Final = 4096
_RIP: Final = 16
_CACHE_GLOBAL: Final = 1
# Numbers of registers in DWARF, in the order of `layout.STACK_REG_NAMES`.
_DWARF: Final = (3, 6, 7, 16, 12, 13, 14, 15)
_BP, _SP, _IP = (STACK_REG_NAMES.index(name) for name in ("bp", "sp", "ip"))
# Walks that are remembered in all, and of one place.
_MOST_WALKS: Final = 1 << 15
_MOST_OF_PLACE: Final = 32


class CopiedStack(NamedTuple):
    """What was copied: registers, as `layout.STACK_REG_NAMES` has them, and memory from the stack
    pointer on. chain: where the kernel says that frame pointers lead, from the instruction on; it
    may go on where the copy ends, or on another stack.
    """

    regs: tuple[int, ...]
    memory: bytes
    chain: tuple[int, ...] = ()


class _Walk(NamedTuple):
    """A walk that was done: what it read of the copy and of registers, and where it led."""

    words: tuple[tuple[int, int], ...]
    regs: tuple[tuple[int, int], ...]
    addresses: list[int]


@final
class CodeTables:
    """The tables of all files with code, which all processes share."""

    def __init__(self, places: CodePlaces) -> None:
        self._places = places
        self._tables: dict[str, UnwindTables] = {}

    def of(self, code: Code) -> UnwindTables | None:
        """Return the tables of a file, None where it cannot be had."""
        if not code.inode:
            return None
        found = self._tables.get(code.name)
        if found is None:
            file = self._places.file(0, code)
            if file is None:
                return None
            found = self._tables[code.name] = UnwindTables(file)
        return found

    def close(self) -> None:
        """Read no more."""
        for one in self._tables.values():
            one.close()
        self._tables.clear()


@final
class Unwinder:
    """Walks the stacks of one process. tables: None where no file may be read."""

    def __init__(self, code: CodeMap, tables: CodeTables | None) -> None:
        self._code = code
        self._tables = tables
        self._library = None if tables is None else libunwind()
        self._version = -1
        self._walks: dict[tuple[int, int], list[_Walk]] = {}
        self._count = 0
        self._space = 0
        self._cursor = ctypes.create_string_buffer(_CURSOR_SIZE)
        # Of the walk that is being done.
        self._stack = CopiedStack((), b"")
        self._words: dict[int, int] = {}
        self._regs: dict[int, int] = {}
        # Library functions call these as long as the space lives.
        self._accessors: list[Any] = []

    def walk(self, stack: CopiedStack) -> list[int]:
        """Return addresses of instructions, innermost first."""
        if self._version != self._code.version:
            self._forget()
        place = stack.regs[_IP], stack.regs[_SP]
        memory = stack.memory
        size = len(memory)
        for walk in self._walks.get(place, ()):
            if all(stack.regs[at] == value for at, value in walk.regs) and all(
                offset + 8 <= size
                and int.from_bytes(memory[offset : offset + 8], "little") == value
                for offset, value in walk.words
            ):
                return self._longer(walk.addresses, stack.chain)
        self._stack = stack
        self._words = {}
        self._regs = {}
        found = self._chained() if self._library is None else self._unwound(self._library)
        if self._count >= _MOST_WALKS:
            self._walks.clear()
            self._count = 0
        known = self._walks.setdefault(place, [])
        if len(known) < _MOST_OF_PLACE:
            self._count += 1
            known.append(_Walk(tuple(self._words.items()), tuple(self._regs.items()), found))
        return self._longer(found, stack.chain)

    def _longer(self, found: list[int], chain: tuple[int, ...]) -> list[int]:
        """Go on by frame pointers where a walk has ended: so one of Go leads to a goroutine."""
        if not found or found[-1] not in chain or len(found) >= MAX_FRAMES:
            return found
        found = list(found)
        for address in chain[chain.index(found[-1]) + 1 :]:
            if self._code.at(address) is None:
                break
            found.append(address)
        return found[:MAX_FRAMES]

    def close(self) -> None:
        """Walk no more."""
        self._walks.clear()
        if self._space and self._library is not None:
            self._library.core._Ux86_64_destroy_addr_space(self._space)
            self._space = 0

    def _forget(self) -> None:
        """Code is elsewhere now."""
        self._version = self._code.version
        self._walks.clear()
        self._count = 0
        if self._space and self._library is not None:
            self._library.core._Ux86_64_flush_cache(self._space, 0, 0)

    # By frame pointers.

    def _register(self, at: int) -> int:
        value = self._regs[at] = self._stack.regs[at]
        return value

    def _word(self, address: int) -> int | None:
        """Return the word at an address of the copied stack, None elsewhere."""
        offset = address - self._stack.regs[_SP]
        if not 0 <= offset <= len(self._stack.memory) - 8:
            return None
        value = int.from_bytes(self._stack.memory[offset : offset + 8], "little")
        self._words[offset] = value
        return value

    def _chained(self) -> list[int]:
        found = [self._stack.regs[_IP]]
        frame = self._register(_BP)
        while len(found) < MAX_FRAMES:
            above, address = self._word(frame), self._word(frame + 8)
            if above is None or address is None or self._code.at(address) is None:
                break
            found.append(address)
            if above <= frame:
                break
            frame = above
        return found

    # By libunwind.

    def _unwound(self, library: Libunwind) -> list[int]:
        if not self._space:
            self._make_space(library)
        found: list[int] = []
        word = ctypes.c_uint64()
        if library.core._Ux86_64_init_remote(self._cursor, self._space, None) < 0:
            return self._chained()
        while len(found) < MAX_FRAMES:
            if library.core._Ux86_64_get_reg(self._cursor, _RIP, ctypes.addressof(word)) < 0:
                break
            address = int(word.value)
            if address == 0:
                break
            found.append(address)
            if library.core._Ux86_64_step(self._cursor) <= 0:
                break
        return found

    def _make_space(self, library: Libunwind) -> None:
        self._accessors = idle_accessors()
        self._accessors[0] = FIND_ACCESSOR(self._find)
        self._accessors[3:5] = MEMORY_ACCESSOR(self._read), REGISTER_ACCESSOR(self._read_register)
        self._space = library.make_space(self._accessors)
        library.core._Ux86_64_set_caching_policy(self._space, _CACHE_GLOBAL)

    def _read(self, space: int, address: int, value: Any, write: int, argument: int) -> int:
        """Answer libunwind's question for a word of memory: of the stack, or of a file."""
        if write:
            return INVALID
        word = self._word(address)
        if word is None:
            word = self._word_of_file(address)
        if word is None:
            return INVALID
        value[0] = word
        return 0

    def _word_of_file(self, address: int) -> int | None:
        code = self._code.at(address)
        if code is None:
            return None
        if not code.name:
            # A frame of code without tables counts only where that code can be read.
            return 0
        found = self._tables_of(code)
        return None if found is None else found[0].word(address - found[1])

    def _tables_of(self, code: Code) -> tuple[UnwindTables, int] | None:
        """Return the tables of what is mapped, and by how much it was moved."""
        tables = None if self._tables is None else self._tables.of(code)
        own = None if tables is None else tables.address_of(code.offset)
        return None if tables is None or own is None else (tables, code.start - own)

    def _read_register(self, space: int, number: int, value: Any, write: int, argument: int) -> int:
        if write or number not in _DWARF:
            return NO_REGISTER
        value[0] = self._register(_DWARF.index(number))
        return 0

    def _find(self, space: int, address: int, info: int, need: int, argument: int) -> int:
        """Answer libunwind's question for the table row of an address."""
        code = self._code.at(address)
        found = None if code is None else self._tables_of(code)
        if code is None or found is None or self._library is None or not found[0].rows:
            return NO_INFO
        tables, moved = found
        table = unwind_table(
            self._library.info,
            (code.start, code.end),
            moved + tables.address,
            tables.rows,
            moved + tables.table,
        )
        return self._library.search(space, address, table, info, need)
