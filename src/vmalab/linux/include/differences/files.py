# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between kernels in what particular kinds of file allow their mappings."""

from typing import Final

from vmalab.linux.include.feature import Area, Commit, Feature

FILES: Final = Area(
    "Files",
    (
        Feature(
            "memfd_noexec",
            "memfd_create knows MFD_NOEXEC_SEAL and MFD_EXEC, and F_SEAL_EXEC exists.",
            since=(6, 12),
            brought=Commit("105ff5339f49", "mm/memfd: add MFD_NOEXEC_SEAL and MFD_EXEC", "v6.3"),
        ),
        Feature(
            "seals_are_checked_last",
            "A shared writable mapping of a memfd with F_SEAL_FUTURE_WRITE is refused only after "
            "the mappings it replaces are gone, and not refused when it merges.",
            until=(6, 12),
        ),
        Feature(
            "secretmem_is_locked",
            "Mappings of memfd_secret are VM_LOCKED and count against RLIMIT_MEMLOCK. In other "
            "versions the pages of the file are charged to the user.",
            until=(7, 2),
            backported=((6, 1, 192), (6, 12, 117)),
            ended=Commit("97d34aa65c29", "mm/secretmem: properly account locked pages"),
        ),
        Feature(
            "file_flags_before_merge",
            "A mapping of memfd_secret with nothing mapped below it merges with the one above.",
            since=(6, 16),
        ),
        Feature(
            "shared_zero_is_always_shmem",
            "A shared mapping of /dev/zero is shmem even when the file is open for reading only.",
            since=(7, 3),
        ),
        Feature(
            "private_zero_is_thp_aligned",
            "A private mapping of /dev/zero is placed as an anonymous one. Before, it was not "
            "aligned.",
            since=(6, 18),
            brought=Commit(
                "849d5cff4d48", "/dev/zero: try to align PMD_SIZE for private mapping", "v6.18"
            ),
        ),
        Feature(
            "anon_inodes_are_noexec",
            "mmap of an eventfd, epoll or the like with PROT_EXEC is EPERM. Before, ENODEV. An "
            "io_uring's rings cannot be mapped executable or made so later.",
            since=(6, 16),
            brought=Commit("1ed95281c0c7", "anon_inode: raise SB_I_NODEV and SB_I_NOEXEC", "v6.16"),
        ),
        Feature(
            "pidfds_are_noexec",
            "mmap of a pidfd with PROT_EXEC is EPERM. Before, ENODEV.",
            since=(6, 12),
        ),
        Feature(
            "pipes_are_noexec",
            "mmap of a pipe or socket with PROT_EXEC is EPERM. Before, ENODEV.",
            since=(7, 1),
            backported=((6, 18, 44),),
        ),
        Feature(
            "aio_ring_not_inherited",
            "The ring of an aio context has VM_DONTCOPY: fork does not copy it.",
            since=(7, 1),
        ),
        Feature(
            "aio_ring_moves_whole",
            "mremap of part of an aio ring is EINVAL.",
            since=(7, 1),
        ),
        Feature(
            "io_uring_taskrun",
            "io_uring_setup knows SUBMIT_ALL, COOP_TASKRUN, TASKRUN_FLAG, SQE128, CQE32, "
            "SINGLE_ISSUER and DEFER_TASKRUN.",
            since=(6, 1),
        ),
        Feature(
            "io_uring_no_mmap",
            "io_uring_setup knows NO_MMAP, REGISTERED_FD_ONLY and NO_SQARRAY.",
            since=(6, 12),
            brought=Commit(
                "03d89a2de25b", "io_uring: support for user allocated memory for rings/sqes", "v6.5"
            ),
        ),
        Feature(
            "io_uring_hybrid_iopoll",
            "io_uring_setup knows HYBRID_IOPOLL.",
            since=(6, 16),
        ),
        Feature(
            "io_uring_mixed_cqes",
            "io_uring_setup knows CQE_MIXED.",
            since=(6, 18),
            brought=Commit(
                "e26dca67fde1", "io_uring: add support for IORING_SETUP_CQE_MIXED", "v6.18"
            ),
        ),
        Feature(
            "io_uring_mixed_sqes",
            "io_uring_setup knows SQE_MIXED.",
            since=(6, 19),
            brought=Commit(
                "1cba30bf9fdd", "io_uring: add support for IORING_SETUP_SQE_MIXED", "v6.19"
            ),
        ),
        Feature(
            "io_uring_rewind",
            "io_uring_setup knows SQ_REWIND.",
            since=(7, 0),
            brought=Commit("5247c034a67f", "io_uring: introduce non-circular SQ", "v7.0"),
        ),
        Feature(
            "io_uring_rings_are_locked",
            "The rings of an io_uring count as locked memory of their maker's user, so "
            "io_uring_setup may answer ENOMEM for RLIMIT_MEMLOCK.",
            since=(6, 16),
            until=(7, 2),
        ),
        Feature(
            "io_uring_bad_region_is_einval",
            "mmap of an io_uring at an offset without a ring is EINVAL. Before, ENOMEM.",
            since=(7, 2),
        ),
    ),
)
