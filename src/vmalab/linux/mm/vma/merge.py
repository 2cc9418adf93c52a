# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a range becomes one with its neighbours, and making it so.

Three questions are asked, each with its own entry: a range that is new (`vma_merge_new_range`), a
part of an existing VMA that changes its properties (`vma_merge_existing_range`), and a copy that
mremap makes (`vma_merge_copied_range`).  All end in `commit_merge`: what can fail comes first
(anon_vma, tree nodes), and past its preallocation nothing fails.
"""

from mypy_extensions import i64

from vmalab.linux.mm.vma.dump import VM_WARN_ON_VMG
from vmalab.linux.mm.vma.prepare import init_multi_vma_prep, vma_complete, vma_prepare
from vmalab.linux.mm.vma.state import (
    VMA_MERGE_ERROR_NOMEM,
    VMA_MERGE_NOMERGE,
    VMA_MERGE_SUCCESS,
    Vmg,
)
from vmalab.linux.mm.vma_internal import (
    ENOMEM,
    PAGE_SHIFT,
    TASK_SIZE_5LEVEL,
    VM_MAYBE_GUARD,
    VM_SPECIAL,
    VM_STICKY,
    Mm,
    Seam,
    Vma,
    Vmi,
    vma_has_uffd_without_event_remap,
)


def vmg_vma_state(vmi: Vmi, prev: Vma | None, vma: Vma, start: i64, end: i64) -> Vmg:
    """A merge proposal for `[start, end)` of an existing VMA with all its properties unchanged."""
    pgoff = vma.vm_pgoff + ((start - vma.vm_start) >> PAGE_SHIFT)
    vmg = Vmg(vma.vm_mm, vmi, start, end, vma.vm_flags, pgoff)
    vmg.prev = prev
    vmg.middle = vma
    vmg.file = vma.vm_file
    vmg.anon_vma = vma.anon_vma
    vmg.policy = vma.vm_policy
    vmg.uffd_ctx = vma.vm_userfaultfd_ctx
    vmg.anon_name = vma.anon_name
    vmg.anon_delta = vma.anon_delta
    return vmg


def vma_is_fork_child(vma: Vma | None) -> bool:
    """Tell whether a VMA may hold pages that were copied on write from a parent."""
    return vma is not None and vma.anon_vma is not None and len(vma.anon_vma_chain) != 1


def is_mergeable_vma(seam: Seam, vmg: Vmg, vma: Vma) -> bool:
    """Compare all but place and anon_vma with a neighbour's properties, sticky flags aside.

    Which flags are not compared is the seam's to say, for those who try another rule.
    """
    if (vma.vm_flags ^ vmg.vm_flags) & ~seam.vm_ignore_merge != 0:
        return False
    if vma.vm_file is not vmg.file or vma.anon_delta != vmg.anon_delta:
        return False
    if not can_merge_remove_vma(vma) and not vmg.mm.features.closed_vmas_grow:
        return False
    if vma.vm_userfaultfd_ctx is not vmg.uffd_ctx:
        return False
    if vma.vm_policy is not vmg.policy and not seam.mpol_equal(vmg.policy, vma.vm_policy):
        return False
    return vma.anon_name == vmg.anon_name


def is_mergeable_anon_vma(vmg: Vmg, tgt: Vma) -> bool:
    """Tell whether the range's anon_vma and a neighbour's can become one.

    One side without pages takes over the other's anon_vma, unless that was inherited by fork: its
    chain would have to be copied, and pages of parent and child would share locks for good.
    """
    tgt_anon = tgt.anon_vma
    src_anon = vmg.anon_vma
    if tgt_anon is None and src_anon is not None:
        if not vmg.mm.features.merge_touched_into_untouched:
            return False
        return not vma_is_fork_child(vmg.middle) and not vma_is_fork_child(vmg.copied_from)
    if tgt_anon is not None and src_anon is None:
        return not vma_is_fork_child(tgt)
    return src_anon is tgt_anon


def can_vma_merge_left(seam: Seam, vmg: Vmg) -> bool:
    """Tell whether prev ends where the range starts, in place and in offset, and is like it."""
    prev = vmg.prev
    if prev is None or prev.vm_end != vmg.start:
        return False
    if not is_mergeable_vma(seam, vmg, prev) or not is_mergeable_anon_vma(vmg, prev):
        return False
    return prev.vm_pgoff + ((prev.vm_end - prev.vm_start) >> PAGE_SHIFT) == vmg.pgoff


def can_vma_merge_right(seam: Seam, vmg: Vmg, can_merge_left: bool) -> bool:
    """Tell whether next starts where the range ends and is like it.

    When prev fits too, all three become one, so prev and next must fit each other: both may suit a
    range without pages and still have different anon_vmas.
    """
    nxt = vmg.next
    if nxt is None or vmg.end != nxt.vm_start:
        return False
    if not is_mergeable_vma(seam, vmg, nxt) or not is_mergeable_anon_vma(vmg, nxt):
        return False
    if nxt.vm_pgoff != vmg.pgoff + ((vmg.end - vmg.start) >> PAGE_SHIFT):
        return False
    prev = vmg.prev
    if not can_merge_left or prev is None:
        return True
    return prev.anon_vma is None or nxt.anon_vma is None or prev.anon_vma is nxt.anon_vma


def can_merge_remove_vma(vma: Vma) -> bool:
    """Tell whether a merge may swallow a VMA: not when its owner wants to see it closed."""
    ops = vma.vm_ops
    return ops is None or not ops.has_close


def sticky_flags(mm: Mm) -> i64:
    """Return the flags that a merged VMA has when any part of it had them."""
    return VM_STICKY if mm.features.soft_dirty_is_sticky else VM_MAYBE_GUARD


def dup_anon_vma(seam: Seam, dst: Vma, src: Vma) -> i64:
    """Give `dst` the anon_vma of `src` if only that one has pages: 1 when it did, 0, or -ENOMEM."""
    if src.anon_vma is None or dst.anon_vma is not None:
        return 0
    dst.anon_vma = src.anon_vma
    err = seam.anon_vma_clone(dst, src)
    if err != 0:
        return err
    return 1


def commit_merge(seam: Seam, vmg: Vmg) -> i64:
    """Carry out the merge that `vmg` describes: 0, or -ENOMEM with nothing changed."""
    vmi = vmg.vmi
    middle, nxt, target = vmg.middle, vmg.next, vmg.target
    if target is None:
        return -ENOMEM
    vma = target
    if vmg.adjust_next_start and middle is not None and nxt is not None:
        # The target's start moves down over the end of middle, which is what shrinks.
        vma = middle
        vmi.config(vmg.end, nxt.vm_end)
    else:
        vmi.config(vmg.start, vmg.end)
    vp = init_multi_vma_prep(vma, vmg)
    if vmi.prealloc(vma) != 0:
        return -ENOMEM
    # Past this point nothing fails.
    vma_prepare(seam, vp)
    vma.vm_start, vma.vm_end, vma.vm_pgoff = vmg.start, vmg.end, vmg.pgoff
    adjusted = vp.adj_next
    if adjusted is not None:
        adjusted.vm_pgoff += (vmg.end - adjusted.vm_start) >> PAGE_SHIFT
        adjusted.vm_start = vmg.end
    vmi.store_overwrite(target)
    vma_complete(seam, vp, vmi, vmg.mm)
    return 0


def vma_merge_existing_range(vmg: Vmg) -> Vma | None:
    """Merge `[start, end)` of `middle`, whose properties in `vmg` are new, with its neighbours.

    Preconditions: `vmi` stands on middle; `prev` is the VMA below (middle itself when start lies
    inside it).  Returns the merged VMA, or None with `vmg.state` telling whether there was nothing
    to merge or no memory.  Kernel: vma_merge_existing_range().
    """
    seam = vmg.mm.seam
    middle = vmg.middle
    seam.mmap_assert_write_locked(vmg.mm)
    if vmg.mm.kernel.debug_vm:
        check_existing_vmg(vmg)
    vmg.state = VMA_MERGE_NOMERGE
    if middle is None or vmg.vm_flags & VM_SPECIAL != 0:
        return None
    vmi = vmg.vmi
    start, end = vmg.start, vmg.end
    left_side = start == middle.vm_start
    right_side = end == middle.vm_end
    merge_left = left_side and can_vma_merge_left(seam, vmg)
    merge_right = False
    if right_side:
        vmg.next = vmi.next_range()
        vmi.prev_range()
        merge_right = can_vma_merge_right(seam, vmg, merge_left)
    if not merge_left and not merge_right:
        return None
    vmg.remove_middle = left_side and right_side
    if vmg.remove_middle and not can_merge_remove_vma(middle):
        return None
    prev, nxt = vmg.prev, vmg.next
    if merge_left and merge_right and nxt is not None:
        vmg.remove_next = can_merge_remove_vma(nxt)
        merge_right = vmg.remove_next
    sticky = choose_existing_target(seam, vmg, middle, merge_left, merge_right)
    merged = vmg.target
    if merged is None:
        return None
    dup = 0
    if merge_left and prev is not None:
        source = nxt if merge_right and nxt is not None and nxt.anon_vma is not None else middle
        dup = dup_anon_vma(seam, prev, source)
    elif nxt is not None:
        dup = dup_anon_vma(seam, nxt, middle)
    if dup < 0 or commit_merge(seam, vmg) != 0:
        vmi.set(start)
        vmi.load()
        if dup > 0:
            seam.unlink_anon_vmas(merged)
        if not vmg.give_up_on_oom:
            vmg.state = VMA_MERGE_ERROR_NOMEM
        return None
    merged.vm_flags |= sticky
    vmg.state = VMA_MERGE_SUCCESS
    return merged


def choose_existing_target(
    seam: Seam, vmg: Vmg, middle: Vma, merge_left: bool, merge_right: bool
) -> i64:
    """Set the target and the merged range of an existing VMA's merge; answer its sticky flags."""
    kept: i64 = sticky_flags(vmg.mm)
    sticky: i64 = vmg.vm_flags & kept
    prev, nxt = vmg.prev, vmg.next
    start = vmg.start
    seam.vma_start_write(middle)
    if merge_right and nxt is not None:
        seam.vma_start_write(nxt)
        vmg.target = nxt
        sticky |= nxt.vm_flags & kept
    if merge_left and prev is not None:
        seam.vma_start_write(prev)
        vmg.target = prev
        sticky |= prev.vm_flags & kept
    if merge_left and prev is not None:
        #     |<------->|                 |<----------------->|
        #  prev middle...  becomes prev ..., and with next:
        #  |-----|######|----|            |-----|######|------|
        vmg.start, vmg.pgoff = prev.vm_start, prev.vm_pgoff
        if merge_right and nxt is not None:
            vmg.end = nxt.vm_end
        elif not vmg.remove_middle:
            vmg.adjust_middle_start = True
    elif nxt is not None:
        if vmg.remove_middle:
            #  |######|------|  ->  |-------------|
            #   middle  next             next
            vmg.pgoff = nxt.vm_pgoff - ((vmg.end - start) >> PAGE_SHIFT)
            vmg.end = nxt.vm_end
        else:
            #  |---|######|------|  ->  |---|-------------|
            #    middle     next       middle    next
            vmg.adjust_next_start = True
            vmg.start, vmg.end = middle.vm_start, start
            vmg.pgoff = middle.vm_pgoff
    return sticky


