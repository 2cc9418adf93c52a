# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: arguments at the edges of what is allowed, to see every error.

Lengths are tiny or absurd, never merely large, so that nothing is ever allocated for them.
"""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import MINUS_ONE, PAGE, Draw, call
from vmalab.linux.include.uapi import mman as m

_U64: Final = 1 << 64
_EDGES: Final = (
    0,
    1,
    4095,
    4096,
    0x9000,
    65535,
    65536,
    0x7FFFFFFFD000,
    0x7FFFFFFFE000,
    0x7FFFFFFFF000,
    0x800000000000,
    0xFFFF800000003000,
    _U64 - PAGE,
    _U64 - 1,
)
_LENGTHS: Final = (
    0,
    1,
    3,
    4095,
    4097,
    1 << 47,
    (1 << 47) - PAGE,
    1 << 63,
    _U64 - 65536,
    _U64 - 4097,
    _U64 - PAGE,
    _U64 - 1,
)
# Calls that change what is mapped or protected, which must not be done to the worker itself.
_ADVICE: Final = tuple(
    advice for advice in (*range(26), *range(98, 104), 0x7FFFFFFF) if advice not in (100, 101)
)


def _address(s: Draw) -> int:
    if s.chance(70):
        return s.page() + (s.below(PAGE) if s.chance(12) else 0)
    return s.pick(_EDGES)


def _length(s: Draw) -> int:
    if s.chance(55):
        return s.length() + (s.below(PAGE) if s.chance(20) else 0)
    return s.pick(_LENGTHS)


def _range(s: Draw) -> tuple[int, int]:
    """Odd in address or length; one that the worker would not survive is replaced."""
    start, length = _address(s), _length(s)
    if s.harms(start, length) and start + length < _U64:
        return s.range()
    return start, length


def odd_map(s: Draw) -> Call:
    """mmap with flags, protection, descriptor or offset out of the ordinary."""
    start, length = _range(s)
    flags = s.pick((2, 2, 2, 1, 3, 0, 8, 14)) | s.pick((0x20, 0x20, 0x20, 0))
    flags |= s.pick((0x10, 0x10, 0x100000, 0, 0x40, 0x100, 0x4000, 0x20000, 0x80000, 0x200000))
    if flags & 0x10 == 0 and length > 1 << 40 and start == 0:
        length = _U64 - PAGE
    prot = (
        s.pick((3, 3, 1, 0, 7, 5))
        if s.chance(85)
        else s.pick((0x1000000, 0x82400, 8, 16, _U64 - 1))
    )
    fd = MINUS_ONE if s.chance(75) else s.pick((0, 1, 2, 50, 99, s.fd("memfd")))
    offset = 0 if s.chance(60) else s.pick((1, 0x7557, PAGE, 0x14000, _U64 - PAGE, 1 << 62))
    return call("mmap", start, length, prot, flags, fd, offset)


def odd_unmap(s: Draw) -> Call:
    """munmap."""
    return call("munmap", *_range(s))


def odd_protect(s: Draw) -> Call:
    """mprotect."""
    prot = s.pick((3, 1, 0, 7, 8, 16, 0x1000000, 0x2000000, 0x3000000, 0x20140, _U64 - 1))
    return call("mprotect", *_range(s), prot)


def odd_advise(s: Draw) -> Call:
    """madvise, also with advice that does not exist."""
    return call("madvise", *_range(s), s.pick(_ADVICE))


def odd_move(s: Draw) -> Call:
    """mremap."""
    start, old = _range(s)
    target, new = _range(s)
    # Old kernels unmap the tail of what shrinks wherever the sum wraps around to.
    kept = (new + PAGE - 1) & -PAGE
    if old > kept and s.harms((start + kept) % _U64, old - kept):
        old = new
    flags = s.pick((0, 1, 1, 3, 3, 2, 4, 5, 7, 8, 11, _U64 - 1))
    if flags & 2 == 0 and s.chance(50):
        target = 0
    return call("mremap", start, old, new, flags, target)


def odd_lock(s: Draw) -> Call:
    """mlock, mlock2, munlock, mlockall with odd arguments."""
    start, length = _address(s), _length(s)
    how = s.below(8)
    if how < 3:
        return call("mlock", start, length)
    if how < 5:
        return call("mlock2", start, length, s.pick((0, 1, 2, 3, _U64 - 1)))
    if how < 7:
        return call("munlock", start, length)
    if s.chance(50):
        return call("munlockall")
    return call("mlockall", s.pick((0, 4, 8, 1, 16)))


def odd_sync(s: Draw) -> Call:
    """msync and mincore."""
    start, length = _address(s), _length(s)
    if s.chance(60):
        return call("msync", start, length, s.pick((0, 1, 2, 4, 5, 3, 8, 6)))
    if length > 1 << 26 and start + length < 1 << 47:
        length = 1
    return call("mincore", start, length, mem={2: []})


def odd_pages(s: Draw) -> Call:
    """remap_file_pages."""
    start, length = _range(s)
    pgoff = s.pick((0, 1, 6, 18, _U64 - 5, 1 << 52))
    return call("remap_file_pages", start, length, s.pick((0, 0, 3)), pgoff, s.pick((0, 0x10000)))


def odd_seal(s: Draw) -> Call:
    """mseal with arguments that it refuses, or over nothing."""
    start, length = _address(s), _length(s)
    if s.window.base <= start < s.window.end:
        return call("mseal", start + 1, length, s.pick((0, 1)))
    return call("mseal", start, length, s.pick((0, 0, 1, 8)))


def odd_policy(s: Draw) -> Call:
    """mbind and set_mempolicy with odd modes, masks and flags."""
    if not s.abilities.numa:
        return odd_sync(s)
    mode = s.pick((0, 1, 2, 3, 4, 5, 6, 7, 0x60, 0x8002, 0x4002, 0xC002, 0xFFFFFFFF))
    mask: list[object] = [s.pick((0, 1, 3, 1 << 40))]
    maxnode = s.pick((64, 64, 64, 0, 1, 2, 65))
    memory: dict[int, object] | None = {3: mask} if s.chance(80) else None
    if maxnode > 64 and memory is not None:
        memory = {3: [mask[0], 0]}
    if s.chance(30):
        moved = None if memory is None else {1: memory[3]}
        return call("set_mempolicy", mode, 0, maxnode, mem=moved)
    flags = s.pick((0, 0, 1, 2, 4, 8, 16, 3))
    return call("mbind", *_range(s), mode, 0, maxnode, flags, memory)


def odd_file(s: Draw) -> Call:
    """memfd_create and ftruncate with odd arguments."""
    if s.chance(40) and len(s.fds["memfd"]) < 6:
        return call("memfd_create", 0, s.pick((0, 2, 0x20, 0xC0, 8)), mem={0: "e"})
    fd = s.pick((0, 50, s.fd("memfd")))
    return call("ftruncate", fd, s.pick((0, PAGE, 214937, _U64 - 1, 1 << 63)))


def odd_key(s: Draw) -> Call:
    """Protection keys that do not exist."""
    how = s.below(4)
    if how == 0:
        return call("pkey_alloc", s.pick((0, 1)), s.pick((0, 4, 8, _U64 - 1)))
    if how == 1:
        return call("pkey_free", s.pick((15, 15, 16, 17, _U64 - 1)))
    return call(
        "pkey_mprotect",
        *_range(s),
        s.pick((3, 1, m.PROT_SEM, 32)),
        s.pick((0, 1, 15, 16, _U64 - 1)),
    )
