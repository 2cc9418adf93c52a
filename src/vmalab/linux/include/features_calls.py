# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between kernel versions in calls that one file of the kernel carries out.

A part of the table in `features.py`.  Measured on all the kernels named there, call by call, but
with 6.19.14.
"""

from typing import Final

from mypy_extensions import mypyc_attr

from vmalab.linux.include.feature import ALWAYS, NEVER, Feature

CALL_FEATURES: Final[tuple[Feature, ...]] = (
    Feature(
        "process_madvise_self_is_free",
        (6, 18),
        NEVER,
        "process_madvise gives the caller itself any advice; before, only what another process "
        "may get, and that was checked before the permission.",
    ),
    Feature(
        "process_madvise_self_without_nice",
        (6, 12),
        NEVER,
        "process_madvise on oneself needs no CAP_SYS_NICE.",
    ),
    Feature(
        "process_madvise_checks_advice_once",
        (7, 2),
        NEVER,
        "process_madvise refuses an unknown advice even when there is nothing to advise.",
    ),
    Feature(
        "iovec_clips_single_first",
        (6, 12),
        NEVER,
        "A vector of one range is cut off at the most bytes of a call before its address is "
        "checked; before, after it.",
    ),
    Feature(
        "pidfd_self",
        (6, 18),
        NEVER,
        "PIDFD_SELF_THREAD and PIDFD_SELF_THREAD_GROUP stand for the caller.",
    ),
    Feature(
        "pidfd_thread",
        (6, 12),
        NEVER,
        "pidfd_open knows PIDFD_THREAD.",
    ),
    Feature(
        "pidfd_open_tells_threads",
        (6, 18),
        NEVER,
        "pidfd_open of a thread that leads no group is ENOENT; before, EINVAL.",
    ),
    Feature(
        "dofork_refuses_special",
        (7, 0),
        NEVER,
        "MADV_DOFORK refuses every special VMA; before, only one with VM_IO.",
    ),
    Feature(
        "secretmem_is_locked",
        (6, 18),
        (7, 2),
        "memfd_secret's mappings are VM_LOCKED and count against RLIMIT_MEMLOCK; in other "
        "versions the file's pages are charged to the user.",
    ),
    Feature(
        "file_flags_before_merge",
        (6, 18),
        NEVER,
        "A mapping of memfd_secret with nothing mapped below it merges with the one above.",
    ),
    Feature(
        "aio_ring_not_inherited",
        (7, 2),
        NEVER,
        "The ring of an aio context has VM_DONTCOPY: a child does not get it.",
    ),
    Feature(
        "aio_ring_moves_whole",
        (7, 2),
        NEVER,
        "mremap of a part of an aio ring is EINVAL.",
    ),
    Feature(
        "seals_are_checked_last",
        ALWAYS,
        (6, 12),
        "A shared writable mapping of a memfd with F_SEAL_FUTURE_WRITE is refused by the file "
        "once what was there is gone, and not refused when it merges.",
    ),
    Feature(
        "mdwe",
        (6, 12),
        NEVER,
        "PR_SET_MDWE and PR_GET_MDWE exist; before, EINVAL.",
    ),
    Feature(
        "memory_merge_prctl",
        (6, 12),
        NEVER,
        "PR_SET_MEMORY_MERGE and PR_GET_MEMORY_MERGE exist; before, EINVAL.",
    ),
    Feature(
        "ksm_flag_before_merge",
        (6, 18),
        NEVER,
        "What PR_SET_MEMORY_MERGE makes of a new mapping or heap is decided before it is compared "
        "with its neighbours; before, it was compared without VM_MERGEABLE and stayed alone.",
    ),
    Feature(
        "thp_disable_except_advised",
        (6, 18),
        NEVER,
        "PR_SET_THP_DISABLE knows PR_THP_DISABLE_EXCEPT_ADVISED.",
    ),
    Feature(
        "names_shared_anon",
        (6, 12),
        NEVER,
        "PR_SET_VMA_ANON_NAME names shared anonymous memory; before, EBADF.",
    ),
    Feature(
        "balancing_prefers_many",
        (6, 12),
        NEVER,
        "MPOL_F_NUMA_BALANCING goes with MPOL_PREFERRED_MANY too; before, only with MPOL_BIND.",
    ),
    Feature(
        "userfaultfd_move_and_poison",
        (6, 12),
        NEVER,
        "UFFDIO_MOVE, UFFDIO_POISON and the features 0x2000 to 0x10000 of UFFDIO_API exist.",
    ),
    Feature(
        "userfaultfd_protects_several",
        (6, 12),
        NEVER,
        "UFFDIO_WRITEPROTECT may cover several VMAs; before, ENOENT.",
    ),
    Feature(
        "userfaultfd_checks_source",
        (6, 12),
        NEVER,
        "UFFDIO_COPY from beyond the address space is EINVAL; before, EFAULT.",
    ),
    Feature(
        "userfaultfd_unregisters_own",
        (6, 18),
        NEVER,
        "UFFDIO_UNREGISTER of what is another userfaultfd's is EINVAL; before, it was done.",
    ),
    Feature(
        "pseudo_files_are_noexec",
        (6, 18),
        NEVER,
        "mmap of a socket, pipe, eventfd or the like with PROT_EXEC is EPERM; before, ENODEV.",
    ),
    Feature(
        "private_zero_is_thp_aligned",
        (6, 18),
        NEVER,
        "A private mapping of /dev/zero is placed as an anonymous one is; before, unaligned.",
    ),
    Feature(
        "user_shadow_stack",
        (6, 12),
        NEVER,
        "map_shadow_stack and the ARCH_SHSTK_* options of arch_prctl exist.",
    ),
    Feature(
        "cachestat",
        (6, 12),
        NEVER,
        "The call cachestat exists.",
    ),
    Feature(
        "collapse_of_no_huge_page_passes",
        (7, 2),
        NEVER,
        "MADV_COLLAPSE of a part that lies within one huge page passes; before, it is EINVAL.",
    ),
    Feature(
        "seal_guards_private_zero",
        (6, 18),
        NEVER,
        "A seal lets no advice discard a private mapping of /dev/zero that cannot be written to; "
        "before, only memory without a file was guarded.",
    ),
    Feature(
        "userfaultfd_mistakes_offset",
        ALWAYS,
        (6, 12),
        "A part of a VMA that is registered or unregistered has the page offset of the VMA's start "
        "for its own when it tries to merge.",
    ),
    Feature(
        "userfaultfd_prepares_first",
        (6, 12),
        NEVER,
        "What a userfaultfd's monitor fills gets an anon_vma before it is known to be registered.",
    ),
    Feature(
        "userfaultfd_sizes_every_file",
        (6, 12),
        NEVER,
        "Nothing can be filled of a private mapping of /dev/zero, whose size is 0; before, only "
        "UFFDIO_ZEROPAGE looked.",
    ),
    Feature(
        "userfaultfd_fills_over_guards",
        ALWAYS,
        (6, 19),
        "UFFDIO_COPY and UFFDIO_CONTINUE replace guard markers; later EEXIST.",
    ),
    Feature(
        "userfaultfd_beyond_end_is_enomem",
        (7, 2),
        NEVER,
        "UFFDIO_COPY and UFFDIO_ZEROPAGE beyond the end of shared memory are ENOMEM; before, "
        "EFAULT.",
    ),
    Feature(
        "userfaultfd_einval_past_end",
        ALWAYS,
        (7, 2),
        "UFFDIO_CONTINUE beyond the end of a file is EINVAL; later EFAULT.",
    ),
    Feature(
        "userfaultfd_lowest_address",
        (6, 19),
        (7, 0),
        "The ioctls of userfaultfd refuse addresses below vm.mmap_min_addr.",
    ),
    Feature(
        "userfaultfd_rwp",
        (7, 3),
        NEVER,
        "UFFDIO_REGISTER_MODE_RWP, UFFDIO_RWPROTECT, UFFDIO_SET_MODE and two features for them "
        "exist.",
    ),
    Feature(
        "io_uring_no_mmap",
        (6, 12),
        NEVER,
        "io_uring_setup knows NO_MMAP, REGISTERED_FD_ONLY and NO_SQARRAY.",
    ),
    Feature(
        "io_uring_mixed_cqes",
        (6, 18),
        NEVER,
        "io_uring_setup knows HYBRID_IOPOLL and CQE_MIXED.",
    ),
    Feature(
        "io_uring_mixed_sqes",
        (6, 19),
        NEVER,
        "io_uring_setup knows SQE_MIXED.",
    ),
    Feature(
        "io_uring_rewind",
        (7, 0),
        NEVER,
        "io_uring_setup knows SQ_REWIND.",
    ),
    Feature(
        "io_uring_is_noexec",
        (6, 18),
        NEVER,
        "The rings of an io_uring cannot be mapped executable, now or later.",
    ),
    Feature(
        "io_uring_bad_region_is_einval",
        (7, 2),
        NEVER,
        "mmap of an io_uring at an offset where there is no ring is EINVAL; before, ENOMEM.",
    ),
)


@mypyc_attr(native_class=True)
class CallFeatures:
    """Those of the properties of one version that are about calls beside the core."""

    def __init__(self, held: dict[str, bool]) -> None:
        self.process_madvise_self_is_free: bool = held["process_madvise_self_is_free"]
        self.process_madvise_self_without_nice: bool = held["process_madvise_self_without_nice"]
        self.process_madvise_checks_advice_once: bool = held["process_madvise_checks_advice_once"]
        self.iovec_clips_single_first: bool = held["iovec_clips_single_first"]
        self.pidfd_self: bool = held["pidfd_self"]
        self.pidfd_thread: bool = held["pidfd_thread"]
        self.pidfd_open_tells_threads: bool = held["pidfd_open_tells_threads"]
        self.dofork_refuses_special: bool = held["dofork_refuses_special"]
        self.secretmem_is_locked: bool = held["secretmem_is_locked"]
        self.file_flags_before_merge: bool = held["file_flags_before_merge"]
        self.aio_ring_not_inherited: bool = held["aio_ring_not_inherited"]
        self.aio_ring_moves_whole: bool = held["aio_ring_moves_whole"]
        self.seals_are_checked_last: bool = held["seals_are_checked_last"]
        self.mdwe: bool = held["mdwe"]
        self.memory_merge_prctl: bool = held["memory_merge_prctl"]
        self.ksm_flag_before_merge: bool = held["ksm_flag_before_merge"]
        self.thp_disable_except_advised: bool = held["thp_disable_except_advised"]
        self.names_shared_anon: bool = held["names_shared_anon"]
        self.balancing_prefers_many: bool = held["balancing_prefers_many"]
        self.userfaultfd_move_and_poison: bool = held["userfaultfd_move_and_poison"]
        self.userfaultfd_protects_several: bool = held["userfaultfd_protects_several"]
        self.userfaultfd_checks_source: bool = held["userfaultfd_checks_source"]
        self.userfaultfd_unregisters_own: bool = held["userfaultfd_unregisters_own"]
        self.pseudo_files_are_noexec: bool = held["pseudo_files_are_noexec"]
        self.private_zero_is_thp_aligned: bool = held["private_zero_is_thp_aligned"]
        self.user_shadow_stack: bool = held["user_shadow_stack"]
        self.cachestat: bool = held["cachestat"]
        self.collapse_of_no_huge_page_passes: bool = held["collapse_of_no_huge_page_passes"]
        self.seal_guards_private_zero: bool = held["seal_guards_private_zero"]
        self.userfaultfd_mistakes_offset: bool = held["userfaultfd_mistakes_offset"]
        self.userfaultfd_prepares_first: bool = held["userfaultfd_prepares_first"]
        self.userfaultfd_sizes_every_file: bool = held["userfaultfd_sizes_every_file"]
        self.userfaultfd_fills_over_guards: bool = held["userfaultfd_fills_over_guards"]
        self.userfaultfd_beyond_end_is_enomem: bool = held["userfaultfd_beyond_end_is_enomem"]
        self.userfaultfd_einval_past_end: bool = held["userfaultfd_einval_past_end"]
        self.userfaultfd_lowest_address: bool = held["userfaultfd_lowest_address"]
        self.userfaultfd_rwp: bool = held["userfaultfd_rwp"]
        self.io_uring_no_mmap: bool = held["io_uring_no_mmap"]
        self.io_uring_mixed_cqes: bool = held["io_uring_mixed_cqes"]
        self.io_uring_mixed_sqes: bool = held["io_uring_mixed_sqes"]
        self.io_uring_rewind: bool = held["io_uring_rewind"]
        self.io_uring_is_noexec: bool = held["io_uring_is_noexec"]
        self.io_uring_bad_region_is_einval: bool = held["io_uring_bad_region_is_einval"]
