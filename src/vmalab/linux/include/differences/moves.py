# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between kernels in mremap: its checks, and what it moves and leaves behind."""

from typing import Final

from vmalab.linux.include.feature import Area, Commit, Feature

MOVES: Final = Area(
    "mremap",
    (
        Feature(
            "mremap_looks_up_first",
            "mremap of an address where nothing is mapped is EFAULT at once. Before, the "
            "destination and the tail of a shrinking source were unmapped first, and shrinking in "
            "place succeeded.",
            since=(6, 1),
            brought=Commit(
                "550a7d60bd5e",
                "mm, hugepages: add mremap() support for hugepage backed vma",
                "v5.16",
            ),
        ),
        Feature(
            "mremap_moves_huge_pages",
            "mremap moves huge pages. Before, EINVAL.",
            since=(6, 1),
            brought=Commit(
                "550a7d60bd5e",
                "mm, hugepages: add mremap() support for hugepage backed vma",
                "v5.16",
            ),
        ),
        Feature(
            "mremap_growth_merges",
            "What mremap grows in place merges with what follows.",
            since=(6, 1),
            brought=Commit("ca3d76b0aa80", "mm: add merging after mremap resize"),
        ),
        Feature(
            "dontunmap_any_memory",
            "MREMAP_DONTUNMAP takes files and shared memory. Before, only private anonymous.",
            since=(6, 1),
            brought=Commit(
                "a4609387859f", "mm: extend MREMAP_DONTUNMAP to non-anonymous mappings", "v5.13"
            ),
        ),
        Feature(
            "dontunmap_charges_next",
            "MREMAP_DONTUNMAP of the middle of a VMA gives VM_ACCOUNT to the VMA above it.",
            until=(6, 1),
        ),
        Feature(
            "dontunmap_keeps_anon_vma",
            "MREMAP_DONTUNMAP of a whole VMA leaves the source its anon_vma.",
            until=(6, 1),
            ended=Commit(
                "1583aa278f52",
                "mm: mremap: unlink anon_vmas when mremap with MREMAP_DONTUNMAP success",
                "v5.13",
            ),
        ),
        Feature(
            "dontunmap_is_never_refused",
            "MREMAP_DONTUNMAP charges the pages of the copy whatever the commit limit is.",
            until=(6, 1),
        ),
        Feature(
            "mremap_checks_arguments_first",
            "mremap checks its arguments, lengths near 2^64 among them, before it looks up or "
            "unmaps anything. With MREMAP_FIXED and equal lengths it moves several VMAs and keeps "
            "the holes between them.",
            since=(6, 17),
            brought=Commit(
                "d23cb648e365", "mm/mremap: permit mremap() move of multiple VMAs", "v6.17"
            ),
        ),
        Feature(
            "mremap_checks_new_address_early",
            "mremap checks the alignment of a new address, and the map count, before it looks up "
            "the old one, and looks the old one up again once the new place is cleared.",
            since=(6, 16),
        ),
        Feature(
            "copy_merge_forgets_source",
            "What mremap moves beside unfaulted memory that it merges with leaves its anon_vma "
            "behind; one inherited by fork does not keep them apart.",
            since=(6, 16),
            until=(6, 19),
            backported=((6, 18, 8),),
            ended=Commit(
                "61f67c230a5e",
                "mm/vma: fix anon_vma UAF on mremap() faulted, unfaulted merge",
                "v6.19",
            ),
        ),
        Feature(
            "mremap_checks_map_count_always",
            "Every mremap is refused when fewer than four more VMAs are allowed. Before, only one "
            "to a new address, by different arithmetic.",
            since=(7, 1),
        ),
        Feature(
            "dontunmap_keeps_locked_vm",
            "mremap of a locked VMA with MREMAP_DONTUNMAP still counts the source's pages as "
            "locked, though it no longer is: VmLck stays too high.",
            since=(6, 16),
            until=(7, 2),
        ),
        Feature(
            "dontunmap_unlocks_whole_vma",
            "mremap of part of a locked VMA with MREMAP_DONTUNMAP unlocks all of it instead of "
            "splitting that part off.",
            until=(7, 2),
            backported=((6, 1, 192), (6, 12, 117)),
            ended=Commit(
                "597e4b9ab48a",
                "mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP",
            ),
        ),
        Feature(
            "dontunmap_may_self_merge",
            "MREMAP_DONTUNMAP of unfaulted memory to an adjacent address merges copy and source.",
            until=(7, 2),
            backported=((6, 1, 192), (6, 12, 117)),
            ended=Commit(
                "838bb60dc215", "mm/mremap: fix locked_vm leak from MREMAP_DONTUNMAP self-merge"
            ),
        ),
        Feature(
            "dontunmap_beside_stays_alone",
            "MREMAP_DONTUNMAP of unfaulted memory to an adjacent address does not merge. Later, "
            "the copy merges with its other neighbour.",
            until=(6, 12),
        ),
        Feature(
            "dontunmap_clears_account",
            "MREMAP_DONTUNMAP clears VM_ACCOUNT of the whole source: its charge is never returned.",
            since=(6, 16),
            until=(6, 18),
            backported=((6, 17, 6),),
            ended=Commit(
                "0e59f47c15ce",
                "mm/mremap: correctly account old mapping after MREMAP_DONTUNMAP remap",
                "v6.18",
            ),
        ),
        Feature(
            "dontunmap_keeps_pgoff",
            "MREMAP_DONTUNMAP of a whole anonymous VMA leaves the source its old page offset, so "
            "it may never merge again.",
            since=(6, 16),
            until=(7, 2),
            ended=Commit(
                "35b0fb391b0d",
                "mm/mremap: reset unfaulted VMA page offset for MREMAP_DONTUNMAP",
            ),
        ),
        Feature(
            "private_file_anon_pgoff",
            "Private file mappings have a second page offset for their anonymous pages. A move "
            "keeps it, and a merge compares it.",
            since=(7, 3),
        ),
        Feature(
            "copy_losing_userfaultfd_stays_apart",
            "What mremap moves out of a userfaultfd without UFFD_FEATURE_EVENT_REMAP does not "
            "merge. Before, it merged with a neighbour of the same userfaultfd, which lost it too.",
            since=(7, 3),
        ),
    ),
)
