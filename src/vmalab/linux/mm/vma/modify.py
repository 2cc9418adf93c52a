# SPDX-License-Identifier: GPL-2.0-or-later
"""Giving a range of one VMA other properties: merge it with its neighbours, or cut it out.

Each entry answers the `Vmg`: `error` is 0 or a negative errno, `result` the VMA that covers the
range, to which the caller then gives its new property.  `vm_flags` are the flags the result shall
have: after a merge they include the sticky ones of the parts.
"""

from mypy_extensions import i64

from vmalab.linux.mm.vma.merge import vma_merge_existing_range, vmg_vma_state
from vmalab.linux.mm.vma.split import split_vma
from vmalab.linux.mm.vma.state import VMA_MERGE_ERROR_NOMEM, VMA_MERGE_SUCCESS, Vmg
from vmalab.linux.mm.vma_internal import ENOMEM, VM_SOFTDIRTY, Mempolicy, UserfaultfdCtx, Vma, Vmi


def vma_modify(vmg: Vmg) -> Vmg:
    """Merge, or split off, the range that `vmg` describes.

    Errors: ENOMEM (no memory for the merge, or splitting exceeds vm.max_map_count; a first split
    is not undone when the second fails), EINVAL (the owner refuses to split).
    Kernel: vma_modify().
    """
    vma = vmg.middle
    if vma is None:
        vmg.error = -ENOMEM
        return vmg
    start, end = vmg.start, vmg.end
    merged = vma_merge_existing_range(vmg)
    if merged is not None:
        vmg.result = merged
        return vmg
    if vmg.state == VMA_MERGE_ERROR_NOMEM:
        vmg.error = -ENOMEM
        return vmg
    if vma.vm_start < start:
        vmg.error = split_vma(vmg.vmi, vma, start, True)
    if vmg.error == 0 and vma.vm_end > end:
        vmg.error = split_vma(vmg.vmi, vma, end, False)
    vmg.result = vma
    return vmg


def take_merged_flags(vmg: Vmg) -> Vmg:
    """Let the flags that the result shall have include the sticky ones of what was merged."""
    result = vmg.result
    if vmg.state == VMA_MERGE_SUCCESS and result is not None:
        flags = result.vm_flags
        if not vmg.mm.features.soft_dirty_is_sticky:
            flags = flags & ~VM_SOFTDIRTY | vmg.vm_flags & VM_SOFTDIRTY
        vmg.vm_flags = flags
    return vmg


def vma_modify_flags(
    vmi: Vmi, prev: Vma | None, vma: Vma, start: i64, end: i64, vm_flags: i64
) -> Vmg:
    """Prepare `[start, end)` of a VMA for other flags."""
    vmg = vmg_vma_state(vmi, prev, vma, start, end)
    vmg.vm_flags = vm_flags
    return take_merged_flags(vma_modify(vmg))


def vma_modify_name(
    vmi: Vmi, prev: Vma | None, vma: Vma, start: i64, end: i64, anon_name: str | None
) -> Vmg:
    """Prepare `[start, end)` of a VMA for another name."""
    vmg = vmg_vma_state(vmi, prev, vma, start, end)
    vmg.anon_name = anon_name
    return vma_modify(vmg)


def vma_modify_policy(
    vmi: Vmi, prev: Vma | None, vma: Vma, start: i64, end: i64, policy: Mempolicy | None
) -> Vmg:
    """Prepare `[start, end)` of a VMA for another NUMA policy."""
    vmg = vmg_vma_state(vmi, prev, vma, start, end)
    vmg.policy = policy
    return vma_modify(vmg)


def vma_modify_flags_uffd(
    vmi: Vmi,
    prev: Vma | None,
    vma: Vma,
    start: i64,
    end: i64,
    vm_flags: i64,
    ctx: UserfaultfdCtx | None,
    give_up_on_oom: bool,
) -> Vmg:
    """Prepare `[start, end)` of a VMA for another userfaultfd context and its flags."""
    vmg = vmg_vma_state(vmi, prev, vma, start, end)
    vmg.vm_flags = vm_flags
    vmg.uffd_ctx = ctx
    if vma.vm_mm.features.userfaultfd_mistakes_offset:
        vmg.pgoff = vma.vm_pgoff
    vmg.give_up_on_oom = give_up_on_oom
    return take_merged_flags(vma_modify(vmg))
