# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes where memory lies in another run, once a call is done, and where room is looked for."""

from vmalab.calls.call import Call
from vmalab.calls.table import MAPS
from vmalab.explain.whatif.address_map import AddressMap, MappedPiece
from vmalab.explain.whatif.carry_calls import pages
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.linux.include.uapi.mman import MREMAP_DONTUNMAP
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.replay.reasons import UNKNOWN_LAYOUT


def settle(
    translation: AddressMap,
    other: Mm,
    call: Call,
    made: list[tuple[Call, MappedPiece]],
    results: list[int | None],
) -> None:
    """Bring a translation up to date.

    call: as recorded. made: what it became in `other`, results: what they answered; none when it
    was left out.
    """
    ret = call.ret
    if ret is None or ret < 0:
        return
    result = results[0] if results else None
    if call.name == "munmap":
        translation.clear(call.args[0], call.args[0] + pages(call.args[1]))
    elif call.name == "mmap" and len(results) > 1:
        for (_, piece), answer in zip(made, results, strict=True):
            shift = None if answer is None or answer < 0 else answer - piece.start
            translation.set(piece.start, piece.end, shift)
    elif call.name == "mremap":
        _settle_move(translation, call, ret, result)
    elif call.row.family & MAPS:
        lost = result is None or result < 0
        length = _length(other, call, result)
        translation.set(ret, ret + length, None if lost or result is None else result - ret)


def _length(other: Mm, call: Call, result: int | None) -> int:
    """Return how long a mapping is, in bytes; of an attached segment, as it is there."""
    if call.name != "shmat":
        return pages(call.args[1])
    vma = vma_lookup(other, result) if result is not None and result >= 0 else None
    return PAGE_SIZE if vma is None or result is None else int(vma.vm_end) - result


def _settle_move(translation: AddressMap, call: Call, ret: int, result: int | None) -> None:
    old, size, new_size = call.args[0], pages(call.args[1]), pages(call.args[2])
    was = translation.pieces(old, old + max(size, 1))[0].shift
    if call.args[3] & MREMAP_DONTUNMAP == 0 and size:
        translation.clear(old, old + size)
    if result is not None and result >= 0:
        translation.set(ret, ret + new_size, result - ret)
        return
    # It stays where it is; what it was to grow by is not there.
    kept = min(size, new_size)
    translation.set(ret, ret + kept, None if was is None else old + was - ret)
    translation.set(ret + kept, ret + new_size, None)


def adopt_layout(mm: Mm, other: Mm, call: Call, reason: str) -> None:
    """Let room be looked for as the replay does, which has adopted a call's answer for a reason."""
    if reason == UNKNOWN_LAYOUT:
        other.mmap_base = mm.mmap_base
    other.mmap_compat_base = mm.mmap_compat_base
    other.mmap_compat_legacy_base = mm.mmap_compat_legacy_base
    if call.name == "brk":
        other.brk, other.start_brk = mm.brk, mm.start_brk
