# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of mremap that all kernels share: resizing in place, moving, leaving the source.

Mirrors the middle of mm/mremap.c (v6.18).  One `Vrm` is threaded through them.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.mm_flags import (
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_HUGETLB,
    VM_LOCKED,
    VM_LOCKED_MASK,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SHARED,
    VM_UFFD_MASK,
)
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.errno import EAGAIN, EFAULT, EINVAL, ENOMEM
from vmalab.linux.include.uapi.mman import (
    MAP_FIXED,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.mm.accounting import (
    may_expand_vm,
    mlock_future_ok,
    security_vm_enough_memory_mm,
    vm_stat_account,
    vm_unacct_memory,
)
from vmalab.linux.mm.get_unmapped_area import get_unmapped_area
from vmalab.linux.mm.hugetlb import clear_vma_resv_huge_pages, huge_page_size, is_vm_hugetlb_page
from vmalab.linux.mm.refusal import REFUSED_MAP_COUNT, REFUSED_OCCUPIED
from vmalab.linux.mm.rmap import unlink_anon_vmas
from vmalab.linux.mm.userfaultfd_k import vma_has_uffd_without_event_remap
from vmalab.linux.mm.vma.copy import copy_vma
from vmalab.linux.mm.vma.merge import vma_merge_extend
from vmalab.linux.mm.vma.munmap import do_munmap, do_vmi_munmap
from vmalab.linux.mm.vma.split import split_vma
from vmalab.linux.types.mm_types import Mm, Vma, linear_page_index, vma_is_anonymous
from vmalab.linux.types.vma_iterator import Vmi, find_vma_intersection, vma_lookup

MREMAP_NO_RESIZE: Final = 0
MREMAP_SHRINK: Final = 1
MREMAP_EXPAND: Final = 2


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class Vrm:
    """struct vma_remap_struct: one request; addresses and lengths in bytes."""

    def __init__(self, mm: Mm, addr: i64, old_len: i64, new_len: i64, flags: i64, new: i64) -> None:
        self.mm: Mm = mm
        self.addr: i64 = addr
        self.old_len: i64 = old_len
        self.new_len: i64 = new_len
        self.flags: i64 = flags
        self.new_addr: i64 = new
        # The VMA at addr, and what its resizing amounts to.
        self.vma: Vma | None = None
        self.delta: i64 = 0
        self.remap_type: i64 = MREMAP_NO_RESIZE
        # Pages charged for the request.
        self.charged: i64 = 0
        # A locked mapping grew: fault the new part in.
        self.populate_expand: bool = False
        self.uf: list[object] | None = None

    def calculate(self) -> None:
        """Derive what kind of resizing this is from the lengths."""
        if self.old_len == self.new_len:
            self.remap_type = MREMAP_NO_RESIZE
            self.delta = 0
        elif self.old_len > self.new_len:
            self.remap_type = MREMAP_SHRINK
            self.delta = self.old_len - self.new_len
        else:
            self.remap_type = MREMAP_EXPAND
            self.delta = self.new_len - self.old_len

    def implies_new_addr(self) -> bool:
        """Tell whether the flags ask for a new address by themselves."""
        return self.flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0


def map_count_for_move(vrm: Vrm, vma: Vma) -> i64:
    """Return how large vm.max_map_count must be for the move itself."""
    map_count = vrm.mm.map_count
    features = vrm.mm.features
    if features.mremap_checks_map_count_always:
        locked = vrm.flags & MREMAP_DONTUNMAP != 0 and vma.vm_flags & VM_LOCKED != 0
        return map_count + (3 if locked and not features.dontunmap_unlocks_whole_vma else 2)
    return map_count + 4


def check_resize(vrm: Vrm, vma: Vma, old_len: i64) -> i64:
    """Check whether `old_len` bytes of the VMA may become the requested length: 0 or -errno."""
    if vrm.old_len == 0 and vma.vm_flags & (VM_SHARED | VM_MAYSHARE) == 0:
        return vrm.mm.refusal.blame_at(
            EINVAL, "old_size", "0 copies a shared mapping only, not the private one", vma.vm_start
        )
    error = check_kind(vrm, vma)
    if error != 0:
        return error
    if vrm.flags & MREMAP_DONTUNMAP != 0 and vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP) != 0:
        return vrm.mm.refusal.blame_at(
            EINVAL, "flags", "MREMAP_DONTUNMAP of device memory: the mapping", vma.vm_start
        )
    if old_len > vma.vm_end - vrm.addr:
        return vrm.mm.refusal.blame_at(
            EFAULT, "old_address", "the source goes on beyond its mapping, which ends", vma.vm_end
        )
    if vrm.new_len == old_len:
        return 0
    return check_growth(vrm, vma)


