# SPDX-License-Identifier: GPL-2.0-or-later
"""UFFDIO_MOVE: pages of anonymous memory that go to another place without being copied.

Mirrors move_pages() of mm/userfaultfd.c (v7.3).
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_HUGETLB,
    VM_IO,
    VM_LOCKED,
    VM_MIXEDMAP,
    VM_PFNMAP,
    VM_PKEY_MASK,
    VM_SHADOW_STACK,
    VM_SHARED,
    VM_UFFD_RWP,
    VM_WRITE,
)
from vmalab.linux.include.page import PAGE_SIZE, PMD_SIZE
from vmalab.linux.include.uapi.errno import EBUSY, EEXIST, EFAULT, EINVAL, ENOENT, ENOMEM
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_ZERO
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.types.mm_types import Mm, UserfaultfdCtx, Vma, vma_is_anonymous
from vmalab.linux.types.vma_iterator import vma_lookup

UNMOVABLE: Final = VM_PFNMAP | VM_IO | VM_HUGETLB | VM_MIXEDMAP | VM_SHADOW_STACK


@final
@mypyc_attr(native_class=True)
class MoveRun:
    """Pages that move, or are passed over, at one go: bytes, and an errno for none."""

    def __init__(self, length: i64, error: i64) -> None:
        self.length: i64 = length
        self.error: i64 = error


def move_pages(ctx: UserfaultfdCtx, mm: Mm, dst: i64, src: i64, length: i64, holes: bool) -> i64:
    """Move the pages of `[src, src + length)` (bytes) to `dst`: the bytes moved, or -errno.

    `holes`: pages that are not there are passed over.  Errors: ENOENT (nothing mapped, a page that
    is not there), EINVAL (VMAs that do not fit), EEXIST (a page is there already), EBUSY (a page
    that another process may have as well), EFAULT (a marker in the place of a page), ENOMEM.
    """
    dst_vma = vma_lookup(mm, dst)
    if dst_vma is None:
        return mm.refusal.blame_at(ENOENT, "dst", "nothing is mapped", dst)
    if dst_vma.vm_flags & VM_SHARED == 0 and anon_vma_prepare(dst_vma) != 0:
        return -ENOMEM
    src_vma = vma_lookup(mm, src)
    if src_vma is None:
        return mm.refusal.blame_at(ENOENT, "src", "nothing is mapped", src)
    if (src_vma.vm_flags | dst_vma.vm_flags) & VM_SHARED != 0:
        return mm.refusal.blame(EINVAL, "range", "shared memory cannot be moved")
    if src + length > src_vma.vm_end or dst + length > dst_vma.vm_end:
        return mm.refusal.blame(EINVAL, "range", "source or destination is not within one mapping")
    error = validate_move_areas(ctx, src_vma, dst_vma)
    moved: i64 = 0
    while error == 0 and moved < length:
        run = move_run(mm, dst + moved, src + moved, length - moved, holes)
        if dst_vma.vm_flags & VM_UFFD_RWP != 0:
            # What arrives is protected at once.
            for first, last, _ in mm.page_tables.ranges(dst + moved, dst + moved + run.length):
                mm.page_tables.uffd.set(first, last)
        moved += run.length
        error = run.error
    return moved if moved != 0 else refuse_move(mm, error, src)


def refuse_move(mm: Mm, error: i64, place: i64) -> i64:
    """Note why the first page cannot be moved: the error."""
    refusal = mm.refusal
    if error == -ENOENT:
        return refusal.blame_at(ENOENT, "src", "there is no page", place)
    if error == -EEXIST:
        return refusal.blame(EEXIST, "dst", "there is a page already")
    if error == -EBUSY:
        return refusal.blame_at(
            EBUSY, "src", "perhaps shared with another process: the page", place
        )
    if error == -EFAULT:
        return refusal.blame_at(EFAULT, "src", "a marker instead of a page", place)
    return error


def validate_move_areas(ctx: UserfaultfdCtx, src_vma: Vma, dst_vma: Vma) -> i64:
    """Check that pages of one VMA may go to another: 0 or -EINVAL (`validate_move_areas`)."""
    alike = VM_ACCESS_FLAGS | VM_PKEY_MASK | VM_LOCKED
    if (src_vma.vm_flags ^ dst_vma.vm_flags) & alike != 0:
        return src_vma.vm_mm.refusal.blame(
            EINVAL, "range", "source and destination differ in protection or in being locked"
        )
    if src_vma.vm_flags & VM_WRITE == 0:
        return src_vma.vm_mm.refusal.blame(EINVAL, "src", "the source is not writable")
    if (src_vma.vm_flags | dst_vma.vm_flags) & UNMOVABLE != 0:
        return src_vma.vm_mm.refusal.blame(
            EINVAL, "range", "device memory and huge pages cannot be moved"
        )
    if dst_vma.vm_userfaultfd_ctx is not ctx:
        return src_vma.vm_mm.refusal.blame(
            EINVAL, "dst", "the destination is not registered with this userfaultfd"
        )
    if vma_is_anonymous(src_vma) and vma_is_anonymous(dst_vma):
        return 0
    return src_vma.vm_mm.refusal.blame(EINVAL, "range", "only anonymous memory can be moved")


def move_run(mm: Mm, dst: i64, src: i64, length: i64, holes: bool) -> MoveRun:
    """Move as many pages as are alike, within one page table of the source."""
    tables = mm.page_tables
    if tables.tables.pte.count(src >> 21, src >> 21) == 0:
        if not holes:
            return MoveRun(0, -ENOENT)
        tables.tables.alloc(src, src + PAGE_SIZE)
    tables.tables.alloc(dst, dst + PAGE_SIZE)
    end = min(src + length, (src & -PMD_SIZE) + PMD_SIZE, src - dst + (dst & -PMD_SIZE) + PMD_SIZE)
    taken = tables.ranges(dst, dst + end - src)
    free = tables.uffd.first(dst, dst + end - src)
    if len(taken) != 0:
        free = min(free, taken[0][0])
    if free == dst:
        return MoveRun(0, -EEXIST)
    end = free - dst + src
    found = tables.ranges(src, end)
    if len(found) == 0 or found[0][0] > src:
        end = end if len(found) == 0 else found[0][0]
        marker = tables.uffd.first(src, end)
        if marker == src:
            return MoveRun(0, -EFAULT)
        return MoveRun(marker - src, 0) if holes else MoveRun(0, -ENOENT)
    _, last, kind = found[0]
    if kind not in (PTE_ANON, PTE_ZERO):
        return MoveRun(0, -EFAULT)
    alone = tables.forked.first(src, last)
    if alone == src:
        return MoveRun(0, -EBUSY)
    tables.zap(src, alone)
    tables.uffd.clear(src, alone)
    tables.set(dst, dst + alone - src, kind)
    return MoveRun(alone - src, 0)
