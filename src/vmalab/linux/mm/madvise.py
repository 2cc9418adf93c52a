# SPDX-License-Identifier: GPL-2.0-or-later
"""madvise: hints about a range, some of which are VMA flags and some of which act on pages.

Mirrors mm/madvise.c (v6.18).
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.hugetlbfs import hugetlb_punch_hole
from vmalab.linux.fs.truncate import unmap_mapping_pages
from vmalab.linux.include.mm_flags import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_DROPPABLE,
    VM_HUGEPAGE,
    VM_HUGETLB,
    VM_IO,
    VM_LOCKED,
    VM_MAYBE_GUARD,
    VM_MAYSHARE,
    VM_MERGEABLE,
    VM_NOHUGEPAGE,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_SEALED,
    VM_SEQ_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_UFFD_WP,
    VM_WIPEONFORK,
    VM_WRITE,
)
from vmalab.linux.include.page import (
    LONG_MAX,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    exceeds_ulong,
    page_align_ulong,
)
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EAGAIN,
    EBADF,
    EINVAL,
    ENODEV,
    ENOMEM,
    EOPNOTSUPP,
    EPERM,
)
from vmalab.linux.include.uapi.fcntl import F_SEAL_FUTURE_WRITE, F_SEAL_WRITE
from vmalab.linux.include.uapi.mman import (
    MADV_COLD,
    MADV_COLLAPSE,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_DONTNEED_LOCKED,
    MADV_FREE,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_HUGEPAGE,
    MADV_KEEPONFORK,
    MADV_MERGEABLE,
    MADV_NOHUGEPAGE,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_UNMERGEABLE,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
)
from vmalab.linux.mm.gup import faultin_page_range
from vmalab.linux.mm.hugetlb import huge_page_size, hugecache_offset, hugetlb_zap
from vmalab.linux.mm.hugetlb_pool import ResvMap
from vmalab.linux.mm.khugepaged import madvise_collapse
from vmalab.linux.mm.page_tables import PTE_GUARD, PTE_POISON
from vmalab.linux.mm.pkeys import vma_access_permitted
from vmalab.linux.mm.refusal import REFUSED_HOLE, REFUSED_RANGE, REFUSED_SEAL
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.mm.vma.modify import vma_modify_flags
from vmalab.linux.mm.vma.prepare import vma_is_shared_maywrite
from vmalab.linux.types.file import I_REG
from vmalab.linux.types.mm_types import Mm, Vma, linear_page_index, vma_is_anonymous
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi

KSM_EXCLUDED: Final = VM_SHARED | VM_MAYSHARE | VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE


def is_flag_advice(behavior: int) -> bool:
    """Tell whether an advice changes VMA flags."""
    return behavior in (
        MADV_NORMAL,
        MADV_RANDOM,
        MADV_SEQUENTIAL,
        MADV_DONTFORK,
        MADV_DOFORK,
        MADV_WIPEONFORK,
        MADV_KEEPONFORK,
        MADV_DONTDUMP,
        MADV_DODUMP,
        MADV_MERGEABLE,
        MADV_UNMERGEABLE,
        MADV_HUGEPAGE,
        MADV_NOHUGEPAGE,
    )


def is_page_advice(behavior: int) -> bool:
    """Tell whether an advice acts on pages."""
    return behavior in (
        MADV_REMOVE,
        MADV_WILLNEED,
        MADV_DONTNEED,
        MADV_DONTNEED_LOCKED,
        MADV_FREE,
        MADV_COLD,
        MADV_PAGEOUT,
        MADV_COLLAPSE,
        MADV_GUARD_INSTALL,
        MADV_GUARD_REMOVE,
        MADV_POPULATE_READ,
        MADV_POPULATE_WRITE,
    )


def is_discard(behavior: int) -> bool:
    """Tell whether an advice destroys contents: a seal forbids that on memory not writable."""
    return behavior in (
        MADV_FREE,
        MADV_DONTNEED,
        MADV_DONTNEED_LOCKED,
        MADV_REMOVE,
        MADV_DONTFORK,
        MADV_WIPEONFORK,
        MADV_GUARD_INSTALL,
    )


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Madvise:
    """struct madvise_behavior: one advice on its way over a range, VMA by VMA."""

    def __init__(self, mm: Mm, behavior: int) -> None:
        self.mm: Mm = mm
        self.vmi: Vmi = Vmi(mm, 0)
        self.behavior: int = behavior
        # The part of the range that lies in the VMA at hand, bytes.
        self.start: i64 = 0
        self.end: i64 = 0
        self.prev: Vma | None = None
        # The VMA at hand; after a change of flags the one that covers the part.
        self.vma: Vma | None = None
        # The lock was released on the way, so the VMA may not be relied on.
        self.lock_dropped: bool = False


def ksys_madvise(task: Task, start: int, length: int, behavior: int) -> int:
    """madvise(2): 0 or a negative errno.

    Errors: EINVAL (advice, alignment, wrap-around, advice that a VMA cannot take), ENOMEM (a hole,
    told after the rest was done), EAGAIN (no memory or map count), EPERM (sealed), EACCES
    (MADV_REMOVE without shared write access), EFAULT (MADV_POPULATE_* over guard markers or beyond
    a file).  Kernel: do_madvise().
    """
    mm = task.mm
    return -EINVAL if mm is None else do_madvise(mm, start, length, behavior & 0xFFFFFFFF)


def do_madvise(mm: Mm, start: int, length: int, behavior: int) -> int:
    """Check a range and give it an advice: 0 or a negative errno."""
    if not madvise_behavior_valid(mm, behavior):
        return mm.refusal.blame(EINVAL, "advice", "unknown advice")
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "addr", "not a multiple of the page size")
    aligned = page_align_ulong(length)
    if length != 0 and aligned == 0:
        return mm.refusal.blame(EINVAL, "length", "wraps around when it is rounded up to pages")
    if exceeds_ulong(start + aligned):
        return mm.refusal.blame(
            EINVAL, "length", "address and length wrap around the end of the address space"
        )
    if length == 0:
        return 0
    if start >= mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, LONG_MAX, mm.task_size)
    end = min(start + aligned, mm.task_size + PAGE_SIZE)
    if behavior in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
        return faultin_page_range(mm, start, end, behavior == MADV_POPULATE_WRITE)
    return madvise_walk_vmas(Madvise(mm, behavior), start, end)


def process_madvise_remote_valid(behavior: int) -> bool:
    """Tell whether an advice may be given to another process: what destroys nothing."""
    return behavior in (MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE)


def vector_madvise(mm: Mm, starts: list[int], lengths: list[int], behavior: int) -> int:
    """Give several ranges (bytes) an advice, up to the first that fails: how many bytes, or -errno.

    Kernel: vector_madvise().
    """
    done = 0
    error = 0
    for i in range(len(starts)):
        if done == sum(lengths):
            break
        error = do_madvise(mm, starts[i], lengths[i], behavior)
        if error < 0:
            mm.refusal.rename("addr", "iovec")
            mm.refusal.rename("length", "iovec")
            break
        done += lengths[i]
    return done if done > 0 else error


def madvise_behavior_valid(mm: Mm, behavior: int) -> bool:
    """Tell whether this kernel knows the advice."""
    config = mm.config
    if behavior in (MADV_MERGEABLE, MADV_UNMERGEABLE):
        return config.ksm
    if behavior in (MADV_GUARD_INSTALL, MADV_GUARD_REMOVE):
        return config.features.guard_regions
    if behavior in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
        return config.features.madvise_populate
    if behavior == MADV_DONTNEED_LOCKED:
        return config.features.madvise_dontneed_locked
    if behavior == MADV_COLLAPSE and not config.features.madvise_collapse:
        return False
    if behavior in (MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE):
        return config.transparent_hugepage
    return is_flag_advice(behavior) or is_page_advice(behavior)


def madvise_walk_vmas(advice: Madvise, start: i64, end: i64) -> i64:
    """Apply the advice to each VMA of the range: the first error, or -ENOMEM if there are holes."""
    mm = advice.mm
    vmi = advice.vmi
    vma = vmi.next_from(start)
    if vma is None:
        return mm.refuse_at(ENOMEM, REFUSED_HOLE, start)
    prev = vmi.prev() if start <= vma.vm_start else vma
    unmapped: i64 = 0
    position = start
    while True:
        if vma is None:
            return mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
        if position < vma.vm_start:
            unmapped = mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
            position = vma.vm_start
            if position >= end:
                return unmapped
        advice.start, advice.end = position, min(vma.vm_end, end)
        advice.prev, advice.vma = prev, vma
        error = madvise_vma_behavior(advice)
        if error != 0:
            return error
        position = advice.end
        prev = None
        if advice.lock_dropped:
            advice.lock_dropped = False
        elif advice.vma is not None:
            prev = advice.vma
            position = max(position, prev.vm_end)
        if position >= end:
            return unmapped
        vma = vmi.next_from(position)


def can_madvise_modify(advice: Madvise, vma: Vma) -> bool:
    """Tell whether a seal lets the advice pass: unless it destroys what cannot be written to."""
    discards = is_discard(advice.behavior)
    if vma.vm_flags & VM_SEALED == 0 or not discards or not vma_is_anonymous(vma):
        return True
    if vma.vm_file is not None and not vma.vm_mm.features.seal_guards_private_zero:
        return True
    return vma.vm_flags & VM_WRITE != 0 and vma_access_permitted(vma, True)


def madvise_vma_behavior(advice: Madvise) -> i64:
    """Apply the advice to its part of one VMA: 0 or -errno.  Kernel: madvise_vma_behavior()."""
    vma = advice.vma
    if vma is None:
        return -ENOMEM
    if not can_madvise_modify(advice, vma):
        return advice.mm.refuse_at(EPERM, REFUSED_SEAL, vma.vm_start)
    if not is_flag_advice(advice.behavior):
        return madvise_pages(advice, vma)
    flags = advised_flags(vma, advice.behavior)
    if flags < 0:
        return flags
    error = madvise_update_vma(advice, vma, flags)
    if error == -ENOMEM and advice.mm.features.madvise_limit_is_eagain:
        return advice.mm.refusal.answer(EAGAIN)
    return error


def advised_flags(vma: Vma, behavior: int) -> i64:
    """Return the VMA's flags under the advice, or -EINVAL when it cannot take it."""
    flags = vma.vm_flags
    if behavior == MADV_NORMAL:
        return flags & ~(VM_RAND_READ | VM_SEQ_READ)
    if behavior == MADV_SEQUENTIAL:
        return flags & ~VM_RAND_READ | VM_SEQ_READ
    if behavior == MADV_RANDOM:
        return flags & ~VM_SEQ_READ | VM_RAND_READ
    if behavior == MADV_DONTFORK:
        return flags | VM_DONTCOPY
    if behavior == MADV_DOFORK:
        special = vma.vm_mm.features.dofork_refuses_special
        refused: i64 = VM_SPECIAL if special else VM_IO
        if flags & refused != 0:
            return vma.vm_mm.refusal.blame_at(
                EINVAL, "advice", "MADV_DOFORK of device memory: the mapping", vma.vm_start
            )
        return flags & ~VM_DONTCOPY
    if behavior == MADV_WIPEONFORK:
        if vma.vm_file is not None or flags & VM_SHARED != 0:
            return vma.vm_mm.refusal.blame_at(
                EINVAL,
                "advice",
                "MADV_WIPEONFORK needs private anonymous memory, unlike the mapping",
                vma.vm_start,
            )
        return flags | VM_WIPEONFORK
    if behavior == MADV_KEEPONFORK:
        if flags & VM_DROPPABLE != 0:
            return vma.vm_mm.refusal.blame_at(
                EINVAL,
                "advice",
                "MADV_KEEPONFORK of MAP_DROPPABLE memory: the mapping",
                vma.vm_start,
            )
        return flags & ~VM_WIPEONFORK
    if behavior == MADV_DONTDUMP:
        return flags | VM_DONTDUMP
    if behavior == MADV_DODUMP:
        kept = flags & VM_SPECIAL != 0 and flags & VM_HUGETLB == 0
        if kept or flags & VM_DROPPABLE != 0:
            return vma.vm_mm.refusal.blame_at(
                EINVAL,
                "advice",
                "MADV_DODUMP of memory that is never dumped: the mapping",
                vma.vm_start,
            )
        return flags & ~VM_DONTDUMP
    if behavior == MADV_MERGEABLE:
        # Advice on memory that KSM cannot merge is ignored.
        return flags if flags & KSM_EXCLUDED != 0 else flags | VM_MERGEABLE
    if behavior == MADV_UNMERGEABLE:
        if flags & VM_MERGEABLE != 0 and vma.vm_mm.features.unmergeable_drops_high_flags:
            flags &= 0xFFFFFFFF
        return flags & ~VM_MERGEABLE
    if behavior == MADV_HUGEPAGE:
        return flags & ~VM_NOHUGEPAGE | VM_HUGEPAGE
    return flags & ~VM_HUGEPAGE | VM_NOHUGEPAGE


