# SPDX-License-Identifier: GPL-2.0-or-later
"""Simpler calls to try in the place of one or two: fewer pages, plainer arguments, a plain call."""

from collections.abc import Iterator
from typing import Final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.table import RANGED
from vmalab.check.draw import PAGE
from vmalab.linux.include.uapi import mman as m

_RW: Final = m.PROT_READ | m.PROT_WRITE
# Bytes from which on memory must not be touched: it would take for ever, or all there is.
_VAST: Final = 64 << 20
_PLAIN_FLAGS: Final = m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_FIXED


def with_argument(call: Call, index: int, value: int) -> Call:
    """Return the same call with another value of an argument, which wraps around as a register."""
    args = (*call.args[:index], value & U64_MAX, *call.args[index + 1 :])
    return Call(call.tid, call.name, args, call.mem, abi=call.abi)


def shorter(call: Call) -> Iterator[Call]:
    """Yield the same with fewer pages, from either side."""
    if call.row.family & RANGED:
        start, length = call.args[0], call.args[1]
        if length > PAGE:
            yield with_argument(call, 1, PAGE)
            yield with_argument(call, 1, (length // 2 + PAGE - 1) & -PAGE)
            yield with_argument(call, 1, (length - 1) & -PAGE)
            if start:
                yield with_argument(with_argument(call, 0, start + PAGE), 1, length - PAGE)
    elif call.name == "ioctl":
        yield from _shorter_struct(call)
    elif call.name == "mremap":
        old, new = call.args[1], call.args[2]
        if old == new and old > PAGE:
            yield with_argument(with_argument(call, 1, PAGE), 2, PAGE)
            yield with_argument(with_argument(call, 1, old - PAGE), 2, old - PAGE)
        if new > PAGE:
            yield with_argument(call, 2, new - PAGE)


# Where ranges of a structure begin.
_STARTS: Final = ("start", "dst", "src")


def _shorter_struct(call: Call) -> Iterator[Call]:
    """Yield an ioctl with a range of a page, or a page less."""
    struct = None if call.mem is None else call.mem.get(2)
    if not isinstance(struct, dict):
        return
    inner = struct.get("range", struct)
    length = inner.get("len") if isinstance(inner, dict) else None
    if not isinstance(length, int) or length <= PAGE:
        return
    half = (length // 2) & -PAGE
    parts = ((half, length - half), (0, PAGE), (0, length - PAGE), (PAGE, length - PAGE))
    for skipped, shorter in parts:
        bounds = {**inner, "len": shorter}
        for key in _STARTS:
            if key in inner:
                bounds[key] = inner[key] + skipped
        new = {**struct, "range": bounds} if "range" in struct else bounds
        yield Call(call.tid, call.name, call.args, {2: new})


def plainer(call: Call) -> Iterator[Call]:
    """Yield the same with ordinary arguments in the place of rare ones."""
    args = call.args
    if call.row.family & RANGED and args[1] > _VAST:
        # Nobody can touch it, or lock more of it than is touched: so it stays.
        return
    if call.name == "mmap":
        if args[3] & m.MAP_FIXED and args[3] != _PLAIN_FLAGS:
            plain = with_argument(
                with_argument(with_argument(call, 3, _PLAIN_FLAGS), 4, U64_MAX), 5, 0
            )
            yield plain
            for bit in (m.MAP_NORESERVE, m.MAP_STACK, m.MAP_POPULATE, m.MAP_GROWSDOWN):
                if args[3] & bit:
                    yield with_argument(call, 3, args[3] & ~bit)
        if args[2] != _RW:
            yield with_argument(call, 2, _RW)
        if args[5]:
            yield with_argument(call, 5, 0)
    elif call.name == "mprotect" and args[2] not in (m.PROT_READ, _RW):
        yield with_argument(call, 2, m.PROT_READ)
        yield with_argument(call, 2, _RW)
    elif call.name == "madvise" and args[2] not in (m.MADV_DONTDUMP, m.MADV_POPULATE_WRITE):
        yield with_argument(call, 2, m.MADV_DONTDUMP)
    elif call.name == "mremap" and args[3] & m.MREMAP_DONTUNMAP:
        yield with_argument(call, 3, args[3] & ~m.MREMAP_DONTUNMAP)
    elif call.name == "prlimit64":
        yield from _without_room(call)
    elif call.name == "mlock2":
        yield Call(call.tid, "mlock", (args[0], args[1], 0, 0, 0, 0))


def _without_room(call: Call) -> Iterator[Call]:
    """Yield a limit that allows nothing more, whatever there is: nothing need fill it then."""
    struct = None if call.mem is None else call.mem.get(2)
    if isinstance(struct, dict) and struct.get("rlim_cur"):
        mem: dict[int, object] = {2: {**struct, "rlim_cur": 0}}
        yield Call(call.tid, call.name, call.args, mem)


def addresses(call: Call) -> tuple[int, ...]:
    """Return where its ranges begin, in bytes."""
    if call.name == "mremap":
        return (call.args[0], call.args[4])
    return (call.args[0],) if call.row.family & RANGED else ()


def near(address: int, base: int) -> bool:
    """Return whether an address lies in what belongs to the window at `base`."""
    return base <= address < base + 0x10000000


def moved(call: Call, base: int, shift: int) -> Call:
    """Return a call with the addresses near `base` lower by `shift` bytes."""
    for index in (0, 4) if call.name == "mremap" else (0,):
        if call.row.family & RANGED or call.name == "mremap":
            if near(call.args[index], base):
                call = with_argument(call, index, call.args[index] - shift)
    mem = call.mem
    if call.name == "ioctl" and mem is not None and isinstance(mem.get(2), dict):
        call = Call(call.tid, call.name, call.args, {2: _moved_struct(mem[2], base, shift)})
    return call


def _moved_struct(value: object, base: int, shift: int) -> object:
    if not isinstance(value, dict):
        return value
    result: dict[object, object] = {}
    for key, item in value.items():
        if key in _STARTS and isinstance(item, int) and near(item, base):
            result[key] = item - shift
        else:
            result[key] = _moved_struct(item, base, shift)
    return result


def pinned(call: Call, place: int) -> Call | None:
    """Return an mmap at a place of the kernel's choice as one that demands that place.

    None where there is none such.
    """
    if call.name != "mmap" or call.args[3] & m.MAP_FIXED or place < 0:
        return None
    flags = (call.args[3] & ~m.MAP_FIXED_NOREPLACE) | m.MAP_FIXED
    return with_argument(with_argument(call, 0, place), 3, flags)


# Another call altogether.


def substitutes(call: Call) -> Iterator[Call]:
    """Plainer calls for the same range, or the ranges that a mremap leaves or comes to."""
    rare = call.name == "mmap" and call.args[3] != _PLAIN_FLAGS
    for start, length in _ranges(call):
        for plain in _plain_calls(call.tid, start, length):
            if plain.name == call.name and not rare:
                break
            yield plain


def _plain_calls(tid: int, start: int, length: int) -> tuple[Call, ...]:
    """Return calls that everybody knows, the plainest first."""
    return (
        Call(tid, "mmap", (start, length, _RW, _PLAIN_FLAGS, U64_MAX, 0)),
        Call(tid, "mprotect", (start, length, m.PROT_READ, 0, 0, 0)),
        Call(tid, "munmap", (start, length, 0, 0, 0, 0)),
        Call(tid, "madvise", (start, length, m.MADV_DONTDUMP, 0, 0, 0)),
    )


def _ranges(call: Call) -> list[tuple[int, int]]:
    """Return the whole pages of a call at places of its own choice."""
    if call.name == "mremap":
        found = [(call.args[0], call.args[1]), (call.args[4], call.args[2])]
    elif call.row.family & RANGED:
        found = [(call.args[0], call.args[1])]
    else:
        found = []
    return [(start, length) for start, length in found if start and 0 < length <= _VAST]


# Two calls as one.


def joined(one: Call, other: Call) -> Call | None:
    """Return a call that does what both do, which differ in their ranges alone and touch.

    None where there is none such.
    """
    if one.name != other.name or not one.row.family & RANGED or one.mem or other.mem:
        return None
    if one.args[2:] != other.args[2:]:
        return None
    low, high = sorted((one, other), key=lambda call: call.args[0])
    if low.args[0] + low.args[1] != high.args[0]:
        return None
    return with_argument(low, 1, low.args[1] + high.args[1])