def vma_merge_new_range(vmg: Vmg) -> Vma | None:
    """Merge a range in which nothing is mapped with its neighbours.

    Preconditions: `prev` and `next` are set; nothing is mapped in `[start, end)`.  Returns the
    neighbour that grew, or None.  Kernel: vma_merge_new_range().
    """
    seam = vmg.mm.seam
    prev, nxt = vmg.prev, vmg.next
    end = vmg.end
    seam.mmap_assert_write_locked(vmg.mm)
    if vmg.mm.kernel.debug_vm:
        check_new_vmg(vmg)
    vmg.state = VMA_MERGE_NOMERGE
    if vmg.vm_flags & VM_SPECIAL != 0 or (prev is None and nxt is None):
        return None
    merge_left = can_vma_merge_left(seam, vmg)
    merge_right = not vmg.just_expand and can_vma_merge_right(seam, vmg, merge_left)
    if merge_left and vmg.prefers_next:
        merge_right = not vmg.just_expand and can_vma_merge_right(seam, vmg, False)
        merge_left = not merge_right or prev_suits_next(prev, nxt)
    if merge_right and nxt is not None:
        vmg.end = nxt.vm_end
        vmg.target = nxt
    if merge_left and prev is not None:
        vmg.start = prev.vm_start
        vmg.target = prev
        vmg.pgoff = prev.vm_pgoff
        if merge_right and nxt is not None and not can_merge_remove_vma(nxt):
            # next must stay, so only prev grows, up to it.
            vmg.end = end
    target = vmg.target
    if target is not None and vma_expand(vmg) == 0:
        vmg.state = VMA_MERGE_SUCCESS
        return target
    return None