def madvise_update_vma(advice: Madvise, vma: Vma, flags: i64) -> i64:
    """Give the part of the VMA other flags: 0 or -errno.  Kernel: madvise_update_vma()."""
    if flags == vma.vm_flags:
        return 0
    vmi = advice.vmi
    vmi.set(advice.start)
    vmi.load()
    vmg = vma_modify_flags(vmi, advice.prev, vma, advice.start, advice.end, flags)
    result = vmg.result
    if vmg.error != 0 or result is None:
        return vmg.error
    advice.vma = result
    advice.mm.seam.vma_start_write(result)
    result.vm_flags = vmg.vm_flags
    return 0


def madvise_pages(advice: Madvise, vma: Vma) -> i64:
    """Apply advice that acts on pages to its part of one VMA: 0 or -errno."""
    behavior = advice.behavior
    if behavior in (MADV_FREE, MADV_DONTNEED, MADV_DONTNEED_LOCKED):
        return madvise_dontneed_free(advice, vma)
    if behavior == MADV_GUARD_INSTALL:
        return madvise_guard_install(advice, vma)
    if behavior == MADV_GUARD_REMOVE:
        if vma.vm_flags & (VM_SPECIAL | VM_HUGETLB) != 0:
            return advice.mm.refusal.blame_at(
                EINVAL,
                "advice",
                "no guards in memory of a device or of huge pages: the mapping",
                vma.vm_start,
            )
        advice.mm.page_tables.zap_kind(advice.start, advice.end, PTE_GUARD, False)
        return 0
    if behavior == MADV_REMOVE:
        return madvise_remove(advice, vma)
    if behavior == MADV_WILLNEED:
        file = vma.vm_file
        if file is None and not advice.mm.config.swap:
            return advice.mm.refusal.blame_at(
                EBADF,
                "addr",
                "MADV_WILLNEED of anonymous memory without swap: the mapping",
                vma.vm_start,
            )
        advice.lock_dropped = file is not None and not file.f_op.is_shmem
        return 0
    if behavior == MADV_COLLAPSE:
        return madvise_collapse(vma, advice.start, advice.end)
    # MADV_COLD and MADV_PAGEOUT only age pages.
    if vma.vm_flags & (VM_LOCKED | VM_PFNMAP | VM_HUGETLB) != 0:
        return advice.mm.refusal.blame_at(
            EINVAL,
            "advice",
            "must not be locked, of a device, or of huge pages: the mapping",
            vma.vm_start,
        )
    advice.mm.page_tables.aged = True
    return 0