def check_kind(vrm: Vrm, vma: Vma) -> i64:
    """Check what kernels before 6.1 did not move: 0 or -EINVAL."""
    features = vrm.mm.features
    if vrm.flags & MREMAP_DONTUNMAP != 0 and not features.dontunmap_any_memory:
        if not vma_is_anonymous(vma) or vma.vm_flags & VM_SHARED != 0:
            return vrm.mm.refusal.blame_at(
                EINVAL,
                "flags",
                "MREMAP_DONTUNMAP needs private anonymous memory, unlike the mapping",
                vma.vm_start,
            )
    if vma.vm_flags & VM_HUGETLB != 0 and not features.mremap_moves_huge_pages:
        return vrm.mm.refusal.blame_at(
            EINVAL, "old_address", "huge pages cannot be moved: the mapping", vma.vm_start
        )
    return 0


def check_growth(vrm: Vrm, vma: Vma) -> i64:
    """Check whether the VMA may grow by the request's delta: 0 or -errno."""
    mm = vrm.mm
    if vma.vm_flags & VM_LOCKED != 0:
        vrm.populate_expand = True
    if vma.vm_flags & (VM_DONTEXPAND | VM_PFNMAP) != 0:
        return mm.refusal.blame_at(
            EFAULT, "old_address", "must not grow: the mapping", vma.vm_start
        )
    if not mlock_future_ok(mm, vma.vm_flags, vrm.delta):
        return -EAGAIN
    if not may_expand_vm(mm, vma.vm_flags, vrm.delta >> PAGE_SHIFT):
        return -ENOMEM
    return 0


def align_hugetlb(vrm: Vrm) -> bool:
    """Round lengths to huge pages; False when addresses are not aligned or it would grow."""
    vma = vrm.vma
    size = huge_page_size(None if vma is None else vma.vm_file)
    vrm.old_len = (vrm.old_len + size - 1) & -size
    vrm.new_len = (vrm.new_len + size - 1) & -size
    if vrm.addr & (size - 1) != 0 or vrm.new_addr & (size - 1) != 0:
        return False
    return vrm.new_len <= vrm.old_len


def unmap_tail(mm: Mm, start: i64, length: i64, uf: list[object] | None) -> i64:
    """Unmap what the old range is longer than the new one: 0 or -errno."""
    error = do_munmap(mm, start, length, uf)
    if error != 0:
        mm.refusal.rename("addr", "old_size")
        mm.refusal.rename("length", "old_size")
    return error


def shrink_vma(vrm: Vrm) -> i64:
    """Unmap the tail of the range: 0 or -errno; `vrm.vma` is looked up anew."""
    error = unmap_tail(vrm.mm, vrm.addr + vrm.new_len, vrm.delta, vrm.uf)
    if error != 0:
        return error
    vrm.vma = vma_lookup(vrm.mm, vrm.addr)
    return 0 if vrm.vma is not None else -EFAULT


