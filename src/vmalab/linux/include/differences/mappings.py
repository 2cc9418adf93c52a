# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between kernels in mapping, merging, protecting, locking and advising memory."""

from typing import Final

from vmalab.linux.include.feature import Area, Commit, Feature

MAPPINGS: Final = Area(
    "Mappings",
    (
        Feature(
            "exec_denies_writing",
            "What exec maps of files has VM_DENYWRITE, dw in smaps, which a merge compares.",
            until=(6, 1),
            ended=Commit("8d0920bde5eb", "mm: remove VM_DENYWRITE", "v5.15"),
        ),
        Feature(
            "guard_gaps_are_no_room",
            "The search for room takes a stack's guard gap for mapped. Later, it first chooses a "
            "hole without regard to guard gaps, and then passes over all holes in a gap.",
            until=(6, 1),
            ended=Commit(
                "3499a13168da", "mm/mmap: use maple tree for unmapped_area{_topdown}", "v6.1"
            ),
        ),
        Feature(
            "brk_merges_below_start",
            "The first growth of the heap already merges with what ends there, such as bss.",
            until=(6, 1),
            ended=Commit(
                "2e7ce7d354f2", "mm/mmap: change do_brk_flags() to expand existing VMA", "v6.1"
            ),
        ),
        Feature(
            "brk_shrinks_over_holes",
            "brk moves down over a hole where the heap was. Later, it stays.",
            until=(6, 1),
        ),
        Feature(
            "lockonfault_needs_access",
            "MLOCK_ONFAULT of memory that allows no access is ENOMEM, though it is locked then.",
            until=(6, 1),
            ended=Commit(
                "b67bf49ce7aa", "mm/munlock: delete FOLL_MLOCK and FOLL_POPULATE", "v5.18"
            ),
        ),
        Feature(
            "special_mappings_stay_whole",
            "[vdso], [vvar] and the like cannot be split.",
            since=(6, 1),
            brought=Commit("871402e05b24", "mm: forbid splitting special mappings", "v5.11"),
        ),
        Feature(
            "madvise_limit_is_eagain",
            "An advice that the map count does not allow is EAGAIN. Before, ENOMEM.",
            since=(6, 1),
            brought=Commit(
                "ac1e9acc5acf", "mm: rearrange madvise code to allow for reuse", "v5.17"
            ),
        ),
        Feature(
            "madvise_populate",
            "MADV_POPULATE_READ and MADV_POPULATE_WRITE exist.",
            since=(6, 1),
            brought=Commit(
                "4ca9b3859dac",
                "mm/madvise: introduce MADV_POPULATE_(READ|WRITE) to prefault page tables",
                "v5.14",
            ),
        ),
        Feature(
            "madvise_dontneed_locked",
            "MADV_DONTNEED_LOCKED exists.",
            since=(6, 1),
            brought=Commit("9457056ac426", "mm: madvise: MADV_DONTNEED_LOCKED", "v5.18"),
        ),
        Feature(
            "madvise_collapse",
            "MADV_COLLAPSE exists.",
            since=(6, 1),
            brought=Commit(
                "7d8faaf15545",
                "mm/madvise: introduce MADV_COLLAPSE sync hugepage collapse",
                "v6.1",
            ),
        ),
        Feature(
            "dontneed_drops_huge_pages",
            "MADV_DONTNEED takes huge pages. Before, EINVAL.",
            since=(6, 1),
            brought=Commit(
                "90e7e7f5ef3f", "mm: enable MADV_DONTNEED for hugetlb mappings", "v5.18"
            ),
        ),
        Feature(
            "dropped_huge_pages_stay_reserved",
            "Huge pages that a private mapping loses to MADV_DONTNEED, a hole or a truncation "
            "stay reserved for it. Before, the pool had them back.",
            since=(6, 12),
            brought=Commit("df7a6d1f6405", "mm/hugetlb: restore the reservation if needed", "v6.9"),
        ),
        Feature(
            "thp_aligns_anonymous",
            "An anonymous private mapping without a hint whose length is a multiple of 2 MiB is "
            "placed 2 MiB aligned.",
            since=(6, 12),
            brought=Commit(
                "efa7df3e3bb5",
                "mm: align larger anonymous mappings on THP boundaries",
                "v6.7",
            ),
        ),
        Feature(
            "map_stack_sets_nohugepage",
            "MAP_STACK gives a VMA VM_NOHUGEPAGE.",
            since=(6, 12),
            brought=Commit("c4608d1bf7c6", "mm: mmap: map MAP_STACK to VM_NOHUGEPAGE", "v6.8"),
        ),
        Feature(
            "map_droppable",
            "MAP_DROPPABLE exists.",
            since=(6, 12),
            brought=Commit(
                "9651fcedf7b9",
                "mm: add MAP_DROPPABLE for designating always lazily freeable mappings",
                "v6.11",
            ),
        ),
        Feature(
            "mmap_charges_before_unmapping",
            "A mapping that replaces others is charged before they are unmapped. Before, a refused "
            "charge lost them, and any failure to unmap them was ENOMEM.",
            since=(6, 12),
        ),
        Feature(
            "mmap_merges_next_first",
            "A new mapping that fits both neighbours, which do not fit each other, or between an "
            "unfaulted prev and a faulted next, merges with next. In other versions, it merges "
            "with prev, or all three merge.",
            since=(6, 1),
            until=(6, 12),
            ended=Commit("cacded5e42b9", "mm: avoid using vma_merge() for new VMAs", "v6.12"),
        ),
        Feature(
            "closed_vmas_grow",
            "A VMA whose vm_ops have close(), as one of a System V segment, may be extended by a "
            "merge, never removed. Before, it did not merge.",
            since=(6, 12),
            brought=Commit(
                "714965ca8252",
                "mm/mmap: start distinguishing if vma can be removed in mergeability test",
            ),
        ),
        Feature(
            "refused_mapping_keeps_charge",
            "A mapping that its own file or want of memory refuses does not return what those that "
            "it replaced were charged: Committed_AS stays too high by that.",
            since=(6, 12),
            until=(7, 3),
        ),
        Feature(
            "unlinks_files_in_batches",
            "Neighbours of one file that are unmapped together leave its reverse map up to eight "
            "under one lock. Before, each took the lock.",
            since=(6, 12),
        ),
        Feature(
            "merge_touched_into_untouched",
            "A changed VMA that is faulted merges with an equal neighbour that is not. Before, "
            "only an unfaulted VMA merged with a faulted neighbour.",
            since=(6, 16),
            brought=Commit(
                "879bca0a2c4f",
                "mm/vma: fix incorrectly disallowed anonymous VMA merges",
                "v6.16",
            ),
        ),
        Feature(
            "soft_dirty_is_sticky",
            "A merge of existing VMAs is soft-dirty when a part was. Before, it was so when the "
            "changed part was.",
            since=(6, 19),
            backported=((6, 18, 37),),
            brought=Commit("bf14d4a05387", "mm: propagate VM_SOFTDIRTY on merge", "v6.19"),
        ),
        Feature(
            "mprotect_uncharges_untouched",
            "mprotect that takes write permission from an unfaulted VMA returns its charge and "
            "clears VM_ACCOUNT.",
            since=(6, 12),
        ),
        Feature(
            "mlock_counts_in_int",
            "mlock and munlock count the pages of a VMA in 32 bits: VmLck is wrong for 8 TiB and "
            "more.",
            until=(7, 3),
            backported=((6, 12, 117),),
        ),
        Feature(
            "mlockall_locks_droppable",
            "mlockall(MCL_FUTURE) locks MAP_DROPPABLE memory.",
            since=(6, 12),
            until=(7, 0),
            backported=((6, 12, 117), (6, 18, 44)),
            ended=Commit("d239462787b0", "mm: prevent droppable mappings from being locked"),
        ),
        Feature(
            "populate_stops_at_hole",
            "MADV_POPULATE_* stops at a hole with ENOMEM. Before, it continued behind the hole, "
            "and an error there took precedence.",
            since=(6, 12),
            brought=Commit(
                "fa9fcd8bb6e4",
                "mm/madvise: don't perform madvise VMA walk for MADV_POPULATE_(READ|WRITE)",
                "v6.10",
            ),
        ),
        Feature(
            "dontneed_frees_page_tables",
            "MADV_DONTNEED frees the page tables that it leaves empty.",
            since=(6, 16),
            brought=Commit(
                "6375e95f381e",
                "mm: pgtable: reclaim empty PTE page in madvise(MADV_DONTNEED)",
                "v6.14",
            ),
        ),
        Feature(
            "guard_regions",
            "MADV_GUARD_INSTALL and MADV_GUARD_REMOVE exist.",
            since=(6, 16),
            brought=Commit(
                "662df3e5c376", "mm: madvise: implement lightweight guard page mechanism", "v6.13"
            ),
        ),
        Feature(
            "guard_flag",
            "A VMA with guard regions has VM_MAYBE_GUARD, gu in smaps. Before, a file's got an "
            "anon_vma instead.",
            since=(6, 19),
            backported=((6, 18, 37),),
            brought=Commit(
                "5dba5cc2e0ff",
                "mm: introduce VM_MAYBE_GUARD and make visible in /proc/$pid/smaps",
                "v6.19",
            ),
        ),
        Feature(
            "unmergeable_drops_high_flags",
            "MADV_UNMERGEABLE of mergeable memory clears all flags above bit 31 too: the seal, the "
            "key, MAP_DROPPABLE.",
            until=(6, 18),
            backported=((6, 1, 192), (6, 12, 117), (6, 17, 4)),
            ended=Commit(
                "f04aad36a07c", "mm/ksm: fix flag-dropping behavior in ksm_madvise", "v6.18"
            ),
        ),
        Feature(
            "pkey_alloc_tries_without_keys",
            "pkey_alloc on a processor without protection keys takes key 0 before it finds that "
            "out: EINVAL at first. In other versions, ENOSPC.",
            until=(7, 2),
            backported=((6, 1, 192), (6, 12, 117)),
        ),
        Feature(
            "dofork_refuses_special",
            "MADV_DOFORK refuses every special VMA. Before, only one with VM_IO.",
            since=(7, 0),
        ),
        Feature(
            "collapse_takes_what_is_read_only",
            "MADV_COLLAPSE of private memory needs a page table alone. Before, it needed a page in "
            "it that can be written to.",
            since=(6, 18),
        ),
        Feature(
            "collapse_of_no_huge_page_passes",
            "MADV_COLLAPSE of a range that lies within one huge page succeeds. Before, it was "
            "EINVAL.",
            since=(7, 2),
        ),
        Feature(
            "mseal",
            "The call mseal exists.",
            since=(6, 12),
            brought=Commit("8be7258aad44", "mseal: add mseal syscall", "v6.10"),
        ),
        Feature(
            "seal_guards_private_zero",
            "A seal refuses advice that discards a private mapping of /dev/zero that cannot be "
            "written. Before, only memory without a file was protected.",
            since=(6, 17),
            brought=Commit("d0b47a6866f1", "mm/mseal: update madvise() logic", "v6.17"),
        ),
    ),
)
