# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of anonymous ranges, and KSM for a whole process: what prctl changes in VMAs.

Mirrors the naming part of mm/madvise.c and ksm_enable_merge_any() of mm/ksm.c (v6.18).
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_MERGEABLE
from vmalab.linux.include.page import (
    LONG_MAX,
    PAGE_MASK,
    PAGE_SIZE,
    TASK_SIZE_5LEVEL,
    ULONG_MAX,
    page_align_ulong,
)
from vmalab.linux.include.uapi.errno import EAGAIN, EBADF, EINVAL, ENOMEM
from vmalab.linux.mm.ksm import ksm_vma_flags
from vmalab.linux.mm.refusal import REFUSED_HOLE, REFUSED_RANGE
from vmalab.linux.mm.shmem import vma_is_anon_shmem
from vmalab.linux.mm.vma.modify import vma_modify_name
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi

# Bytes of a name, its end included.
ANON_VMA_NAME_MAX_LEN: Final = 80


def is_valid_anon_name(name: str) -> bool:
    """Tell whether a name is printable, short enough and free of what would confuse readers."""
    if len(name) >= ANON_VMA_NAME_MAX_LEN:
        return False
    return all(" " <= char <= "~" and char not in "\\`$[]" for char in name)


def madvise_set_anon_name(mm: Mm, start: int, length: int, name: str | None) -> int:
    """Name the anonymous VMAs of a range, or unname them (None): 0 or a negative errno.

    Errors: EINVAL (alignment, wrap-around), ENOMEM (holes; the rest is named), EBADF (a file's
    VMA), EAGAIN (no memory, map count).  Kernel: madvise_set_anon_name().
    """
    aligned = page_align_ulong(length)
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "addr", "not a multiple of the page size")
    if length != 0 and aligned == 0:
        return mm.refusal.blame(EINVAL, "length", "wraps around when it is rounded up to pages")
    if start + aligned > ULONG_MAX:
        return mm.refusal.blame(
            EINVAL, "length", "address and length wrap around the end of the address space"
        )
    if aligned == 0:
        return 0
    if start >= mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, LONG_MAX, mm.task_size)
    end = min(start + aligned, mm.task_size + PAGE_SIZE)
    unmapped: int = 0
    position: i64 = start
    vmi = Vmi(mm, start)
    vma = vmi.next_from(start)
    prev = vmi.prev()
    if vma is not None and start > vma.vm_start:
        prev = vma
    while position < end:
        if vma is None or vma.vm_start >= end:
            return mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
        if vma.vm_start > position:
            unmapped = mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
            position = vma.vm_start
        named = name_vma(mm, vma, prev, position, min(vma.vm_end, end), name)
        if isinstance(named, int):
            return named
        prev = named
        position = max(position, named.vm_end)
        vma = Vmi(mm, position).find(TASK_SIZE_5LEVEL)
    return unmapped


def name_vma(
    mm: Mm, vma: Vma, prev: Vma | None, start: i64, end: i64, name: str | None
) -> Vma | int:
    """Name `[start, end)` of one VMA: the VMA that covers it, or -errno."""
    names_shared = mm.features.names_shared_anon
    shared_anon = names_shared and vma_is_anon_shmem(vma)
    if vma.vm_file is not None and not shared_anon:
        return mm.refusal.blame_at(
            EBADF,
            "addr",
            "only anonymous memory has a name, not the mapping of a file",
            vma.vm_start,
        )
    if vma.anon_name == name:
        return vma
    vmi = Vmi(mm, start)
    vmi.load()
    vmg = vma_modify_name(vmi, prev, vma, start, end, name)
    result = vmg.result
    if vmg.error != 0 or result is None:
        if vmg.error == -ENOMEM:
            return mm.refusal.answer(EAGAIN)
        return vmg.error
    mm.seam.vma_start_write(result)
    result.anon_name = name
    return result


def ksm_set_merge_any(mm: Mm, enable: bool) -> None:
    """Mark every VMA that KSM can merge, and all to come, or none; nothing is merged by it."""
    if mm.ksm_merge_any == enable:
        return
    mm.ksm_merge_any = enable
    vmi = Vmi(mm, 0)
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        if enable:
            vma.vm_flags = ksm_vma_flags(mm, vma.vm_file, vma.vm_flags)
        else:
            vma.vm_flags &= ~VM_MERGEABLE
        vma = vmi.find(TASK_SIZE_5LEVEL)