def expand_vma(vrm: Vrm) -> i64:
    """Grow in place where there is room behind the whole VMA, else move: the address or -errno."""
    vma = vrm.vma
    if vma is None:
        return -EFAULT
    if vma.vm_end - vrm.addr == vrm.old_len and vma_expandable(vma, vrm.delta):
        error = expand_vma_in_place(vrm, vma)
        return error if error != 0 else vrm.addr
    if vrm.flags & MREMAP_MAYMOVE == 0:
        return vrm.mm.refuse_at(ENOMEM, REFUSED_OCCUPIED, vma.vm_end)
    error = set_new_addr(vrm, vma)
    return error if error != 0 else move_vma(vrm)


def vma_expandable(vma: Vma, delta: i64) -> bool:
    """Tell whether the VMA can grow by `delta` bytes where it is."""
    mm = vma.vm_mm
    end = vma.vm_end + delta
    if find_vma_intersection(mm, vma.vm_end, end) is not None:
        return False
    length = end - vma.vm_start
    return get_unmapped_area(mm, None, vma.vm_start, length, 0, MAP_FIXED, 0) >= 0


def expand_vma_in_place(vrm: Vrm, vma: Vma) -> i64:
    """Grow the VMA, merging with what follows: 0 or -ENOMEM."""
    mm = vrm.mm
    if not calc_charge(vrm, vma):
        return -ENOMEM
    grown = vma_merge_extend(Vmi(mm, vma.vm_end), vma, vrm.delta)
    if grown is None:
        uncharge(vrm, vma)
        return -ENOMEM
    vrm.vma = grown
    stat_account(mm, grown, vrm.delta)
    return 0


def calc_charge(vrm: Vrm, vma: Vma) -> bool:
    """Charge what the request adds to an accounted VMA; False when that is refused."""
    if vma.vm_flags & VM_ACCOUNT == 0:
        return True
    dontunmap = vrm.flags & MREMAP_DONTUNMAP != 0
    charged = (vrm.new_len if dontunmap else vrm.delta) >> PAGE_SHIFT
    if dontunmap and vrm.mm.features.dontunmap_is_never_refused:
        vrm.mm.kernel.committed_as += charged
    elif security_vm_enough_memory_mm(vrm.mm, charged) != 0:
        return False
    vrm.charged = charged
    return True


def uncharge(vrm: Vrm, vma: Vma) -> None:
    """Return what was charged for an accounted VMA; of one before it nothing (`vrm_uncharge`)."""
    if vma.vm_flags & VM_ACCOUNT != 0:
        vm_unacct_memory(vrm.mm.kernel, vrm.charged)
        vrm.charged = 0


def stat_account(mm: Mm, vma: Vma, length: i64) -> None:
    """Add `length` bytes of the VMA's kind to the mm's counters."""
    vm_stat_account(mm, vma.vm_flags, length >> PAGE_SHIFT)
    if vma.vm_flags & VM_LOCKED != 0:
        mm.locked_vm += length >> PAGE_SHIFT


def set_new_addr(vrm: Vrm, vma: Vma) -> i64:
    """Choose the address to move to: 0 or -errno."""
    flags: i64 = 0
    if vrm.flags & MREMAP_FIXED != 0:
        flags |= MAP_FIXED
    if vma.vm_flags & VM_MAYSHARE != 0:
        flags |= MAP_SHARED
    hint: i64 = 0
    if vrm.implies_new_addr():
        hint = vrm.new_addr
    pgoff = linear_page_index(vma, vrm.addr)
    found = get_unmapped_area(vrm.mm, vma.vm_file, hint, vrm.new_len, pgoff, flags, 0)
    if found < 0:
        vrm.mm.refusal.rename("addr", "new_address")
        vrm.mm.refusal.rename("length", "new_size")
        vrm.mm.refusal.rename("offset", "old_address")
        return found
    vrm.new_addr = found
    return 0