def prev_suits_next(prev: Vma | None, nxt: Vma | None) -> bool:
    """Tell whether prev may join a range that next has joined, where next is asked first.

    It may with the same anon_vma, or with one of its own when next has none.
    """
    if prev is None or nxt is None:
        return False
    if prev.anon_vma is not None and nxt.anon_vma is None:
        return not vma_is_fork_child(prev)
    return prev.anon_vma is nxt.anon_vma


def vma_merge_copied_range(vmg: Vmg) -> Vma | None:
    """Merge the place that a VMA is moved to with its neighbours there.

    Preconditions: `middle` is the VMA that is copied.  Kernel: vma_merge_copied_range().
    """
    features = vmg.mm.features
    source = vmg.middle
    vmg.middle = None
    if not features.copy_merge_forgets_source:
        vmg.copied_from = source
    if (
        source is not None
        and features.copy_losing_userfaultfd_stays_apart
        and vma_has_uffd_without_event_remap(source)
    ):
        # The copy will have no context, its neighbours might.
        return None
    return vma_merge_new_range(vmg)


def vma_expand(vmg: Vmg) -> i64:
    """Grow `target` to `[start, end)`, swallowing `next` when the range covers it: 0 or -ENOMEM.

    Kernel: vma_expand().
    """
    seam = vmg.mm.seam
    target, nxt = vmg.target, vmg.next
    if target is None:
        return -ENOMEM
    seam.mmap_assert_write_locked(vmg.mm)
    seam.vma_start_write(target)
    kept: i64 = sticky_flags(vmg.mm)
    sticky: i64 = (vmg.vm_flags | target.vm_flags) & kept
    dup: i64 = 0
    if nxt is not None and target is not nxt and vmg.end == nxt.vm_end:
        dup = dup_anon_vma(seam, target, nxt)
        if dup < 0:
            return dup
        seam.vma_start_write(nxt)
        vmg.remove_next = True
        sticky |= nxt.vm_flags & kept
    if vmg.copied_from is not None:
        copied = dup_anon_vma(seam, target, vmg.copied_from)
        if copied < 0:
            return copied
        dup |= copied
    if commit_merge(seam, vmg) != 0:
        if dup > 0:
            seam.unlink_anon_vmas(target)
        if not vmg.give_up_on_oom:
            vmg.state = VMA_MERGE_ERROR_NOMEM
        return -ENOMEM
    target.vm_flags |= sticky
    return 0


