# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams, one call each: anonymous memory, moving, places of the kernel's own."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import MINUS_ONE, PAGE, Draw, call
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.include.uapi.resource import RLIMIT_AS

_RW: Final = m.PROT_READ | m.PROT_WRITE
# Few kinds of memory, so that neighbours are often alike.
_PROTS: Final = (_RW, _RW, _RW, _RW, _RW, m.PROT_READ, m.PROT_NONE, _RW | m.PROT_EXEC)
_MORE_PROTS: Final = (*_PROTS, m.PROT_READ | m.PROT_EXEC, m.PROT_WRITE, m.PROT_EXEC, _RW)
_ANON: Final = m.MAP_PRIVATE | m.MAP_ANONYMOUS
_ANON_FIXED: Final = _ANON | m.MAP_FIXED
_SHARED: Final = m.MAP_SHARED | m.MAP_ANONYMOUS

_ADVICE: Final = (
    m.MADV_NORMAL,
    m.MADV_RANDOM,
    m.MADV_SEQUENTIAL,
    m.MADV_DONTFORK,
    m.MADV_DOFORK,
    m.MADV_DONTDUMP,
    m.MADV_DODUMP,
    m.MADV_WIPEONFORK,
    m.MADV_KEEPONFORK,
    m.MADV_HUGEPAGE,
    m.MADV_NOHUGEPAGE,
    m.MADV_MERGEABLE,
    m.MADV_UNMERGEABLE,
)
_SIMPLE_ADVICE: Final = (m.MADV_DONTDUMP, m.MADV_DODUMP, m.MADV_DODUMP)
_PAGE_ADVICE: Final = (
    m.MADV_WILLNEED,
    m.MADV_DONTNEED,
    m.MADV_FREE,
    m.MADV_COLD,
    m.MADV_PAGEOUT,
    m.MADV_REMOVE,
    m.MADV_DONTNEED_LOCKED,
    m.MADV_COLLAPSE,
    m.MADV_GUARD_INSTALL,
    m.MADV_GUARD_REMOVE,
)

# Anonymous memory in a window.


def map_fixed(s: Draw) -> Call:
    """Private anonymous memory over whatever is there."""
    start, length = s.range() if s.chance(60) else s.mapped_range()
    return call("mmap", start, length, s.pick(_PROTS), _ANON_FIXED, MINUS_ONE, 0)


def map_alike(s: Draw) -> Call:
    """Readable and writable memory of the commonest kind, to merge with."""
    start, length = s.range()
    return call("mmap", start, length, _RW, _ANON_FIXED, MINUS_ONE, 0)


