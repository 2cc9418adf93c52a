# SPDX-License-Identifier: GPL-2.0-or-later
"""Handing out small numbers: with a pointer each (IDR), or without (IDA).

Mirrors: lib/idr.c, include/linux/idr.h.  Both look up free numbers in a bitmap; an IDR keeps what
belongs to them in an XArray.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.uapi.errno import EINVAL, ENOSPC
from vmalab.linux.lib.bitmap import Bitmap
from vmalab.linux.lib.xarray import XA_MAX_INDEX, XA_NONE, XArray

# The highest number that an IDR gives without a limit.
INT_MAX: Final = 0x7FFFFFFF


@final
@mypyc_attr(native_class=True)
class Ida:
    """Numbers that are in use (`struct ida`)."""

    def __init__(self) -> None:
        self.bitmap: Bitmap = Bitmap()

    def alloc_range(self, first: i64, last: i64) -> i64:
        """Take the lowest free number of `[first, last]`: it, or -ENOSPC (`ida_alloc_range`)."""
        found = self.bitmap.find_next_zero_bit(first)
        if found > last:
            return -ENOSPC
        self.bitmap.set_bit(found)
        return found

    def free(self, number: i64) -> None:
        """Give a number back (`ida_free`)."""
        self.bitmap.clear_bit(number)

    def empty(self) -> bool:
        """Tell whether no number is in use (`ida_is_empty`)."""
        return self.bitmap.empty()

    def validate(self) -> None:
        """Assert every invariant."""
        self.bitmap.validate()


@final
@mypyc_attr(native_class=True)
class Idr:
    """Objects by number, and the numbers that are free (`struct idr`); None counts as an object."""

    def __init__(self) -> None:
        self.tree: XArray = XArray()
        self.used: Bitmap = Bitmap()
        # Objects, and where cyclic allocation goes on.
        self.nr: i64 = 0
        self.next: i64 = 0

    def alloc(self, item: object, start: i64, end: i64) -> i64:
        """Give an object the lowest free number of `[start, end)`: it, -EINVAL or -ENOSPC.

        `end` is no limit when it is not above 0.  EINVAL: a number may not be negative.
        Kernel: idr_alloc().
        """
        if start < 0:
            return -EINVAL
        number = self.used.find_next_zero_bit(start)
        if number > (end - 1 if end > 0 else INT_MAX):
            return -ENOSPC
        self.put(number, item)
        return number

    def alloc_cyclic(self, item: object, start: i64, end: i64) -> i64:
        """Like `alloc`, but numbers above the last one given come first (`idr_alloc_cyclic`)."""
        number = self.alloc(item, max(self.next, start), end)
        if number < 0 and self.next > start:
            number = self.alloc(item, start, end)
        if number >= 0:
            self.next = number + 1
        return number

    def put(self, number: i64, item: object) -> None:
        """State that an object has a number, in the place of what had it."""
        if not self.used.test_bit(number):
            self.nr += 1
        self.tree.store(number, item)
        self.used.set_bit(number)

    def find(self, number: i64) -> object | None:
        """Return the object with a number (`idr_find`)."""
        return self.tree.load(number) if number >= 0 else None

    def remove(self, number: i64) -> object | None:
        """Take an object out and free its number: it, None when there was none (`idr_remove`)."""
        item = self.tree.erase(number)
        if number >= 0 and self.used.test_bit(number):
            self.nr -= 1
            self.used.clear_bit(number)
        return item

    def get_next(self, start: i64) -> i64:
        """Return the lowest number from `start` on that an object has, or -1 (`idr_get_next`)."""
        found = self.tree.find(start, XA_MAX_INDEX)
        return -1 if found == XA_NONE else found

    def last(self) -> i64:
        """Return the highest number that an object has, or -1."""
        return self.used.find_last_bit()

    def validate(self) -> None:
        """Assert that tree, bitmap and count agree."""
        self.tree.validate()
        self.used.validate()
        assert self.used.weight() == self.nr, f"idr: {self.nr} objects counted"
        at = self.tree.find(0, XA_MAX_INDEX)
        while at != XA_NONE:
            assert self.used.test_bit(at), f"idr: {at} has an object and is not in use"
            at = self.tree.find(at + 1, XA_MAX_INDEX)
