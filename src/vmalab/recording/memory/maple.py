# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks a maple tree in a kernel's memory: the pointers that its leaves hold, in order.

Mirrors: include/linux/maple_tree.h. A node's type is in the low bits of the pointer to it.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.recording.memory.layout import StructLayout

# Bytes of a node, and the bits of a pointer to one that are not its address.
_NODE: Final = 256
_NODE_MASK: Final = ~(_NODE - 1)
_TYPE_SHIFT: Final = 3
_TYPE_MASK: Final = 15
_LEAF: Final = 1
_RANGE: Final = 2
_ARANGE: Final = 3
# A pointer whose low bits are these is no entry but a node, or a value of the tree's own.
_INTERNAL: Final = 2
_INTERNAL_MASK: Final = 3
_LAST_VALUE: Final = 4096
_ULONG_MAX: Final = (1 << 64) - 1
_MAX_DEPTH: Final = 32

Reader = Callable[[int, int], bytes]


def entries(read: Reader, at: StructLayout, root: int, path: str) -> Iterator[int]:
    """Yield the entries of a tree by its root, lowest range first.

    read: returns so many bytes at an address. Errors: ReadError for what is no tree.
    """
    if not _is_node(root):
        if root and root & _INTERNAL_MASK != _INTERNAL:
            yield root
        return
    words = struct.Struct(f"<{_NODE // 8}Q")
    stack = [(root, _ULONG_MAX, 0)]
    seen: set[int] = set()
    while stack:
        encoded, highest, depth = stack.pop()
        kind, node = encoded >> _TYPE_SHIFT & _TYPE_MASK, encoded & _NODE_MASK
        if kind not in (_LEAF, _RANGE, _ARANGE) or node in seen or depth > _MAX_DEPTH:
            raise ReadError(path, 0, f"the maple tree has no usable node at {node:#x}")
        seen.add(node)
        name = "maple_arange_64" if kind == _ARANGE else "maple_range_64"
        first, slots = at[name, "pivot"] // 8, at[name, "slot"] // 8
        found = words.unpack(read(node, _NODE))
        below = []
        for pivot, slot in _slots(found, first, slots, highest):
            if kind == _LEAF:
                if slot and slot & _INTERNAL_MASK != _INTERNAL:
                    yield slot
            elif slot:
                below.append((slot, pivot, depth + 1))
        stack += reversed(below)


def _slots(
    words: tuple[int, ...], first: int, slots: int, highest: int
) -> Iterator[tuple[int, int]]:
    """Yield the slots of a node that are in use, with the last index of each.

    A pivot of 0 behind the first ends the node, as does one that is the last index of all.
    """
    count = slots - first
    for index in range(count + 1):
        pivot = words[first + index] if index < count else highest
        if pivot == 0 and index:
            pivot = highest
        yield min(pivot, highest), words[slots + index]
        if pivot >= highest:
            return


def _is_node(entry: int) -> bool:
    return entry & _INTERNAL_MASK == _INTERNAL and entry > _LAST_VALUE
