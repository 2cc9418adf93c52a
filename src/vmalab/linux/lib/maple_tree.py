# SPDX-License-Identifier: GPL-2.0-or-later
"""The maple tree: ranges of indices with an entry each, and cursors that walk and change them.

Mirrors: lib/maple_tree.c, include/linux/maple_tree.h (names and meaning; the layout is our own, see
maple_shape and maple_node). It knows nothing of what the entries are.

Indices are i64, 0 .. KEY_MAX (2^63 - 1); all ranges are end-inclusive, as in the kernel. An entry
is any object but None; None stands for a gap, and gaps are never stored: neighbouring ones are one.

A cursor and the tree's stores. A `Mas` remembers the leaf and the slot where it stands, and the
tree's number `seq` of that moment. Its own stores keep it in step: after one it stands on what it
stored. The store of another cursor (or of an `mtree_` function) changes the tree's number, and the
next step of this one then walks from the root again, to `last` when it goes on and to `index` when
it goes back: it costs O(log n) once, and is never wrong. Walks and stores that fall into the leaf
where the cursor stands need no descent.

`index` and `last` belong to the caller as much as to the cursor: setting them by `config()` or
directly moves nothing; `set_range()`, `set()` and `reset()` make the next step begin with a walk to
`index`.

What differs from the kernel: errors are results, never kept in the cursor; a search for a gap
always begins anew, and leaves the cursor so that the next step walks to the range found; a tree of
one entry of any range needs no node.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.uapi.errno import EBUSY, EEXIST, EINVAL, ENOMEM
from vmalab.linux.lib.maple_gap import NO_GAP, highest_gap, lowest_gap
from vmalab.linux.lib.maple_node import KEY_MAX, ROW, Node
from vmalab.linux.lib.maple_shape import MapleTree
from vmalab.linux.lib.maple_write import (
    MOVED,
    UNCHANGED,
    nodes_needed,
    write_leaf,
    write_solo,
)

__all__ = (
    "KEY_MAX",
    "MapleTree",
    "Mas",
    "mtree_dup",
    "mtree_erase",
    "mtree_insert_range",
    "mtree_load",
    "mtree_store_range",
)

# What the next step of a cursor begins with (`enum maple_status`).
MA_START: Final = 0  # a walk to `index`
MA_ACTIVE: Final = 1  # from where it stands
MA_PAUSE: Final = 2  # a walk beyond where it stood
MA_OVERFLOW: Final = 3  # the last step met its upper limit
MA_UNDERFLOW: Final = 4  # the last step met its lower limit


# What a cursor begins with; nobody adds to it.
NO_NODES: Final[list[Node]] = []


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Mas:
    """A cursor of a maple tree (`struct ma_state`).

    `index` and `last` are the range to store, or, after a walk or step, the range of the entry or
    gap where the cursor stands.
    """

    def __init__(self, tree: MapleTree, index: i64 = 0, last: i64 = 0) -> None:
        self.tree: MapleTree = tree
        self.index: i64 = index
        self.last: i64 = last
        self.status: i64 = MA_START
        # Where the cursor stands, valid while `seq` is the tree's: on the entry in `slot`, or in
        # the gap before it. Only in the last leaf may the slot be the one after all entries.
        # Without a leaf the slot counts the entries before: 0, or 1 behind the tree's only one.
        self.leaf: Node | None = None
        self.slot: i64 = 0
        self.on_entry: bool = False
        self.seq: i64 = -1
        # The store of `preallocate()`: its range and where it begins, valid while `wr_plan` is the
        # tree's.
        self.wr_plan: i64 = -1
        self.wr_leaf: Node | None = None
        self.wr_slot: i64 = 0
        self.wr_first: i64 = 0
        self.wr_last: i64 = 0
        # Nodes taken from the slab for stores to come.
        self.nodes: list[Node] = NO_NODES

    # Positions

    def set_range(self, first: i64, last: i64) -> None:
        """Set the range; the next step begins with a walk to `first` (`mas_set_range`)."""
        self.index = first
        self.last = last
        self.status = MA_START

    def set(self, index: i64) -> None:
        """Set the range to one index; the next step begins with a walk to it (`mas_set`)."""
        self.set_range(index, index)

    def config(self, first: i64, last: i64) -> None:
        """Set the range to store and stay where the cursor stands (`__mas_set_range`)."""
        self.index = first
        self.last = last

    def reset(self) -> None:
        """Let the next step begin with a walk to `index` (`mas_reset`)."""
        self.status = MA_START

    def pause(self) -> None:
        """Let the next step begin anew, beyond the range where the cursor stands (`mas_pause`)."""
        self.status = MA_PAUSE

    def seek(self, index: i64) -> None:
        """Stand before or on the first entry that ends at `index` or later, without a look at it.

        O(1) within the cursor's leaf, else O(log n).
        """
        leaf = self.leaf
        if leaf is None or self.seq != self.tree.seq:
            self.descend(index)
            return
        keys = leaf.keys
        slot = self.slot
        if index <= keys[slot] and slot < leaf.nr and (slot == 0 or keys[slot - 1] < index):
            if slot > 0 or keys[ROW] <= index:
                # It stands there already.
                return
        if index < keys[ROW] or index > leaf.bound:
            self.descend(index)
            return
        slot = leaf.search(index)
        self.slot = slot
        if slot == leaf.nr:
            self.to_next_leaf(leaf)

    def descend(self, index: i64) -> None:
        """Do as `seek` does, from the root."""
        tree = self.tree
        self.seq = tree.seq
        leaf = tree.leaf_of(index)
        self.leaf = leaf
        if leaf is None:
            self.slot = 1 if tree.solo is not None and tree.solo_last < index else 0
            return
        slot = leaf.search(index)
        self.slot = slot
        if slot == leaf.nr:
            self.to_next_leaf(leaf)

    def to_next_leaf(self, leaf: Node) -> None:
        """Step from behind the last entry of `leaf` to before the first of the next leaf."""
        after = leaf.next
        if after is not None:
            self.leaf = after
            self.slot = 0

    def settle(self, index: i64) -> object | None:
        """After `seek(index)`: take the range of the entry or gap there, and return the entry."""
        leaf = self.leaf
        if leaf is None:
            return self.settle_solo(index)
        slot = self.slot
        if slot < leaf.nr:
            first = leaf.keys[ROW + slot]
            if first <= index:
                return self.stand_on(leaf, slot)
        self.stand_before(leaf, slot)
        return None

    def settle_solo(self, index: i64) -> object | None:
        """Do as `settle` does in a tree without nodes."""
        tree = self.tree
        if tree.solo is not None and self.slot == 0 and tree.solo_first <= index:
            return self.stand_on_solo()
        self.stand_before_solo()
        return None

    def stand_on(self, leaf: Node, slot: i64) -> object | None:
        """Stand on an entry, take its range and return it."""
        self.leaf = leaf
        self.slot = slot
        self.on_entry = True
        self.index = leaf.keys[ROW + slot]
        self.last = leaf.keys[slot]
        return leaf.slots[slot]

    def stand_before(self, leaf: Node, slot: i64) -> None:
        """Stand in the gap before a slot and take its range."""
        self.leaf = leaf
        self.slot = slot
        self.on_entry = False
        self.index = leaf.gap_first(slot)
        self.last = leaf.gap_last(slot)

    def stand_on_solo(self) -> object | None:
        """Stand on the tree's only entry, take its range and return it."""
        tree = self.tree
        self.slot = 0
        self.on_entry = True
        self.index = tree.solo_first
        self.last = tree.solo_last
        return tree.solo

    def stand_before_solo(self) -> None:
        """Stand in the gap before or, with slot 1, behind the tree's only entry; take its range."""
        tree = self.tree
        self.on_entry = False
        self.index = 0 if self.slot == 0 else tree.solo_last + 1
        self.last = tree.solo_first - 1 if self.slot == 0 and tree.solo is not None else KEY_MAX

    def covers(self, index: i64) -> bool:
        """After `seek(index)`: say whether an entry covers it."""
        leaf = self.leaf
        if leaf is None:
            tree = self.tree
            return tree.solo is not None and self.slot == 0 and tree.solo_first <= index
        return self.slot < leaf.nr and leaf.keys[ROW + self.slot] <= index

    # Walking

    def walk(self) -> object | None:
        """Walk to `index` and return its entry, or None in a gap (`mas_walk`).

        Mutates: `index` and `last` become the range of the entry, or of the gap. O(log n).
        """
        self.status = MA_ACTIVE
        index = self.index
        self.seek(index)
        return self.settle(index)

    def load(self) -> object | None:
        """Return the entry that covers `index`, or None; moves nothing. O(log n)."""
        return mtree_load(self.tree, self.index)

    def find(self, limit: i64) -> object | None:
        """Return the first entry at or after `index` that begins at `limit` or before (`mas_find`).

        Once the cursor stands on an entry, the one after it. None when there is none.
        """
        status = self.status
        if status == MA_ACTIVE:
            if self.last >= limit:
                return None
        else:
            if status == MA_START:
                if self.index > limit:
                    return None
                self.seek(self.index)
                leaf = self.leaf
                if leaf is not None:
                    slot = self.slot
                    if slot < leaf.nr and leaf.keys[ROW + slot] <= limit:
                        self.status = MA_ACTIVE
                        return self.stand_on(leaf, slot)
            elif status == MA_UNDERFLOW:
                if self.index >= limit:
                    self.status = MA_OVERFLOW
                    return None
            elif self.last >= limit:
                return None
            elif status == MA_PAUSE:
                self.last += 1
                self.index = self.last
            entry = self.walk()
            if entry is not None or self.index == limit:
                return entry
        entry = self.next_slot(limit, False)
        self.status = MA_ACTIVE
        return entry

    def next(self, limit: i64) -> object | None:
        """Step to the next entry that begins at `limit` or before, and return it (`mas_next`).

        None when there is none. O(1) amortised.
        """
        if self.status == MA_ACTIVE and self.last < limit:
            return self.next_slot(limit, False)
        return self.next_anew(limit, False)

    def next_range(self, limit: i64) -> object | None:
        """Step to the next range, entry or gap, and return the entry or None (`mas_next_range`)."""
        if self.status == MA_ACTIVE and self.last < limit:
            return self.next_slot(limit, True)
        return self.next_anew(limit, True)

    def prev(self, limit: i64) -> object | None:
        """Step to the previous entry that ends at `limit` or later, and return it (`mas_prev`).

        None when there is none. O(1) amortised.
        """
        if self.status == MA_ACTIVE and self.index > limit:
            return self.prev_slot(limit, False)
        return self.prev_anew(limit, False)

    def prev_range(self, limit: i64) -> object | None:
        """Step to the previous range, entry or gap; return the entry or None (`mas_prev_range`)."""
        if self.status == MA_ACTIVE and self.index > limit:
            return self.prev_slot(limit, True)
        return self.prev_anew(limit, True)

    def next_anew(self, limit: i64, gaps: bool) -> object | None:
        """Step forward from a cursor that is at a limit or does not stand anywhere yet."""
        status = self.status
        if self.last >= limit:
            self.stop(MA_OVERFLOW)
            return None
        if status == MA_UNDERFLOW:
            # The last step back met its limit: the cursor counts as one before where it stands.
            entry = self.walk()
            if entry is not None:
                return entry
        elif status == MA_OVERFLOW:
            self.status = MA_ACTIVE
        else:
            self.walk()
        return self.next_slot(limit, gaps)

    def prev_anew(self, limit: i64, gaps: bool) -> object | None:
        """Step back from a cursor that is at a limit or does not stand anywhere yet."""
        status = self.status
        if self.index <= limit:
            self.stop(MA_UNDERFLOW)
            return None
        if status == MA_OVERFLOW:
            # The last step forward met its limit: the cursor counts as one behind where it stands.
            entry = self.walk()
            if entry is not None:
                return entry
        elif status == MA_UNDERFLOW:
            self.status = MA_ACTIVE
        else:
            self.walk()
        return self.prev_slot(limit, gaps)

    def stop(self, status: i64) -> None:
        """Note that a step ended at its limit before it could begin."""
        if self.status == MA_START or self.status == MA_PAUSE:
            # The cursor was never walked to its range: forget where it stood before.
            self.seq = -1
        self.status = status

    def next_slot(self, limit: i64, gaps: bool) -> object | None:
        """Step to the next range, or with `gaps` False to the next entry, up to `limit`."""
        if self.seq != self.tree.seq:
            self.seek(self.last)
            self.settle(self.last)
        leaf = self.leaf
        if leaf is None:
            return self.next_solo(limit, gaps)
        slot = self.slot
        last = leaf.keys[slot] if self.on_entry else leaf.gap_last(slot)
        if last >= limit:
            self.status = MA_OVERFLOW
            return None
        if self.on_entry:
            slot += 1
            if slot == leaf.nr:
                after = leaf.next
                if after is not None:
                    leaf = after
                    slot = 0
            gap_last = leaf.gap_last(slot)
            if gap_last > last and (gaps or gap_last >= limit):
                self.stand_before(leaf, slot)
                if not gaps:
                    self.status = MA_OVERFLOW
                return None
        return self.stand_on(leaf, slot)

    def prev_slot(self, limit: i64, gaps: bool) -> object | None:
        """Step to the previous range, or with `gaps` False the previous entry, down to `limit`."""
        if self.seq != self.tree.seq:
            self.seek(self.index)
            self.settle(self.index)
        leaf = self.leaf
        if leaf is None:
            return self.prev_solo(limit, gaps)
        slot = self.slot
        gap_first = leaf.gap_first(slot)
        if self.on_entry:
            first = leaf.keys[ROW + slot]
            if first <= limit:
                self.status = MA_UNDERFLOW
                return None
            if gap_first < first and (gaps or gap_first <= limit):
                self.stand_before(leaf, slot)
                if not gaps:
                    self.status = MA_UNDERFLOW
                return None
        elif gap_first <= limit:
            self.status = MA_UNDERFLOW
            return None
        if slot == 0:
            prev = leaf.prev
            assert prev is not None
            leaf = prev
            slot = leaf.nr
        return self.stand_on(leaf, slot - 1)

    def next_solo(self, limit: i64, gaps: bool) -> object | None:
        """Do as `next_slot` does in a tree without nodes."""
        tree = self.tree
        if tree.solo is None or self.slot == 1:
            self.status = MA_OVERFLOW
            return None
        if not self.on_entry:
            if tree.solo_first > limit:
                self.status = MA_OVERFLOW
                return None
            return self.stand_on_solo()
        if tree.solo_last < limit:
            self.slot = 1
            self.stand_before_solo()
            if gaps:
                return None
        self.status = MA_OVERFLOW
        return None

    def prev_solo(self, limit: i64, gaps: bool) -> object | None:
        """Do as `prev_slot` does in a tree without nodes."""
        tree = self.tree
        if self.slot == 1 and tree.solo_last >= limit:
            return self.stand_on_solo()
        if self.on_entry and tree.solo_first > limit:
            self.stand_before_solo()
            if gaps:
                return None
        self.status = MA_UNDERFLOW
        return None

    # Storing

    def store(self, entry: object | None) -> i64:
        """Store `entry` over `index` to `last`, or a gap if it is None (`mas_store`).

        What was there is cut off, split or swallowed. Nodes that the cursor holds are used first;
        those left over stay with it until `destroy()`. O(log n), and O(1) for each entry swallowed.
        Mutates: the cursor stands on the entry; for a gap, `index` and `last` become all of it.
        Errors: -ENOMEM, with the tree and the range as before; -EINVAL: the range is empty.
        Kernel: returns the old entry, and keeps the error in the cursor.
        """
        if self.index > self.last:
            return -EINVAL
        need = self.plan(entry)
        if need > len(self.nodes) and not self.alloc_nodes(need):
            self.on_entry = self.covers(self.index)
            return -ENOMEM
        self.write(entry)
        return 0

    def store_gfp(self, entry: object | None) -> i64:
        """Do as `store` does, and give all nodes back that the cursor holds (`mas_store_gfp`).

        As in `preallocate`, a store that needs no node can be made to fail as well.
        """
        cache = self.tree.cache
        if cache is not None and cache.fault is not None:
            if self.index <= self.last and self.plan(entry) == 0 and cache.may_fail():
                self.on_entry = self.covers(self.index)
                self.destroy()
                return -ENOMEM
        error = self.store(entry)
        if self.nodes:
            self.destroy()
        return error

    def preallocate(self, entry: object | None) -> i64:
        """Take the nodes that storing `entry` over the present range will need (`mas_preallocate`).

        The promise holds as long as neither the range nor the tree changes.  A store that needs no
        node can be made to fail as well: callers must cope with either, and the kernel's does fail.
        Mutates: the cursor stands at `index`; `index` and `last` stay as they are.
        Errors: -ENOMEM, and then the cursor holds no nodes; -EINVAL: the range is empty.
        """
        if self.index > self.last:
            return -EINVAL
        need = self.plan(entry)
        self.wr_plan = self.tree.wr_plan
        self.wr_leaf = self.leaf
        self.wr_slot = self.slot
        self.wr_first = self.index
        self.wr_last = self.last
        self.on_entry = self.covers(self.index)
        cache = self.tree.cache
        if need == 0 and cache is not None and cache.may_fail():
            failed = True
        else:
            failed = need > len(self.nodes) and not self.alloc_nodes(need)
        if failed:
            self.destroy()
            self.reset()
            return -ENOMEM
        return 0

    def store_prealloc(self, entry: object | None) -> None:
        """Store `entry` from the nodes of `preallocate()`; cannot fail (`mas_store_prealloc`).

        Gives the nodes back that were not needed.
        Preconditions: `preallocate()` succeeded, for an entry where this is an entry and None where
        this is None; the range and the tree have not changed since.
        """
        if (
            self.wr_plan == self.tree.wr_plan
            and self.wr_first == self.index
            and self.wr_last == self.last
            and self.wr_leaf is not None
        ):
            # Nobody planned a store since, so the tree is as it was, and so is the plan.
            self.leaf = self.wr_leaf
            self.slot = self.wr_slot
        else:
            assert self.index <= self.last, "the range to store is empty"
            need = self.plan(entry)
            assert need <= len(self.nodes), "the store needs more nodes than were preallocated"
        self.write(entry)
        if self.nodes:
            self.destroy()

    def erase(self) -> object | None:
        """Erase the whole entry that covers `index` and return it; None in a gap (`mas_erase`).

        Mutates: `index` and `last` become the range of the gap that is there afterwards.
        Needs no node, so it cannot fail.
        """
        entry = self.walk()
        if entry is not None:
            self.plan(None)
            self.write(None)
        return entry

    def destroy(self) -> None:
        """Give back the nodes that the cursor holds for stores to come (`mas_destroy`)."""
        while self.nodes:
            self.nodes.pop()
            self.tree.free_node()

    def alloc_nodes(self, need: i64) -> bool:
        """Hold `need` nodes; False for -ENOMEM, holding then what it held before."""
        if self.nodes is NO_NODES:
            self.nodes = []
        held = len(self.nodes)
        while len(self.nodes) < need:
            node = self.tree.alloc_node()
            if node is None:
                while len(self.nodes) > held:
                    self.nodes.pop()
                    self.tree.free_node()
                return False
            self.nodes.append(node)
        return True

    def plan(self, entry: object | None) -> i64:
        """Seek `index`, plan the store of the range, and return how many nodes it takes."""
        self.seek(self.index)
        return nodes_needed(self.tree, self.leaf, self.slot, self.index, self.last, entry)

    def write(self, entry: object | None) -> None:
        """Carry out the store that was planned, and stand where it was. Cannot fail."""
        tree = self.tree
        self.status = MA_ACTIVE
        leaf = self.leaf
        slot: i64 = MOVED
        if leaf is None:
            write_solo(tree, self.index, self.last, entry, self.nodes)
        else:
            slot = write_leaf(tree, leaf, self.slot, self.index, self.last, entry, self.nodes)
        self.on_entry = entry is not None
        if slot != UNCHANGED:
            tree.seq += 1
            self.to_written(leaf, slot)
        if entry is None:
            self.settle(self.index)

    def to_written(self, leaf: Node | None, slot: i64) -> None:
        """Follow the tree after an own store to `slot`, or to wherever that has moved."""
        if leaf is None or slot == MOVED:
            self.descend(self.index)
            return
        if self.tree.wr_appends:
            leaf = leaf.prev
            assert leaf is not None
        self.seq = self.tree.seq
        self.leaf = leaf
        self.slot = slot
        if slot == leaf.nr:
            self.to_next_leaf(leaf)

    # Gaps

    def empty_area(self, low: i64, high: i64, size: i64) -> i64:
        """Find the lowest gap of `size` indices within `low` to `high` (`mas_empty_area`).

        Mutates: `index` and `last` become the lowest `size` indices of it; the next step begins
        with a walk there. O(log n).
        Errors: -EBUSY: there is none; -EINVAL: `low` to `high` is empty or smaller than `size`, or
        `size` is 0. The range then stays as it was.
        """
        if low > high or size <= 0 or high - low < size - 1:
            return -EINVAL
        index = lowest_gap(self.tree, low, high, size)
        if index == NO_GAP:
            return -EBUSY
        self.set_range(index, index + (size - 1))
        return 0

    def empty_area_rev(self, low: i64, high: i64, size: i64) -> i64:
        """Find the highest gap of `size` indices within `low` to `high` (`mas_empty_area_rev`).

        Mutates: `index` and `last` become the highest `size` indices of it; the next step begins
        with a walk there. O(log n).
        Errors: as `empty_area`.
        """
        if low > high or size <= 0 or high - low < size - 1:
            return -EINVAL
        last = highest_gap(self.tree, low, high, size)
        if last == NO_GAP:
            return -EBUSY
        self.set_range(last - (size - 1), last)
        return 0


