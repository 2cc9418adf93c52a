# SPDX-License-Identifier: GPL-2.0-or-later
"""libunwind for copied stacks: it asks for each word of memory and each table that it needs.

Mirrors: libunwind(3), unw_create_addr_space(3): the accessors of an address space.
"""

import ctypes
import struct
from functools import cache
from typing import Any, Final, final

from vmalab.recording.tracer.call_stacks import remote_library

# What stacks are walked by without it.
FRAME_POINTERS: Final = "frame pointers"
_FORMAT_REMOTE_TABLE: Final = 2
# What accessors answer: errors of libunwind.
NO_REGISTER: Final = -3
INVALID: Final = -8
NO_INFO: Final = -10
# struct unw_dyn_info, of libunwind since 1.5 and before: the head; name, segment base, length and
# address of the table.
_INFOS: Final = (struct.Struct("<5QiIQ4Q"), struct.Struct("<5QiI4Q"))
_PROBED: Final = 0x10000

_WORD = ctypes.POINTER(ctypes.c_uint64)
FIND_ACCESSOR = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)
_PUT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_LIST = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
MEMORY_ACCESSOR = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, _WORD, ctypes.c_int, ctypes.c_void_p
)
REGISTER_ACCESSOR = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int, _WORD, ctypes.c_int, ctypes.c_void_p
)
_FLOAT = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)
_RESUME = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_NAME = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p)


def unwind_table(
    layout: struct.Struct, span: tuple[int, int], base: int, rows: int, first: int
) -> bytes:
    """Return a struct unw_dyn_info of a table. span: of code. base: of what its rows count from."""
    head = (0, 0, *span, 0, _FORMAT_REMOTE_TABLE, 0)
    return layout.pack(*head, *(0,) * (layout.size > _INFOS[1].size), 0, base, rows, first)


@final
class Libunwind:
    """libunwind for copies of stacks. core: the library. info: how it has struct unw_dyn_info."""

    def __init__(self, core: ctypes.CDLL) -> None:
        """Errors: OSError: it is another version than those known."""
        self.core: Final = core
        try:
            core._Ux86_64_flush_cache.argtypes = [
                ctypes.c_void_p,
                ctypes.c_uint64,
                ctypes.c_uint64,
            ]
            core._Ux86_64_dwarf_search_unwind_table.argtypes = [
                ctypes.c_void_p,
                ctypes.c_uint64,
                ctypes.c_void_p,
                ctypes.c_void_p,
                ctypes.c_int,
                ctypes.c_void_p,
            ]
        except AttributeError as error:
            raise OSError(str(error)) from None
        fitting = [info for info in _INFOS if self._reads_first(info)]
        if not fitting:
            raise OSError("struct unw_dyn_info is not known")
        self.info: Final = fitting[0]

    def search(self, space: int, address: int, table: bytes, info: int, need: int) -> int:
        """Look for the row of an address in a table. info: what is filled in."""
        raw = ctypes.create_string_buffer(table, len(table))
        return int(
            self.core._Ux86_64_dwarf_search_unwind_table(
                space, address, ctypes.addressof(raw), info, need, None
            )
        )

    def make_space(self, accessors: "list[Any]") -> int:
        """Return a new address space. accessors: kept by the caller as long as it lives."""
        # Newer versions have more of them, which may be missing.
        table = (ctypes.c_void_p * 32)(
            *(ctypes.cast(one, ctypes.c_void_p).value for one in accessors)
        )
        return int(self.core._Ux86_64_create_addr_space(ctypes.addressof(table), 0) or 0)

    def _reads_first(self, info: struct.Struct) -> bool:
        """Return whether a table of one row, laid out like that, is read where it is."""
        asked: list[int] = []

        def read(space: int, address: int, value: Any, write: int, argument: int) -> int:
            asked.append(address)
            return INVALID

        accessors = [*idle_accessors()]
        accessors[3] = MEMORY_ACCESSOR(read)
        space = self.make_space(accessors)
        filled = ctypes.create_string_buffer(1024)
        table = unwind_table(info, (_PROBED, 2 * _PROBED), _PROBED, 1, 3 * _PROBED)
        self.search(space, _PROBED + 1, table, ctypes.addressof(filled), 1)
        self.core._Ux86_64_destroy_addr_space(space)
        return asked[:1] == [3 * _PROBED]


def idle_accessors() -> "list[Any]":
    """Return functions that libunwind asks by, which know nothing."""
    return [
        FIND_ACCESSOR(lambda space, address, info, need, argument: NO_INFO),
        _PUT(lambda space, info, argument: None),
        _LIST(lambda space, found, argument: NO_INFO),
        MEMORY_ACCESSOR(lambda space, address, value, write, argument: INVALID),
        REGISTER_ACCESSOR(lambda space, number, value, write, argument: NO_REGISTER),
        _FLOAT(lambda space, number, value, write, argument: NO_REGISTER),
        _RESUME(lambda space, cursor, argument: INVALID),
        _NAME(lambda space, address, name, argument: NO_INFO),
    ]


@cache
def libunwind() -> Libunwind | None:
    """Return libunwind, None where it is not there."""
    core = remote_library()
    if core is None:
        return None
    try:
        return Libunwind(core)
    except OSError:
        return None


def walks_by() -> str:
    """Return what stacks are walked by, for meta.json."""
    return FRAME_POINTERS if libunwind() is None else "libunwind"