def madvise_dontneed_free(advice: Madvise, vma: Vma) -> i64:
    """Drop the pages of the part; guard markers stay: 0 or -EINVAL.

    MADV_FREE's pages stay until memory is short, which never happens here.
    """
    behavior = advice.behavior
    forbidden = VM_PFNMAP if behavior == MADV_DONTNEED_LOCKED else VM_PFNMAP | VM_LOCKED
    if vma.vm_flags & VM_HUGETLB != 0:
        size = huge_page_size(vma.vm_file)
        takes_huge = advice.mm.features.dontneed_drops_huge_pages
        if behavior == MADV_FREE or not takes_huge or advice.start & (size - 1) != 0:
            return advice.mm.refusal.blame_at(
                EINVAL,
                "advice",
                "must not be of huge pages, or not start within one: the mapping",
                vma.vm_start,
            )
        advice.end &= -size
        if advice.start >= advice.end:
            return 0
        first = hugecache_offset(vma, advice.start)
        hugetlb_zap(vma, first, first + (advice.end - advice.start) // size, ResvMap())
    elif vma.vm_flags & forbidden != 0:
        return advice.mm.refusal.blame_at(
            EINVAL, "advice", "must not be locked or of a device: the mapping", vma.vm_start
        )
    tables = advice.mm.page_tables
    if behavior == MADV_FREE:
        if not vma_is_anonymous(vma):
            return advice.mm.refusal.blame_at(
                EINVAL,
                "advice",
                "MADV_FREE needs anonymous memory, unlike the mapping",
                vma.vm_start,
            )
        tables.aged = True
        tables.zap_kind(advice.start, advice.end, PTE_POISON, False)
        return 0
    if vma_is_anonymous(vma):
        tables.uffd.clear(advice.start, advice.end)
    elif vma.vm_flags & VM_UFFD_WP == 0:
        tables.unmark_pages(advice.start, advice.end)
    tables.zap_kind(advice.start, advice.end, PTE_GUARD, True)
    if advice.mm.features.dontneed_frees_page_tables:
        tables.free_empty_tables(advice.start, advice.end)
    return 0


def madvise_guard_install(advice: Madvise, vma: Vma) -> i64:
    """Replace the pages of the part by guard markers: 0, EINVAL (locked, special) or ENOMEM.

    The whole VMA is marked as possibly holding guards, without a split.
    """
    if vma.vm_flags & (VM_SPECIAL | VM_HUGETLB | VM_LOCKED) != 0:
        return advice.mm.refusal.blame_at(
            EINVAL,
            "advice",
            "no guards in memory that is locked, of a device, or of huge pages: the mapping",
            vma.vm_start,
        )
    if advice.mm.features.guard_flag:
        vma.vm_flags |= VM_MAYBE_GUARD
    if vma_is_anonymous(vma) or not advice.mm.features.guard_flag:
        error = anon_vma_prepare(vma)
        if error != 0:
            return error
    advice.mm.page_tables.set(advice.start, advice.end, PTE_GUARD)
    advice.mm.page_tables.uffd.clear(advice.start, advice.end)
    return 0


def madvise_remove(advice: Madvise, vma: Vma) -> i64:
    """Punch the part out of the file itself: 0, EINVAL, EACCES, EPERM (sealed) or ENODEV."""
    advice.lock_dropped = True
    file = vma.vm_file
    if vma.vm_flags & VM_LOCKED != 0 or file is None:
        return advice.mm.refusal.blame_at(
            EINVAL,
            "advice",
            "MADV_REMOVE needs a mapping of a file that is not locked, unlike the one",
            vma.vm_start,
        )
    if not vma_is_shared_maywrite(vma.vm_flags):
        return advice.mm.refusal.blame_at(
            EACCES,
            "advice",
            "MADV_REMOVE needs a shared mapping that may be written to, unlike the one",
            vma.vm_start,
        )
    inode = file.inode
    if inode.seals > 0 and inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0:
        return advice.mm.refusal.blame_at(
            EPERM, "advice", "the file is sealed against writing: the mapping", vma.vm_start
        )
    if inode.kind != I_REG:
        return advice.mm.refusal.blame_at(
            ENODEV,
            "advice",
            "MADV_REMOVE needs a regular file, unlike that of the mapping",
            vma.vm_start,
        )
    if not file.f_op.can_fallocate:
        return advice.mm.refusal.blame_at(
            EOPNOTSUPP,
            "advice",
            "the file system punches no holes into the file of the mapping",
            vma.vm_start,
        )
    if inode.hugetlb is not None:
        offset = linear_page_index(vma, advice.start) << PAGE_SHIFT
        hugetlb_punch_hole(inode, offset, advice.end - advice.start)
    first = linear_page_index(vma, advice.start)
    last = first + ((advice.end - advice.start) >> PAGE_SHIFT) - 1
    unmap_mapping_pages(inode, first, last, False)
    return 0