def mtree_load(tree: MapleTree, index: i64) -> object | None:
    """Return the entry that covers `index`, or None (`mtree_load`). O(log n)."""
    leaf = tree.leaf_of(index)
    if leaf is None:
        if tree.solo is None or not tree.solo_first <= index <= tree.solo_last:
            return None
        return tree.solo
    slot = leaf.search(index)
    if slot == leaf.nr:
        # Behind the last entry of its leaf, and the next leaf's entries begin beyond the bound.
        return None
    return leaf.slots[slot] if leaf.keys[ROW + slot] <= index else None


def mtree_store_range(tree: MapleTree, first: i64, last: i64, entry: object | None) -> int:
    """Store `entry` over `first` to `last`, whatever was there (`mtree_store_range`).

    Errors: -ENOMEM, with the tree as before; -EINVAL: the range is empty.
    """
    return Mas(tree, first, last).store_gfp(entry)


def mtree_insert_range(tree: MapleTree, first: i64, last: i64, entry: object) -> int:
    """Store `entry` over `first` to `last` if no entry is there (`mtree_insert_range`).

    Errors: -EEXIST: there is one; otherwise as `mtree_store_range`.
    """
    if first > last:
        return -EINVAL
    mas = Mas(tree, first, last)
    if mas.walk() is not None or mas.last < last:
        return -EEXIST
    mas.set_range(first, last)
    return mas.store_gfp(entry)


def mtree_erase(tree: MapleTree, index: i64) -> object | None:
    """Erase the whole entry that covers `index` and return it, None in a gap (`mtree_erase`)."""
    return Mas(tree, index, index).erase()


def mtree_dup(tree: MapleTree) -> MapleTree | None:
    """Copy the whole tree, sharing its entries; None for -ENOMEM (`mtree_dup`). O(n)."""
    return tree.dup()