def map_gap(s: Draw) -> Call:
    """Fill the hole behind a VMA, or a part of it."""
    vmas = s.window.vmas
    if len(vmas) < 2:
        return map_alike(s)
    index = s.below(len(vmas) - 1)
    start, end = vmas[index][1], vmas[index + 1][0]
    if end <= start:
        return map_alike(s)
    if s.chance(30):
        end = start + (1 + s.below((end - start) // PAGE)) * PAGE
    return call("mmap", start, end - start, s.pick(_PROTS), _ANON_FIXED, MINUS_ONE, 0)


def map_odd(s: Draw) -> Call:
    """Map memory with a flag that is kept in the VMA, or with a hint only."""
    start, length = s.range()
    flags = _ANON_FIXED | s.pick(
        (m.MAP_NORESERVE, m.MAP_NORESERVE, m.MAP_STACK, m.MAP_GROWSDOWN, 0, m.MAP_POPULATE)
    )
    if s.chance(20):
        flags = (flags & ~m.MAP_FIXED) | s.pick((0, m.MAP_FIXED_NOREPLACE))
    return call("mmap", start, length, s.pick(_MORE_PROTS), flags, MINUS_ONE, 0)


def map_shared(s: Draw) -> Call:
    """Shared anonymous memory, an object of its own."""
    start, length = s.range()
    return call("mmap", start, length, s.pick(_PROTS), _SHARED | m.MAP_FIXED, MINUS_ONE, 0)


def unmap(s: Draw) -> Call:
    """Unmap a part of a VMA or several."""
    start, length = s.mapped_range()
    return call("munmap", start, length)


def protect(s: Draw) -> Call:
    """Change protection, often to what neighbours have."""
    start, length = s.mapped_range()
    prot = s.pick(_PROTS) if s.chance(85) else s.pick(_MORE_PROTS)
    if s.chance(2):
        prot |= s.pick((m.PROT_GROWSDOWN, m.PROT_GROWSUP))
    return call("mprotect", start, length, prot)


def advise(s: Draw) -> Call:
    """Advice that is kept in the VMA."""
    start, length = s.mapped_range()
    return call("madvise", start, length, s.pick(_ADVICE))


def advise_simply(s: Draw) -> Call:
    """Advice of one flag, so that equal neighbours come about again."""
    start, length = s.mapped_range()
    return call("madvise", start, length, s.pick(_SIMPLE_ADVICE))


def advise_pages(s: Draw) -> Call:
    """Advice about the pages behind a range."""
    start, length = s.mapped_range()
    return call("madvise", start, length, s.pick(_PAGE_ADVICE))


def populate(s: Draw) -> Call:
    """Touch pages: the VMA gets an anon_vma."""
    start, length = s.one_vma_range()
    if not s.abilities.populate:
        return touched(start + s.below(length // PAGE) * PAGE)
    if s.chance(50):
        length = PAGE
    advice = m.MADV_POPULATE_WRITE if s.chance(85) else m.MADV_POPULATE_READ
    return call("madvise", start, length, advice)


def touched(address: int) -> Call:
    """Return a call that writes 16 bytes to an address."""
    return call("getrlimit", RLIMIT_AS, address)


def sync(s: Draw) -> Call:
    """msync: only says what is mapped."""
    start, length = s.mapped_range()
    return call("msync", start, length, s.pick((m.MS_SYNC, m.MS_ASYNC, m.MS_ASYNC, 2)))


def incore(s: Draw) -> Call:
    """mincore: only says what is mapped."""
    start, length = s.mapped_range()
    return call("mincore", start, length, mem={2: []})


# Moving.


def _target(s: Draw, length: int) -> int:
    """Return a place for a moved range: in any window, often right beside a VMA."""
    window = s.choose_window()
    vmas = window.vmas
    if vmas and s.chance(50):
        start, end = s.pick(vmas)
        place = end if s.chance(50) else start - length
        if window.base <= place < window.end:
            return place
    return window.base + s.below(window.pages) * PAGE


def move(s: Draw) -> Call:
    """mremap to a fixed place, same length."""
    s.choose_window()
    start, length = s.one_vma_range()
    flags = m.MREMAP_MAYMOVE | m.MREMAP_FIXED
    if s.chance(12):
        flags |= m.MREMAP_DONTUNMAP
    return call("mremap", start, length, length, flags, _target(s, length))


def move_several(s: Draw) -> Call:
    """mremap of a range with several VMAs and holes."""
    s.choose_window()
    start, length = s.mapped_range()
    flags = m.MREMAP_MAYMOVE | m.MREMAP_FIXED | s.pick((0, 0, 0, m.MREMAP_DONTUNMAP))
    return call("mremap", start, length, length, flags, _target(s, length))


def leave_behind(s: Draw) -> Call:
    """mremap that leaves the source mapped and empty; the copy often comes to lie beside it."""
    s.choose_window()
    start, length = s.one_vma_range()
    flags = m.MREMAP_MAYMOVE | m.MREMAP_DONTUNMAP
    if s.chance(10):
        return call("mremap", start, length, length, flags)
    window = s.window
    target = start + length if s.chance(50) else start - length
    if s.chance(60) or not window.base <= target < window.end:
        target = _target(s, length)
    return call("mremap", start, length, length, flags | m.MREMAP_FIXED, target)


def move_back(s: Draw) -> Call:
    """mremap to the place in the other window that corresponds, so that VMAs come back."""
    s.choose_window()
    start, length = s.one_vma_range()
    here = s.window
    there = s.choose_window()
    flags = m.MREMAP_MAYMOVE | m.MREMAP_FIXED
    return call("mremap", start, length, length, flags, there.base + (start - here.base))


def resize(s: Draw) -> Call:
    """mremap to another length, in place or anywhere, or fixed."""
    s.choose_window()
    start, length = s.one_vma_range()
    new = s.length()
    flags = s.pick((0, 0, m.MREMAP_MAYMOVE, m.MREMAP_MAYMOVE, 3, 3, m.MREMAP_MAYMOVE | 4, 7))
    if s.chance(5):
        length = 0
    if s.chance(10):
        new = length
    target = _target(s, new) if flags & m.MREMAP_FIXED else 0
    return call("mremap", start, length, new, flags, target)


def remap_pages(s: Draw) -> Call:
    """remap_file_pages: another part of the same object."""
    start, length = s.one_vma_range()
    return call("remap_file_pages", start, length, 0, s.below(40), s.pick((0, 0, 0, 0x10000)))


# Places that the kernel chooses.


def map_anywhere(s: Draw) -> Call:
    """mmap without an address."""
    pages = s.pick((1, 1, 2, 2, 3, 4, 5, 9, 17, 40))
    if s.chance(15) and not s.locks_future:
        pages = s.pick((512, 512, 1024, 600, 511, 513, 1536, 3584))
    flags = _ANON | s.pick(
        (0, 0, 0, 0, 0, 0, m.MAP_STACK, m.MAP_NORESERVE, m.MAP_32BIT, m.MAP_GROWSDOWN)
    )
    length = pages * PAGE - (s.below(PAGE) if s.chance(5) else 0)
    prot = s.pick(_PROTS) if s.chance(40) else _RW
    if s.chance(10):
        flags = (flags & ~m.MAP_TYPE) | m.MAP_SHARED
    return call("mmap", 0, length, prot, flags, MINUS_ONE, 0)


def map_hinted(s: Draw) -> Call:
    """mmap with a hint near something that was placed before."""
    found = s.placed_range()
    if found is None:
        return map_anywhere(s)
    start, length = found
    hint = s.pick((start - length, start + length, start, start + s.below(PAGE), start - PAGE))
    flags = _ANON | s.pick((0, 0, 0, 0, m.MAP_FIXED_NOREPLACE, m.MAP_32BIT))
    pages = s.pick((1, 1, 2, 3, 5, 512))
    return call("mmap", max(hint, 0), pages * PAGE, _RW, flags, MINUS_ONE, 0)


def map_vast(s: Draw) -> Call:
    """Return a mapping so large that few fit; never to be touched."""
    if s.locks_future or s.visits_pages:
        return map_anywhere(s)
    length = s.pick((1 << 45, 1 << 46, (1 << 47) - (1 << 36), (1 << 44) + PAGE, 1 << 40))
    length -= s.below(1024) * PAGE
    return call("mmap", 0, length, m.PROT_NONE, _ANON | m.MAP_NORESERVE, MINUS_ONE, 0)


def unmap_placed(s: Draw) -> Call:
    """Unmap what the kernel placed, or a part of it."""
    if s.placed and s.chance(60):
        start, length = s.placed.pop(s.below(len(s.placed)))
        return call("munmap", start, length)
    found = s.placed_range()
    return unmap(s) if found is None else call("munmap", *found)


def protect_placed(s: Draw) -> Call:
    """Protect a part of what the kernel placed."""
    found = s.placed_range()
    if found is None or found[1] > 64 * PAGE:
        return protect(s)
    return call("mprotect", *found, s.pick(_PROTS))


def populate_placed(s: Draw) -> Call:
    """Touch some pages of what the kernel placed."""
    found = s.placed_range()
    if found is None:
        return populate(s)
    start, length = found
    if not s.abilities.populate:
        return touched(start)
    advice = s.pick((m.MADV_POPULATE_WRITE, m.MADV_POPULATE_READ))
    return call("madvise", start, min(length, 8 * PAGE), advice)


def resize_placed(s: Draw) -> Call:
    """mremap of what the kernel placed."""
    found = s.placed_range()
    if found is None or found[1] > 4096 * PAGE:
        return resize(s)
    start, length = found
    new = s.pick((length, length + PAGE, length * 2, PAGE, max(length - PAGE, PAGE)))
    return call("mremap", start, length, new, s.pick((0, 1, 1, 1, 5)), 0)


def grow_heap(s: Draw) -> Call:
    """brk: up and down near where it is."""
    if s.chance(4):
        return call("brk", s.pick((0, 1, s.start_brk - PAGE, s.start_brk + (1 << 45))))
    target = s.brk + (s.below(40) - 17) * PAGE + (s.below(PAGE) if s.chance(30) else 0)
    if target > s.start_brk + 512 * PAGE:
        target = s.start_brk + s.below(64) * PAGE
    return call("brk", target)


def unmap_heap(s: Draw) -> Call:
    """Change a part of the heap behind brk's back."""
    pages = (s.brk - s.start_brk) // PAGE
    if pages < 1:
        return grow_heap(s)
    start = s.start_brk + s.below(pages) * PAGE
    length = s.pick((1, 1, 2, 3)) * PAGE
    if s.chance(50):
        return call("munmap", start, length)
    if s.chance(50):
        return call("mprotect", start, length, s.pick(_PROTS))
    return call("mmap", start, length, _RW, _ANON_FIXED, MINUS_ONE, 0)
