# SPDX-License-Identifier: GPL-2.0-or-later
"""A node of an XArray: 64 slots with their marks, and what must hold for each.

Mirrors: include/linux/xarray.h (`struct xa_node`), lib/xarray.c.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

XA_CHUNK_SHIFT: Final = 6
XA_CHUNK_SIZE: Final = 64
XA_CHUNK_MASK: Final = 63
XA_MAX_MARKS: Final = 3


@final
@mypyc_attr(native_class=True)
class XaSibling:
    """The entry of a slot that belongs to the one in a lower slot of its node."""

    def __init__(self, offset: i64) -> None:
        self.offset: i64 = offset


@final
@mypyc_attr(native_class=True)
class XaNode:
    """64 slots (`struct xa_node`): entries, siblings or nodes, each for 2^shift indices."""

    def __init__(self, parent: "XaNode | None", offset: i64, shift: i64) -> None:
        self.parent: XaNode | None = parent
        # The slot of the parent that holds this node.
        self.offset: i64 = offset
        self.shift: i64 = shift
        # Slots that are not empty.
        self.count: i64 = 0
        self.slots: list[object | None] = [None] * XA_CHUNK_SIZE
        # By mark, the slots that have it, a bit each.
        self.marks: list[int] = [0] * XA_MAX_MARKS


def shift_left(bits: i64, by: i64) -> i64:
    """Return `bits << by` with 64 bits, whatever `bits` is.

    mypyc (2.4) writes a small literal as a C int: compiled, `1 << 34` by a variable is 4.
    """
    return bits << by


def span(node: XaNode, offset: i64) -> i64:
    """Return how many slots the entry in a canonical slot fills."""
    width: i64 = 1
    while offset + width < XA_CHUNK_SIZE:
        entry = node.slots[offset + width]
        if not isinstance(entry, XaSibling) or entry.offset != offset:
            break
        width += 1
    return width


def check_node(node: XaNode) -> None:
    """Assert what must hold for one node."""
    where = f"xarray: node {node.offset} of shift {node.shift}"
    used = 0
    for slot in range(XA_CHUNK_SIZE):
        entry = node.slots[slot]
        used += 0 if entry is None else 1
        if isinstance(entry, XaSibling):
            before = node.slots[slot - 1] if slot > 0 else None
            leads = before is not None and (entry.offset == slot - 1 or before is entry)
            assert leads, f"{where}: slot {slot} is a sibling of no neighbour"
        elif isinstance(entry, XaNode):
            below = entry
            assert below.parent is node, f"{where}: a child of another parent"
            assert below.offset == slot, f"{where}: a child of another slot"
            assert below.shift == node.shift - XA_CHUNK_SHIFT, f"{where}: a child of wrong shift"
            for mark in range(XA_MAX_MARKS):
                has = node.marks[mark] >> slot & 1 != 0
                assert has == (below.marks[mark] != 0), f"{where}: mark {mark} of slot {slot}"
        if entry is None or isinstance(entry, XaSibling):
            for mark in range(XA_MAX_MARKS):
                assert node.marks[mark] >> slot & 1 == 0, f"{where}: slot {slot} cannot be marked"
    assert used == node.count > 0, f"{where}: {used} slots are used, {node.count} are counted"