def check_existing_vmg(vmg: Vmg) -> None:
    """Assert what `vma_merge_existing_range` takes for granted."""
    middle, prev = vmg.middle, vmg.prev
    VM_WARN_ON_VMG(middle is None, vmg, "vmg: an existing range without its VMA")
    if middle is None:
        return
    VM_WARN_ON_VMG(vmg.next is not None, vmg, "vmg: next is found by the merge, not given")
    low = prev is not None and vmg.start <= prev.vm_start
    VM_WARN_ON_VMG(low, vmg, "vmg: the range starts at or below prev")
    VM_WARN_ON_VMG(vmg.start >= vmg.end, vmg, "vmg: empty range")
    leaves = (middle is not prev and vmg.start != middle.vm_start) or vmg.end > middle.vm_end
    VM_WARN_ON_VMG(leaves, vmg, "vmg: the range leaves its VMA")
    stands = middle.vm_start <= vmg.vmi.addr() < middle.vm_end
    VM_WARN_ON_VMG(not stands, vmg, "vmg: the iterator does not stand on the VMA")
    copied = vmg.copied_from is not None
    VM_WARN_ON_VMG(copied, vmg, "vmg: a copied range is not an existing one")


def check_new_vmg(vmg: Vmg) -> None:
    """Assert what `vma_merge_new_range` takes for granted."""
    prev, nxt = vmg.prev, vmg.next
    VM_WARN_ON_VMG(vmg.middle is not None, vmg, "vmg: a new range with a VMA")
    found = vmg.target is not None
    VM_WARN_ON_VMG(found, vmg, "vmg: the target is found by the merge, not given")
    below = prev is not None and prev.vm_end > vmg.start
    VM_WARN_ON_VMG(below, vmg, "vmg: prev reaches into the range")
    above = nxt is not None and nxt.vm_start < vmg.end
    VM_WARN_ON_VMG(above, vmg, "vmg: next reaches into the range")


def vma_merge_extend(vmi: Vmi, vma: Vma, delta: i64) -> Vma | None:
    """Grow a VMA in place by `delta` bytes, merging with what follows: the VMA, or None.

    One that may not merge grows all the same, by itself.  Kernel: vma_merge_extend().
    """
    vmg = vmg_vma_state(vmi, vma, vma, vma.vm_end, vma.vm_end + delta)
    vmg.middle = None
    vmi.set(vma.vm_end)
    features = vma.vm_mm.features
    alone = not can_merge_remove_vma(vma) and not features.closed_vmas_grow
    if alone or not features.mremap_growth_merges:
        vmg.target = vma
        vmg.start, vmg.pgoff = vma.vm_start, vma.vm_pgoff
        return vma if vma_expand(vmg) == 0 else None
    vmg.next = vmi.find(TASK_SIZE_5LEVEL)
    return vma_merge_new_range(vmg)
