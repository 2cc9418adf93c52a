# SPDX-License-Identifier: GPL-2.0-or-later
"""The core VMA operations, one concern a file; they know the rest of the kernel by the seam alone.

Mirrors mm/vma.c (v6.18).  Everything here imports `vmalab.linux.mm.vma_internal` and its siblings,
and nothing else.  Where a kernel function is:

    merge.py          is_mergeable_vma, is_mergeable_anon_vma, can_vma_merge_left,
                      can_vma_merge_right, vma_merge_new_range, vma_merge_existing_range,
                      vma_merge_copied_range, vma_merge_extend, vma_expand, commit_merge,
                      dup_anon_vma
    split.py          split_vma, vma_shrink
    modify.py         vma_modify, vma_modify_flags, vma_modify_name, vma_modify_policy,
                      vma_modify_flags_uffd
    munmap.py         do_munmap, do_vmi_munmap, do_vmi_align_munmap, vms_gather_munmap_vmas,
                      vms_complete_munmap_vmas, vms_abort_munmap_vmas, vms_clear_ptes,
                      vms_clean_up_area, reattach_vmas, remove_vma, free_pgtables
    mmap_region.py    mmap_region, mmap_setup, call_mmap_prepare, mmap_new_vma, mmap_complete,
                      mmap_action_complete, accountable_mapping
    prepare.py        vma_prepare, vma_complete, init_vma_prep, init_multi_vma_prep,
                      vma_link_file, unlink_file_vma_batch_final
    anon_vma.py       anon_vma_prepare, anon_vma_compatible, reusable_anon_vma,
                      find_mergeable_anon_vma
    copy.py           copy_vma
    link.py           vma_link, insert_vm_struct, install_special_mapping
    brk.py            do_brk_flags
    stack.py          expand_downwards, expand_upwards, acct_stack_growth
    unmapped_area.py  vm_unmapped_area, unmapped_area, unmapped_area_topdown
    locks.py          mm_take_all_locks, mm_drop_all_locks
    state.py          Vmg (vma_merge_struct), Vms (vma_munmap_struct), VmaPrepare (vma_prepare),
                      MmapState (mmap_state), UnmappedAreaInfo (vm_unmapped_area_info)
    dump.py           dump_vmg, VM_WARN_ON_VMG
    validate.py       ours: every invariant of an address space
"""