def prep_move_vma(vrm: Vrm, vma: Vma) -> i64:
    """Check that the source can be cut out of its VMA: 0 or -errno."""
    features = vrm.mm.features
    end = vrm.addr + vrm.old_len
    needed = map_count_for_move(vrm, vma)
    allowed: i64 = vrm.mm.config.max_map_count
    if needed > allowed:
        return vrm.mm.refuse(ENOMEM, REFUSED_MAP_COUNT, needed, allowed)
    ops = vma.vm_ops
    if ops is not None:
        error: i64 = 0
        if vma.vm_start != vrm.addr:
            error = ops.may_split(vma, vrm.addr)
        if error == 0 and vma.vm_end != end:
            error = ops.may_split(vma, end)
        if error != 0:
            return vrm.mm.refusal.blame_at(
                -error, "", "the range cuts a mapping that cannot be split: the one", vma.vm_start
            )
    if vrm.flags & MREMAP_DONTUNMAP != 0 and vma.vm_flags & VM_LOCKED != 0:
        if not features.dontunmap_unlocks_whole_vma:
            return split_source(vma, vrm.addr, end)
    return 0


def split_source(vma: Vma, start: i64, end: i64) -> i64:
    """Cut `[start, end)` out of its VMA, which keeps that part: 0 or -errno."""
    vmi = Vmi(vma.vm_mm, start)
    vmi.load()
    error: i64 = 0
    if vma.vm_start != start:
        error = split_vma(vmi, vma, start, True)
    if error == 0 and vma.vm_end != end:
        error = split_vma(vmi, vma, end, False)
    return error


def move_vma(vrm: Vrm) -> i64:
    """Move the source to the new address, which is free: the address or -errno.

    Kernel: move_vma().
    """
    mm = vrm.mm
    vma = vrm.vma
    if vma is None:
        return -EFAULT
    error = prep_move_vma(vrm, vma)
    if error != 0:
        return error
    if not calc_charge(vrm, vma):
        return -ENOMEM
    mm.seam.vma_start_write(vma)
    dontunmap = vrm.flags & MREMAP_DONTUNMAP != 0
    pgoff = linear_page_index(vma, vrm.addr)
    keep_source = dontunmap and not mm.features.dontunmap_may_self_merge
    copied = copy_vma(vma, vrm.new_addr, vrm.new_len, pgoff, keep_source)
    new_vma = copied.new_vma
    if new_vma is None:
        uncharge(vrm, vma)
        return -ENOMEM
    vma = copied.vma
    error = move_pages(vrm, vma, new_vma)
    if is_vm_hugetlb_page(vma):
        # The reservation goes with the copy, all of it (`fixup_hugetlb_reservations`).
        moved = vrm.old_len if error == 0 else 0
        clear_vma_resv_huge_pages(vma, vrm.addr, vrm.addr + moved)
    hiwater_vm = mm.hiwater_vm
    if error != 0:
        # The copy goes instead of the source.
        vrm.addr, vrm.old_len = vrm.new_addr, vrm.new_len
        if not dontunmap:
            uncharge(vrm, vma)
        vma = new_vma
        stat_account(mm, vma, vrm.new_len)
        unmap_source_vma(vrm, vma)
    elif dontunmap:
        dontunmap_complete(vrm, vma, new_vma)
    else:
        stat_account(mm, vma, vrm.new_len)
        unmap_source_vma(vrm, vma)
    mm.hiwater_vm = hiwater_vm
    return error if error != 0 else vrm.new_addr


def move_pages(vrm: Vrm, vma: Vma, new_vma: Vma) -> i64:
    """Move the pages and tell the owner; moved back when either fails: 0 or -errno."""
    seam = vrm.mm.seam
    moved = seam.move_page_tables(vma, vrm.addr, vrm.new_addr, vrm.old_len)
    error: i64 = -ENOMEM
    if moved == vrm.old_len:
        ops = vma.vm_ops
        error = 0 if ops is None else ops.mremap(new_vma)
    if error != 0:
        seam.move_page_tables(new_vma, vrm.new_addr, vrm.addr, moved)
    else:
        mremap_userfaultfd_prep(new_vma)
    return error


