# SPDX-License-Identifier: GPL-2.0-or-later
"""Taking the mmap lock of an address space that is not the caller's own.

Mirrors include/linux/mmap_lock.h.  The call table takes the caller's own lock; a call that reaches
into another address space, or makes one, takes that one's here.  With one task at a time the lock
keeps nobody out: it is there for a seam that checks.
"""

from vmalab.linux.types.mm_types import Mm


def mmap_write_lock(mm: Mm) -> bool:
    """Take the lock unless this call holds it; tell whether it must be given back."""
    if mm.mmap_lock != 0:
        return False
    mm.seam.mmap_write_lock(mm)
    return True


def mmap_write_unlock(mm: Mm, taken: bool) -> None:
    """Give the lock back if `mmap_write_lock` took it."""
    if taken:
        mm.seam.mmap_write_unlock(mm)
