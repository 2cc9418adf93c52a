# SPDX-License-Identifier: GPL-2.0-or-later
"""Mapping a range once everything is decided: replace what is there, merge or make a VMA."""

from mypy_extensions import i64

from vmalab.linux.mm.vma.merge import vma_merge_new_range
from vmalab.linux.mm.vma.munmap import (
    do_munmap,
    do_vmi_munmap,
    vms_abort_munmap_vmas,
    vms_clean_up_area,
    vms_complete_munmap_vmas,
    vms_gather_munmap_vmas,
)
from vmalab.linux.mm.vma.prepare import vma_is_shared_maywrite, vma_link_file
from vmalab.linux.mm.vma.state import MmapState, Vmg, Vms
from vmalab.linux.mm.vma_init import vm_area_alloc, vm_area_free
from vmalab.linux.mm.vma_internal import (
    ENOMEM,
    PAGE_SHIFT,
    TASK_SIZE_5LEVEL,
    VM_ACCOUNT,
    VM_DROPPABLE,
    VM_HUGETLB,
    VM_LOCKED,
    VM_LOCKED_MASK,
    VM_NORESERVE,
    VM_SHARED,
    VM_SOFTDIRTY,
    VM_SPECIAL,
    VM_WRITE,
    File,
    Mm,
    MmapAction,
    Vma,
    VmAreaDesc,
    Vmi,
    call_vma_mapped,
    forget_charge,
    ksm_is_early,
    ksm_vma_flags,
    map_deny_write_exec,
    mapping_map_writable,
    mapping_unmap_writable,
    may_expand_vm,
    mmap_action_prepare,
    mmap_file,
    security_vm_enough_memory_mm,
    shmem_zero_setup,
    vfs_mmap_prepare,
    vm_stat_account,
    vm_unacct_memory,
    vma_dummy_vm_ops,
)


def mmap_region(
    mm: Mm,
    file: File | None,
    addr: i64,
    length: i64,
    vm_flags: i64,
    pgoff: i64,
    uf: list[object] | None,
) -> i64:
    """Map `[addr, addr + length)` (bytes, page aligned), replacing what is mapped there.

    Returns `addr` or a negative errno: EACCES (PR_SET_MDWE forbids writable and executable), EPERM
    (sealed file or sealed VMA in the range), ENOMEM (limits, overcommit, memory), or the file's own
    refusal.  An error leaves the old mappings, except one of the file itself: by then they are
    gone. Kernel: mmap_region().
    """
    seam = mm.seam
    seam.mmap_assert_write_locked(mm)
    err = map_deny_write_exec(mm, vm_flags, vm_flags)
    if err != 0:
        return err
    counted = file is not None and vma_is_shared_maywrite(vm_flags)
    if counted and file is not None:
        err = mapping_map_writable(file.inode.i_mapping)
        if err != 0:
            return mm.blame(-err, "prot", "the file is sealed against writing")
    vmi = Vmi(mm, addr)
    first = vmi.find(addr + length)
    vms = Vms(vmi, first, addr, addr + length)
    vms.uf = uf
    result = _mmap_region(MmapState(mm, vmi, addr, length, pgoff, vm_flags, file, vms))
    if counted and file is not None:
        mapping_unmap_writable(file.inode.i_mapping)
    seam.validate_mm(mm)
    return result