def mremap_userfaultfd_prep(new_vma: Vma) -> None:
    """A moved VMA loses its userfaultfd unless that wants to hear of moves.

    So does all that the copy was merged with.
    """
    ctx = new_vma.vm_userfaultfd_ctx
    if ctx is not None and vma_has_uffd_without_event_remap(new_vma):
        new_vma.vm_mm.seam.vma_start_write(new_vma)
        new_vma.vm_userfaultfd_ctx = None
        new_vma.vm_flags &= ~VM_UFFD_MASK


def dontunmap_complete(vrm: Vrm, vma: Vma, new_vma: Vma) -> None:
    """Leave the source mapped, empty and not locked (MREMAP_DONTUNMAP)."""
    mm = vrm.mm
    features = mm.features
    if features.dontunmap_charges_next:
        charge_next(vrm, vma, new_vma)
    if features.dontunmap_keeps_locked_vm:
        stat_account(mm, vma, vrm.new_len)
        if vma.vm_flags & VM_LOCKED != 0:
            mm.locked_vm_miscount += (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
        vma.vm_flags &= ~VM_LOCKED_MASK
    else:
        if vma.vm_flags & VM_LOCKED != 0:
            mm.locked_vm_miscount += (vma.vm_end - vma.vm_start - vrm.new_len) >> PAGE_SHIFT
        vma.vm_flags &= ~VM_LOCKED_MASK
        stat_account(mm, vma, vrm.new_len)
    if features.dontunmap_clears_account:
        vma.vm_flags &= ~VM_ACCOUNT
    if features.dontunmap_keeps_anon_vma:
        return
    if vrm.addr == vma.vm_start and vrm.addr + vrm.old_len == vma.vm_end:
        unlink_anon_vmas(vma)
        vma.anon_delta = 0
        keeps = features.dontunmap_keeps_pgoff
        if not keeps and vma_is_anonymous(vma) and vma.vm_file is None:
            vma.vm_pgoff = vma.vm_start >> PAGE_SHIFT


def charge_next(vrm: Vrm, vma: Vma, new_vma: Vma) -> None:
    """Mark the VMA above the source as charged, as if the source had been cut in two."""
    inside = vma.vm_start < vrm.addr and vrm.addr + vrm.old_len < vma.vm_end
    if inside and vma is not new_vma and vma.vm_flags & VM_ACCOUNT != 0:
        above = Vmi(vrm.mm, vma.vm_end).find(TASK_SIZE_5LEVEL)
        if above is not None and above.vm_flags & VM_ACCOUNT == 0:
            above.vm_flags |= VM_ACCOUNT
            above.vm_mm.kernel.commit_miscount -= (above.vm_end - above.vm_start) >> PAGE_SHIFT


def unmap_source_vma(vrm: Vrm, vma: Vma) -> None:
    """Unmap what was moved, without returning its charge: that moved with it.

    What stays of a source that is cut keeps its charge as well.  Kernel: unmap_source_vma().
    """
    mm = vrm.mm
    addr, length = vrm.addr, vrm.old_len
    accounted = vma.vm_flags & VM_ACCOUNT != 0 and vrm.flags & MREMAP_DONTUNMAP == 0
    start, end = vma.vm_start, vma.vm_end
    if accounted:
        vma.vm_flags &= ~VM_ACCOUNT
    error = do_vmi_munmap(Vmi(mm, addr), mm, addr, length, vrm.uf)
    vrm.vma = None
    if error != 0:
        # Nothing was unmapped, so the pages are there twice.
        mm.kernel.committed_as += length >> PAGE_SHIFT
        return
    if not accounted:
        return
    if start < addr:
        below = vma_lookup(mm, addr - PAGE_SIZE)
        if below is not None:
            below.vm_flags |= VM_ACCOUNT
    if end > addr + length:
        above = vma_lookup(mm, addr + length)
        if above is not None:
            above.vm_flags |= VM_ACCOUNT
