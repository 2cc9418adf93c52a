# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries recorded calls over to another address space: the same calls on the memory they meant.

A call whose range lies in several places there becomes one call for each. A call on memory that is
lost there is left out.
"""

import copy
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.table import MAPS
from vmalab.explain.whatif.address_map import AddressMap, MappedPiece
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import find_vma_intersection
from vmalab.targets.model.capture import vmas_in

_FIXED: Final = MAP_FIXED | MAP_FIXED_NOREPLACE

SPLIT: Final = "its memory lies in several places"
LOST: Final = "its memory does not exist: the call that mapped it was refused or left out"
IN_THE_WAY: Final = "other memory is at the place that it asks for"


@final
class Carried:
    """What a recorded call is in the other run.

    calls: each with the recorded range that it stands for; empty for none. notes: what makes it
    doubtful that the program would have done so.
    """

    def __init__(
        self, calls: list[tuple[Call, MappedPiece]] | None = None, notes: list[str] | None = None
    ) -> None:
        self.calls = calls or []
        self.notes = notes or []


@final
class Outcome:
    """What became of a recorded call. calls: as they were made; results: one for each that it
    became by where its memory lies; none when it was left out.
    """

    def __init__(self, calls: list[Call], results: list[int | None]) -> None:
        self.calls = calls
        self.results = results

    def is_otherwise(self, call: Call) -> bool:
        """Return whether the recorded call has become others, by their names."""
        calls = self.calls
        if len(calls) == 1:
            return calls[0].name != call.name
        return len(calls) > 1

    @property
    def result(self) -> int | None:
        """The answer: the first failure, else the first one; None when there is none."""
        for result in self.results:
            if result is not None and result < 0:
                return result
        return self.results[0] if self.results else None


def with_args(call: Call, *args: int, mem: dict[int, object] | None = None) -> Call:
    """Return the same call with other arguments."""
    six = (*args, *call.args[len(args) :])
    return Call(
        call.tid,
        call.spelling,
        six,
        call.mem if mem is None else mem,
        line=call.line,
        entry_line=call.entry_line,
        time=call.time,
        ret=call.ret,
        abi=call.abi,
    )


def pages(length: int) -> int:
    """Return a length in bytes, rounded up to pages."""
    return (length + PAGE_SIZE - 1) & PAGE_MASK


def carry(call: Call, translation: AddressMap, mm: Mm) -> Carried:
    """Return a recorded call on the memory of another address space, `mm`."""
    whole = MappedPiece(call.args[0], call.args[0] + pages(call.args[1]), 0)
    if not translation:
        return Carried([(call, whole)])
    if call.name == "mmap":
        return _mmap(call, translation, mm)
    if call.name == "mremap":
        return _mremap(call, translation)
    if call.range_at >= 0:
        return _ranged(call, translation, call.range_at)
    if call.name == "shmdt":
        return _point(call, translation)
    if call.name == "shmat" and call.args[1] != 0:
        place = translation.point(call.args[1])
        if place is not None:
            return Carried([(with_args(call, call.args[0], place), whole)])
    if call.name in ("ioctl", "process_madvise") and call.mem is not None:
        return Carried([(_with_memory(call, translation), whole)])
    return Carried([(call, whole)])


def _ranged(call: Call, translation: AddressMap, index: int) -> Carried:
    start, length = call.args[index], call.args[index + 1]
    if length == 0 or start + length >= TASK_SIZE_5LEVEL:
        return Carried([(call, MappedPiece(start, start, 0))])
    pieces = translation.pieces(start, start + length)
    found = Carried()
    for piece in pieces:
        if piece.shift is None:
            continue
        args = list(call.args)
        args[index], args[index + 1] = piece.start + piece.shift, piece.end - piece.start
        found.calls.append((with_args(call, *args), piece))
    if len(found.calls) < len(pieces):
        found.notes.append(LOST)
    if len(found.calls) > 1:
        found.notes.append(SPLIT)
    return found


def _mmap(call: Call, translation: AddressMap, mm: Mm) -> Carried:
    addr, length, prot, flags, fd, offset = call.args
    size = pages(length)
    whole = MappedPiece(addr, addr + size, 0)
    if flags & _FIXED == 0:
        hint = addr and translation.point(addr)
        return Carried([(with_args(call, hint or 0), whole)])
    if size == 0 or addr + size >= TASK_SIZE_5LEVEL:
        return Carried([(call, whole)])
    found = Carried()
    pieces = translation.pieces(addr, addr + size)
    for piece in pieces:
        shift = piece.shift or 0
        at, here = piece.start + shift, flags
        if piece.shift is None or (shift == 0 and _is_taken(translation, mm, piece)):
            # What was there is elsewhere, or lost: the mapping finds a place of its own.
            found.notes.append(LOST if piece.shift is None else IN_THE_WAY)
            at, here = 0, flags & ~_FIXED
        into = 0 if flags & MAP_ANONYMOUS else piece.start - addr
        other = with_args(call, at, piece.end - piece.start, prot, here, fd, offset + into)
        found.calls.append((other, piece))
    if len(pieces) > 1:
        found.notes.append(SPLIT)
    return found


def _is_taken(translation: AddressMap, mm: Mm, piece: MappedPiece) -> bool:
    """Return whether memory that is elsewhere in the recording lies at a place."""
    for vma in vmas_in(mm, piece.start, piece.end):
        first, last = max(vma.vm_start, piece.start), min(vma.vm_end, piece.end)
        if first < last and translation.back(first) != first:
            return True
    return False


def _mremap(call: Call, translation: AddressMap) -> Carried:
    old, size, new_size, flags, new, _ = call.args
    pieces = translation.pieces(old, old + max(pages(size), 1))
    whole = MappedPiece(old, old + pages(size), pieces[0].shift)
    if whole.shift is None:
        return Carried([], [LOST])
    found = Carried(notes=[SPLIT] if len(pieces) > 1 else [])
    target = new
    if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP):
        target = translation.point(new) or new
    found.calls.append((with_args(call, old + whole.shift, size, new_size, flags, target), whole))
    return found


def _point(call: Call, translation: AddressMap) -> Carried:
    place = translation.pieces(call.args[0], call.args[0] + 1)[0]
    if place.shift is None:
        return Carried([], [LOST])
    return Carried([(with_args(call, call.args[0] + place.shift), place)])


def at_its_place(other: Mm, call: Call) -> Call:
    """A mapping at the place where the recording has it, for what chose it is not known."""
    ret = call.ret
    if not call.row.family & MAPS or ret is None or ret < 0 or ret >= TASK_SIZE_5LEVEL:
        return call
    if call.name == "mremap":
        if ret == call.args[0] or call.args[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP):
            return call
        flags = call.args[3] | MREMAP_MAYMOVE | MREMAP_FIXED
        return with_args(call, *call.args[:3], flags, ret)
    if call.name != "mmap" or call.args[3] & _FIXED:
        return call
    if find_vma_intersection(other, ret, ret + pages(call.args[1])) is not None:
        return call
    return with_args(call, ret, *call.args[1:3], call.args[3] | MAP_FIXED)


# Members of structures that are addresses of the caller's memory.
_ADDRESSES: Final = frozenset(("iov_base", "start", "dst", "src"))


def _with_memory(call: Call, translation: AddressMap) -> Call:
    """Return the call with the addresses in its structures carried over."""
    mem = copy.deepcopy(call.mem)
    assert mem is not None
    pending: list[object] = list(mem.values())
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            for name, member in value.items():
                if name in _ADDRESSES and isinstance(member, int):
                    value[name] = translation.point(member) or member
                else:
                    pending.append(member)
    return with_args(call, mem=mem)


def with_result(call: Call, result: int | None) -> Call:
    """Return the same call with another answer."""
    other = with_args(call)
    other.ret = result
    return other