def _mmap_region(state: MmapState) -> i64:
    """Do the part of `mmap_region` past the file's write count: the address or a negative errno."""
    mm = state.mm
    prepares = state.file is not None and state.file.f_op.has_mmap_prepare
    error = mmap_setup(state)
    late = False
    if error == 0 and state.file is not None:
        asked = state.vm_flags
        error = call_mmap_prepare(state, state.file)
        if error != 0:
            unacct_refused(state)
        # Flags that were set after a first try to merge had a second only with a prev.
        late = asked != state.vm_flags and not mm.features.file_flags_before_merge
    if error != 0:
        vms_abort_munmap_vmas(mm, state.vms)
        return error
    if ksm_is_early(mm, state.file):
        state.vm_flags = ksm_vma_flags(mm, state.file, state.vm_flags)
    vma: Vma | None = None
    made = False
    if state.prev is not None or (state.next is not None and not late):
        vmg = Vmg(mm, state.vmi, state.addr, state.end, state.vm_flags, state.pgoff)
        vmg.file = state.file
        vmg.prev, vmg.next = state.prev, state.next
        vmg.prefers_next = mm.features.mmap_merges_next_first
        vma = vma_merge_new_range(vmg)
    if vma is None:
        vma = vm_area_alloc(mm)
        if vma is None:
            error = -ENOMEM
        else:
            error = mmap_new_vma(state, vma)
            if error != 0:
                vm_area_free(vma)
        made = True
    if vma is None or error != 0:
        unacct_refused(state)
        if state.file_doesnt_need_get and state.file is not None:
            mm.seam.fput(state.file)
        vms_abort_munmap_vmas(mm, state.vms)
        return error
    mmap_complete(state, vma)
    if made and prepares:
        error = mmap_action_complete(vma, state.action)
    return state.addr if error == 0 else error


def call_mmap_prepare(state: MmapState, file: File) -> i64:
    """Let the file say what the mapping will be, and take that over: 0 or -errno."""
    desc = VmAreaDesc(state.mm, file, state.addr, state.end, state.pgoff, state.vm_flags)
    error = vfs_mmap_prepare(desc)
    if error == 0:
        error = mmap_action_prepare(desc)
    if error != 0:
        return error
    state.pgoff = desc.pgoff
    if desc.vm_file is not file:
        state.file_doesnt_need_get = True
        state.file = desc.vm_file
    state.vm_flags = desc.vm_flags
    state.vm_ops = desc.vm_ops
    state.action = desc.action
    return 0


def mmap_action_complete(vma: Vma, action: MmapAction | None) -> i64:
    """Let the owner of a new VMA have the last word: 0, or -errno when it is unmapped again.

    Kernel: mmap_action_complete(), mmap_action_finish().
    """
    mm = vma.vm_mm
    error = call_vma_mapped(vma)
    file = vma.vm_file
    if action is not None and action.hide_from_rmap_until_complete and file is not None:
        mm.seam.i_mmap_unlock_write(file.inode.i_mapping)
    if error == 0:
        return 0
    do_munmap(mm, vma.vm_start, vma.vm_end - vma.vm_start, None)
    if action is not None and action.error_override != 0:
        return mm.answer(-action.error_override)
    return error


def mmap_setup(state: MmapState) -> i64:
    """Gather what the range replaces, check limits, charge memory, clear the place: 0 or -errno."""
    mm, vms, vmi = state.mm, state.vms, state.vmi
    if not mm.features.mmap_charges_before_unmapping:
        return mmap_setup_unmapping_first(state)
    if vms.vma is not None:
        error = vms_gather_munmap_vmas(mm, vms)
        if error != 0:
            vms.nr_pages = 0
            return error
        state.prev, state.next = vms.prev, vms.next
    else:
        vmi.set(state.end)
        state.next = vmi.find(TASK_SIZE_5LEVEL)
        state.prev = vmi.prev()
    if not may_expand_vm(mm, state.vm_flags, state.pglen - vms.nr_pages):
        return -ENOMEM
    if accountable_mapping(state):
        uncharged = state.pglen - vms.nr_accounted
        if uncharged != 0 and security_vm_enough_memory_mm(mm, uncharged) != 0:
            return -ENOMEM
        state.charged = state.pglen
        state.charged_before = vms.nr_accounted
        vms.nr_accounted = 0
        state.vm_flags |= VM_ACCOUNT
    vms_clean_up_area(mm, vms)
    return 0


def mmap_setup_unmapping_first(state: MmapState) -> i64:
    """`mmap_setup` of kernels that unmap for good before they charge: 0 or -ENOMEM."""
    mm, vmi = state.mm, state.vmi
    replaced = pages_in_range(state)
    if not may_expand_vm(mm, state.vm_flags, state.pglen - replaced):
        return -ENOMEM
    if state.vms.vma is not None:
        vmi.set(state.addr)
        error = do_vmi_munmap(vmi, mm, state.addr, state.end - state.addr, state.vms.uf)
        state.vms = Vms(vmi, None, state.addr, state.end)
        if error != 0:
            return mm.answer(ENOMEM)
    vmi.set(state.end)
    state.next = vmi.find(TASK_SIZE_5LEVEL)
    state.prev = vmi.prev()
    if accountable_mapping(state):
        if security_vm_enough_memory_mm(mm, state.pglen) != 0:
            return -ENOMEM
        state.charged = state.pglen
        state.vm_flags |= VM_ACCOUNT
    return 0


