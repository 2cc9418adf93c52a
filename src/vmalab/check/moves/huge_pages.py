# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: memory of hugetlbfs, mapped, in memory files and in segments."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import MAX_FDS, MINUS_ONE, PAGE, Draw, call
from vmalab.linux.include.page import PMD_SIZE
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.include.uapi.memfd import MFD_ALLOW_SEALING, MFD_HUGETLB
from vmalab.linux.include.uapi.shm import IPC_CREAT, IPC_PRIVATE, SHM_HUGETLB, SHM_REMAP

_RW: Final = m.PROT_READ | m.PROT_WRITE
_ADVICE: Final = (
    m.MADV_NORMAL,
    m.MADV_DONTNEED,
    m.MADV_DONTNEED,
    m.MADV_REMOVE,
    m.MADV_DONTFORK,
    m.MADV_DOFORK,
    m.MADV_DONTDUMP,
    m.MADV_WIPEONFORK,
    m.MADV_HUGEPAGE,
    m.MADV_NOHUGEPAGE,
    m.MADV_MERGEABLE,
    m.MADV_COLD,
    m.MADV_FREE,
    m.MADV_POPULATE_READ,
    m.MADV_POPULATE_WRITE,
    m.MADV_POPULATE_WRITE,
    m.MADV_GUARD_INSTALL,
    m.MADV_COLLAPSE,
)


def _place(s: Draw) -> tuple[int, int]:
    """Return a range of huge pages of the window, now and then one that is cut off."""
    count = s.window.pages * PAGE // PMD_SIZE
    first = s.below(count)
    length = min(s.pick((1, 1, 1, 2, 2, 3)), count - first) * PMD_SIZE
    start = s.window.base + first * PMD_SIZE
    if s.chance(6):
        return start, length - s.pick((1, PAGE, 17 * PAGE))
    return start, length


def _mapped(s: Draw) -> tuple[int, int]:
    """Return a range that fits a VMA, or parts of it, mostly by whole huge pages."""
    vmas = s.window.vmas
    if not vmas or s.chance(15):
        return _place(s)
    start, end = s.pick(vmas)
    pages = (end - start) // PMD_SIZE
    if pages > 1 and s.chance(60):
        first = s.below(pages)
        start, end = (
            start + first * PMD_SIZE,
            start + (first + 1 + s.below(pages - first)) * PMD_SIZE,
        )
    if s.chance(6):
        start += PAGE
    return start, max(end - start - (PAGE if s.chance(6) else 0), PAGE)


def map_huge(s: Draw) -> Call:
    """Anonymous memory of huge pages, private or shared, reserved or not."""
    start, length = _place(s)
    flags = m.MAP_ANONYMOUS | m.MAP_HUGETLB | s.pick((m.MAP_PRIVATE, m.MAP_PRIVATE, m.MAP_SHARED))
    flags |= s.pick((0, 0, 0, m.MAP_NORESERVE, m.MAP_POPULATE, m.MAP_LOCKED, m.MAP_GROWSDOWN))
    prot = s.pick((_RW, _RW, _RW, m.PROT_READ, m.PROT_NONE))
    if s.chance(15):
        return call("mmap", 0, length, prot, flags, MINUS_ONE, 0)
    return call("mmap", start, length, prot, flags | m.MAP_FIXED, MINUS_ONE, 0)


def open_huge(s: Draw) -> Call:
    """Make a memory file of huge pages, or give one its size."""
    fds = s.fds["memfd"]
    if len(fds) >= MAX_FDS:
        return call("close", fds[0])
    if fds and s.chance(60):
        return call("ftruncate", s.pick(fds), s.pick((0, 1, 2, 4, 4, 8)) * PMD_SIZE)
    flags = MFD_HUGETLB | s.pick((0, MFD_ALLOW_SEALING))
    return call("memfd_create", 0, flags, mem={0: s.pick(("x", "y"))})


def map_huge_file(s: Draw) -> Call:
    """Map a memory file, its offset mostly by huge pages."""
    start, length = _place(s)
    offset = s.below(5) * PMD_SIZE + (PAGE if s.chance(6) else 0)
    flags = s.pick((m.MAP_PRIVATE, m.MAP_SHARED, m.MAP_SHARED)) | m.MAP_FIXED
    flags |= s.pick((0, 0, 0, m.MAP_NORESERVE))
    return call("mmap", start, length, s.pick((_RW, m.PROT_READ)), flags, s.fd("memfd"), offset)


def get_huge_segment(s: Draw) -> Call:
    """Make a segment of huge pages, or attach one."""
    if not s.abilities.ipc:
        return map_huge(s)
    if len(s.segments) < 4 and (not s.segments or s.chance(30)):
        size = s.pick((1, 1, 2)) * PMD_SIZE - s.pick((0, 0, PAGE, 1))
        return call("shmget", IPC_PRIVATE, size, IPC_CREAT | SHM_HUGETLB | 0o600)
    start, _ = _place(s)
    return call("shmat", s.pick(s.segments), s.pick((0, start, start)), s.pick((0, 0, SHM_REMAP)))


def unmap_huge(s: Draw) -> Call:
    """Unmap huge pages; a part of one cannot be."""
    return call("munmap", *_mapped(s))


def protect_huge(s: Draw) -> Call:
    """Change the protection of huge pages."""
    return call("mprotect", *_mapped(s), s.pick((_RW, _RW, m.PROT_READ, m.PROT_NONE)))


def advise_huge(s: Draw) -> Call:
    """Advice about huge pages; most of it is not for them."""
    return call("madvise", *_mapped(s), s.pick(_ADVICE))


def remap_huge(s: Draw) -> Call:
    """Move huge pages, or resize."""
    start, length = _mapped(s)
    target, new = _place(s)
    how = s.below(4)
    if how < 2:
        flags = m.MREMAP_MAYMOVE | m.MREMAP_FIXED | s.pick((0, 0, m.MREMAP_DONTUNMAP))
        return call("mremap", start, length, length, flags, target)
    return call("mremap", start, length, new, s.pick((0, 1, 3)), target)


def lock_huge(s: Draw) -> Call:
    """Lock huge pages, or unlock, or synchronise."""
    how = s.below(4)
    if how == 3:
        return call("msync", *_mapped(s), m.MS_SYNC)
    return call("munlock" if how == 2 else "mlock", *_mapped(s))
