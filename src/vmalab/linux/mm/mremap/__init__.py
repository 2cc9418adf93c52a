# SPDX-License-Identifier: GPL-2.0-or-later
"""mremap: growing, shrinking and moving mappings.

Mirrors mm/mremap.c (v6.18).  Where a kernel function is:

    mremap.py         ksys_mremap (the system call), check_mremap_params, check_prep_vma,
                      mremap_at, mremap_to, remap_move; map_count_for_request is the check of
                      vm.max_map_count
    move_vma.py       what all kernels share: Vrm (vma_remap_struct), move_vma, shrink_vma,
                      expand_vma, prep_move_vma (its own check of vm.max_map_count),
                      dontunmap_complete, unmap_source_vma, vma_expandable
    looking_first.py  the order of checks before 6.17, when one call moved one VMA
"""