def unacct_refused(state: MmapState) -> None:
    """Return the charge of a mapping that is not to be, and of what it replaced, if anybody does.

    Kernel: `unacct_error` in __mmap_region().
    """
    mm = state.mm
    charged = state.charged
    if mm.features.refused_mapping_keeps_charge:
        charged -= state.charged_before
        forget_charge(mm.kernel, state.charged_before)
    vm_unacct_memory(mm.kernel, charged)


def pages_in_range(state: MmapState) -> i64:
    """Return how many pages of the range are mapped (`count_vma_pages_range`)."""
    pages: i64 = 0
    vmi = Vmi(state.mm, state.addr)
    vma = vmi.find(state.end)
    while vma is not None:
        pages += (min(vma.vm_end, state.end) - max(vma.vm_start, state.addr)) >> PAGE_SHIFT
        vma = vmi.find(state.end)
    return pages


def accountable_mapping(state: MmapState) -> bool:
    """Tell whether the mapping counts against the commit limit: private, writable, reserving."""
    file = state.file
    if file is not None and file.f_op.is_hugetlb:
        return False
    return state.vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE


def mmap_new_vma(state: MmapState, vma: Vma) -> i64:
    """Fill in a new VMA, let the file or shmem set it up, store it: 0 or -errno.

    On error the VMA belongs to nobody again.  Kernel: __mmap_new_vma().
    """
    mm, vmi = state.mm, state.vmi
    seam = mm.seam
    file = state.file
    vma.vm_start, vma.vm_end, vma.vm_pgoff = state.addr, state.end, state.pgoff
    vma.vm_flags = state.vm_flags
    vmi.config(state.addr, state.end)
    if vmi.prealloc(vma) != 0:
        return -ENOMEM
    error: i64 = 0
    if file is not None:
        vma.vm_file = file
        if not state.file_doesnt_need_get:
            seam.get_file(file)
        error = mmap_file(file, vma)
        if error != 0:
            seam.fput(file)
            vma.vm_file = None
        elif state.vm_ops is not vma_dummy_vm_ops:
            vma.vm_ops = state.vm_ops
    elif state.vm_flags & VM_SHARED != 0:
        error = shmem_zero_setup(vma)
    if error != 0:
        vmi.free()
        return error
    if not ksm_is_early(mm, file):
        vma.vm_flags = ksm_vma_flags(mm, vma.vm_file, vma.vm_flags)
    state.vm_flags = vma.vm_flags
    seam.vma_start_write(vma)
    vmi.store_new(vma)
    mm.map_count += 1
    hidden = state.action is not None and state.action.hide_from_rmap_until_complete
    vma_link_file(seam, vma, hidden)
    return 0


def mmap_complete(state: MmapState, vma: Vma) -> None:
    """Let the replaced VMAs go, count the new pages; cannot fail.  Kernel: __mmap_complete()."""
    mm = state.mm
    vms_complete_munmap_vmas(mm, state.vms)
    vm_stat_account(mm, vma.vm_flags, state.pglen)
    if vma.vm_flags & VM_LOCKED != 0:
        droppable = vma.vm_flags & VM_DROPPABLE != 0
        if vma_supports_mlock(vma.vm_flags) or (droppable and mm.features.mlockall_locks_droppable):
            mm.locked_vm += state.pglen
        else:
            vma.vm_flags &= ~VM_LOCKED_MASK
    if mm.config.soft_dirty:
        vma.vm_flags |= VM_SOFTDIRTY


def vma_supports_mlock(vm_flags: i64) -> bool:
    """Tell whether pages of such a VMA can be locked: no device, huge or droppable ones."""
    return vm_flags & (VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE) == 0
