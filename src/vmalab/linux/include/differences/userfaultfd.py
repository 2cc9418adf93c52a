# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between kernels in userfaultfd: what can be registered, protected and filled."""

from typing import Final

from vmalab.linux.include.feature import Area, Commit, Feature

USERFAULTFD: Final = Area(
    "userfaultfd",
    (
        Feature(
            "userfaultfd_user_mode_only",
            "userfaultfd knows UFFD_USER_MODE_ONLY.",
            since=(6, 1),
            brought=Commit("37cd0575b849", "userfaultfd: add UFFD_USER_MODE_ONLY", "v5.11"),
        ),
        Feature(
            "userfaultfd_minor",
            "UFFDIO_REGISTER_MODE_MINOR, UFFDIO_CONTINUE and the features 0x200 and 0x400 of "
            "UFFDIO_API exist.",
            since=(6, 1),
            brought=Commit(
                "7677f7fd8be7", "userfaultfd: add minor fault registration mode", "v5.13"
            ),
        ),
        Feature(
            "userfaultfd_exact_address",
            "The feature 0x800 of UFFDIO_API exists.",
            since=(6, 1),
            brought=Commit(
                "824ddc601adc", "userfaultfd: provide unmasked address on page-fault", "v5.18"
            ),
        ),
        Feature(
            "userfaultfd_protects_files",
            "UFFDIO_REGISTER_MODE_WP takes shared memory and huge pages, and the feature 0x1000 of "
            "UFFDIO_API exists. Before, EINVAL.",
            since=(6, 1),
            brought=Commit(
                "b1f9e876862d", "mm/uffd: enable write protection for shmem & hugetlbfs", "v5.19"
            ),
        ),
        Feature(
            "userfaultfd_unregister_unprotects",
            "Pages that were write-protected are so no more once nothing is registered there. "
            "Before, they were again when their range was registered for that again.",
            since=(6, 1),
            brought=Commit(
                "f369b07c8614",
                "mm/uffd: reset write protection when unregister with wp-mode",
                "v6.0",
            ),
        ),
        Feature(
            "userfaultfd_move_and_poison",
            "UFFDIO_MOVE, UFFDIO_POISON and the features 0x2000 to 0x10000 of UFFDIO_API exist.",
            since=(6, 12),
            brought=Commit("adef440691ba", "userfaultfd: UFFDIO_MOVE uABI", "v6.8"),
        ),
        Feature(
            "userfaultfd_rwp",
            "UFFDIO_REGISTER_MODE_RWP, UFFDIO_RWPROTECT, UFFDIO_SET_MODE and two features for them "
            "exist.",
            since=(7, 3),
        ),
        Feature(
            "userfaultfd_keeps_wp",
            "Registering a range again without the write protection, or RWP, that it has is EBUSY.",
            since=(7, 3),
        ),
        Feature(
            "userfaultfd_unregisters_own",
            "UFFDIO_UNREGISTER of another userfaultfd's range is EINVAL. Before, it succeeded.",
            since=(6, 17),
            brought=Commit(
                "23ec90eb122f",
                "userfaultfd: prevent unregistering VMAs through a different userfaultfd",
                "v6.17",
            ),
        ),
        Feature(
            "droppable_refuses_userfaultfd",
            "MAP_DROPPABLE memory cannot be registered with userfaultfd.",
            since=(6, 17),
            brought=Commit(
                "7208cc6497c2",
                "userfaultfd: correctly prevent registering VM_DROPPABLE regions",
                "v6.17",
            ),
        ),
        Feature(
            "userfaultfd_lowest_address",
            "The ioctls of userfaultfd refuse addresses below vm.mmap_min_addr.",
            since=(6, 16),
            until=(7, 0),
            backported=((6, 18, 44),),
            ended=Commit(
                "161ce69c2c89", "userfaultfd: allow registration of ranges below mmap_min_addr"
            ),
        ),
        Feature(
            "userfaultfd_mistakes_offset",
            "When part of a VMA is registered or unregistered, the merge compares the page offset "
            "of the start of the whole VMA.",
            until=(6, 12),
            ended=Commit("5543d3c43c41", "mm/uffd: allow vma to merge as much as possible", "v6.4"),
        ),
        Feature(
            "userfaultfd_protects_several",
            "UFFDIO_WRITEPROTECT may cover several VMAs. Before, ENOENT.",
            since=(6, 12),
            brought=Commit("a1b92a3f1498", "mm/userfaultfd: support WP on multiple VMAs", "v6.4"),
        ),
        Feature(
            "userfaultfd_checks_source",
            "UFFDIO_COPY from beyond the address space is EINVAL. Before, EFAULT.",
            since=(6, 12),
            brought=Commit(
                "2ef5d7245d9c",
                "mm: userfaultfd: check for start + len overflow in validate_range",
                "v6.6",
            ),
        ),
        Feature(
            "userfaultfd_prepares_first",
            "A VMA to be filled gets an anon_vma before it is known to be registered.",
            since=(6, 12),
            brought=Commit(
                "867a43a34ff8", "userfaultfd: use per-vma locks in userfaultfd operations", "v6.9"
            ),
        ),
        Feature(
            "userfaultfd_copies_to_zero",
            "UFFDIO_COPY fills a private mapping of /dev/zero, whose size is 0. In other versions, "
            "EFAULT.",
            since=(6, 1),
            until=(6, 12),
            ended=Commit(
                "435cdb41a76f", "mm: userfaultfd: extract file size check out into a helper", "v6.6"
            ),
        ),
        Feature(
            "userfaultfd_fills_over_guards",
            "UFFDIO_COPY and UFFDIO_CONTINUE replace guard markers. Later, EEXIST.",
            until=(6, 19),
        ),
        Feature(
            "userfaultfd_beyond_end_is_enomem",
            "UFFDIO_COPY and UFFDIO_ZEROPAGE beyond the end of shared memory are ENOMEM. Before, "
            "EFAULT.",
            since=(7, 1),
        ),
        Feature(
            "userfaultfd_einval_past_end",
            "UFFDIO_CONTINUE beyond the end of a file is EINVAL. Later, EFAULT.",
            until=(7, 1),
        ),
    ),
)
