# SPDX-License-Identifier: GPL-2.0-or-later
"""The properties of one kernel version, as attributes that cost one load to ask.

Made by `make features` from the table in `differences/`, which has the history of each: change it
there, not here.
"""

from typing import final

from mypy_extensions import mypyc_attr

from vmalab.linux.include.feature import BASE, NEWEST, VERSIONS, Version

__all__ = ["BASE", "NEWEST", "VERSIONS", "Features", "Version"]


@final
@mypyc_attr(native_class=True)
class Features:
    """What a kernel of one version does where versions differ, and point releases of one."""

    def __init__(self, version: Version = BASE, patch: int = NEWEST) -> None:
        self.version: Version = version
        # What exec maps of files has VM_DENYWRITE, dw in smaps, which a merge compares.
        self.exec_denies_writing: bool = version < (5, 15)
        # The search for room takes a stack's guard gap for mapped. Later, it first chooses a hole
        # without regard to guard gaps, and then passes over all holes in a gap.
        self.guard_gaps_are_no_room: bool = version < (6, 1)
        # The first growth of the heap already merges with what ends there, such as bss.
        self.brk_merges_below_start: bool = version < (6, 1)
        # brk moves down over a hole where the heap was. Later, it stays.
        self.brk_shrinks_over_holes: bool = version < (6, 1)
        # MLOCK_ONFAULT of memory that allows no access is ENOMEM, though it is locked then.
        self.lockonfault_needs_access: bool = version < (5, 18)
        # [vdso], [vvar] and the like cannot be split.
        self.special_mappings_stay_whole: bool = version >= (5, 11)
        # An advice that the map count does not allow is EAGAIN. Before, ENOMEM.
        self.madvise_limit_is_eagain: bool = version >= (5, 17)
        # MADV_POPULATE_READ and MADV_POPULATE_WRITE exist.
        self.madvise_populate: bool = version >= (5, 14)
        # MADV_DONTNEED_LOCKED exists.
        self.madvise_dontneed_locked: bool = version >= (5, 18)
        # MADV_COLLAPSE exists.
        self.madvise_collapse: bool = version >= (6, 1)
        # MADV_DONTNEED takes huge pages. Before, EINVAL.
        self.dontneed_drops_huge_pages: bool = version >= (5, 18)
        # Huge pages that a private mapping loses to MADV_DONTNEED, a hole or a truncation stay
        # reserved for it. Before, the pool had them back.
        self.dropped_huge_pages_stay_reserved: bool = version >= (6, 9)
        # An anonymous private mapping without a hint whose length is a multiple of 2 MiB is placed
        # 2 MiB aligned.
        self.thp_aligns_anonymous: bool = version >= (6, 7)
        # MAP_STACK gives a VMA VM_NOHUGEPAGE.
        self.map_stack_sets_nohugepage: bool = version >= (6, 8)
        # MAP_DROPPABLE exists.
        self.map_droppable: bool = version >= (6, 11)
        # A mapping that replaces others is charged before they are unmapped. Before, a refused
        # charge lost them, and any failure to unmap them was ENOMEM.
        self.mmap_charges_before_unmapping: bool = version >= (6, 12)
        # A new mapping that fits both neighbours, which do not fit each other, or between an
        # unfaulted prev and a faulted next, merges with next. In other versions, it merges with
        # prev, or all three merge.
        self.mmap_merges_next_first: bool = (6, 1) <= version < (6, 12)
        # A VMA whose vm_ops have close(), as one of a System V segment, may be extended by a merge,
        # never removed. Before, it did not merge.
        self.closed_vmas_grow: bool = version >= (6, 12)
        # A mapping that its own file or want of memory refuses does not return what those that it
        # replaced were charged: Committed_AS stays too high by that.
        self.refused_mapping_keeps_charge: bool = (6, 12) <= version < (7, 3)
        # Neighbours of one file that are unmapped together leave its reverse map up to eight under
        # one lock. Before, each took the lock.
        self.unlinks_files_in_batches: bool = version >= (6, 12)
        # A changed VMA that is faulted merges with an equal neighbour that is not. Before, only an
        # unfaulted VMA merged with a faulted neighbour.
        self.merge_touched_into_untouched: bool = version >= (6, 16)
        # A merge of existing VMAs is soft-dirty when a part was. Before, it was so when the changed
        # part was.
        self.soft_dirty_is_sticky: bool = (version >= (6, 19)) != (
            version == (6, 18) and patch >= 37
        )
        # mprotect that takes write permission from an unfaulted VMA returns its charge and clears
        # VM_ACCOUNT.
        self.mprotect_uncharges_untouched: bool = version >= (6, 12)
        # mlock and munlock count the pages of a VMA in 32 bits: VmLck is wrong for 8 TiB and more.
        self.mlock_counts_in_int: bool = (version < (7, 3)) != (version == (6, 12) and patch >= 117)
        # mlockall(MCL_FUTURE) locks MAP_DROPPABLE memory.
        self.mlockall_locks_droppable: bool = ((6, 12) <= version < (7, 0)) != (
            (version == (6, 12) and patch >= 117) or (version == (6, 18) and patch >= 44)
        )
        # MADV_POPULATE_* stops at a hole with ENOMEM. Before, it continued behind the hole, and an
        # error there took precedence.
        self.populate_stops_at_hole: bool = version >= (6, 10)
        # MADV_DONTNEED frees the page tables that it leaves empty.
        self.dontneed_frees_page_tables: bool = version >= (6, 14)
        # MADV_GUARD_INSTALL and MADV_GUARD_REMOVE exist.
        self.guard_regions: bool = version >= (6, 13)
        # A VMA with guard regions has VM_MAYBE_GUARD, gu in smaps. Before, a file's got an anon_vma
        # instead.
        self.guard_flag: bool = (version >= (6, 19)) != (version == (6, 18) and patch >= 37)
        # MADV_UNMERGEABLE of mergeable memory clears all flags above bit 31 too: the seal, the key,
        # MAP_DROPPABLE.
        self.unmergeable_drops_high_flags: bool = (version < (6, 18)) != (
            (version == (6, 1) and patch >= 192)
            or (version == (6, 12) and patch >= 117)
            or (version == (6, 17) and patch >= 4)
        )
        # pkey_alloc on a processor without protection keys takes key 0 before it finds that out:
        # EINVAL at first. In other versions, ENOSPC.
        self.pkey_alloc_tries_without_keys: bool = (version < (7, 2)) != (
            (version == (6, 1) and patch >= 192) or (version == (6, 12) and patch >= 117)
        )
        # MADV_DOFORK refuses every special VMA. Before, only one with VM_IO.
        self.dofork_refuses_special: bool = version >= (7, 0)
        # MADV_COLLAPSE of private memory needs a page table alone. Before, it needed a page in it
        # that can be written to.
        self.collapse_takes_what_is_read_only: bool = version >= (6, 18)
        # MADV_COLLAPSE of a range that lies within one huge page succeeds. Before, it was EINVAL.
        self.collapse_of_no_huge_page_passes: bool = version >= (7, 2)
        # The call mseal exists.
        self.mseal: bool = version >= (6, 10)
        # A seal refuses advice that discards a private mapping of /dev/zero that cannot be written.
        # Before, only memory without a file was protected.
        self.seal_guards_private_zero: bool = version >= (6, 17)
        # mremap of an address where nothing is mapped is EFAULT at once. Before, the destination
        # and the tail of a shrinking source were unmapped first, and shrinking in place succeeded.
        self.mremap_looks_up_first: bool = version >= (5, 16)
        # mremap moves huge pages. Before, EINVAL.
        self.mremap_moves_huge_pages: bool = version >= (5, 16)
        # What mremap grows in place merges with what follows.
        self.mremap_growth_merges: bool = version >= (6, 1)
        # MREMAP_DONTUNMAP takes files and shared memory. Before, only private anonymous.
        self.dontunmap_any_memory: bool = version >= (5, 13)
        # MREMAP_DONTUNMAP of the middle of a VMA gives VM_ACCOUNT to the VMA above it.
        self.dontunmap_charges_next: bool = version < (6, 1)
        # MREMAP_DONTUNMAP of a whole VMA leaves the source its anon_vma.
        self.dontunmap_keeps_anon_vma: bool = version < (5, 13)
        # MREMAP_DONTUNMAP charges the pages of the copy whatever the commit limit is.
        self.dontunmap_is_never_refused: bool = version < (6, 1)
        # mremap checks its arguments, lengths near 2^64 among them, before it looks up or unmaps
        # anything. With MREMAP_FIXED and equal lengths it moves several VMAs and keeps the holes
        # between them.
        self.mremap_checks_arguments_first: bool = version >= (6, 17)
        # mremap checks the alignment of a new address, and the map count, before it looks up the
        # old one, and looks the old one up again once the new place is cleared.
        self.mremap_checks_new_address_early: bool = version >= (6, 16)
        # What mremap moves beside unfaulted memory that it merges with leaves its anon_vma behind;
        # one inherited by fork does not keep them apart.
        self.copy_merge_forgets_source: bool = ((6, 16) <= version < (6, 19)) != (
            version == (6, 18) and patch >= 8
        )
        # Every mremap is refused when fewer than four more VMAs are allowed. Before, only one to a
        # new address, by different arithmetic.
        self.mremap_checks_map_count_always: bool = version >= (7, 1)
        # mremap of a locked VMA with MREMAP_DONTUNMAP still counts the source's pages as locked,
        # though it no longer is: VmLck stays too high.
        self.dontunmap_keeps_locked_vm: bool = (6, 16) <= version < (7, 2)
        # mremap of part of a locked VMA with MREMAP_DONTUNMAP unlocks all of it instead of
        # splitting that part off.
        self.dontunmap_unlocks_whole_vma: bool = (version < (7, 2)) != (
            (version == (6, 1) and patch >= 192) or (version == (6, 12) and patch >= 117)
        )
        # MREMAP_DONTUNMAP of unfaulted memory to an adjacent address merges copy and source.
        self.dontunmap_may_self_merge: bool = (version < (7, 2)) != (
            (version == (6, 1) and patch >= 192) or (version == (6, 12) and patch >= 117)
        )
        # MREMAP_DONTUNMAP of unfaulted memory to an adjacent address does not merge. Later, the
        # copy merges with its other neighbour.
        self.dontunmap_beside_stays_alone: bool = version < (6, 12)
        # MREMAP_DONTUNMAP clears VM_ACCOUNT of the whole source: its charge is never returned.
        self.dontunmap_clears_account: bool = ((6, 16) <= version < (6, 18)) != (
            version == (6, 17) and patch >= 6
        )
        # MREMAP_DONTUNMAP of a whole anonymous VMA leaves the source its old page offset, so it may
        # never merge again.
        self.dontunmap_keeps_pgoff: bool = (6, 16) <= version < (7, 2)
        # Private file mappings have a second page offset for their anonymous pages. A move keeps
        # it, and a merge compares it.
        self.private_file_anon_pgoff: bool = version >= (7, 3)
        # What mremap moves out of a userfaultfd without UFFD_FEATURE_EVENT_REMAP does not merge.
        # Before, it merged with a neighbour of the same userfaultfd, which lost it too.
        self.copy_losing_userfaultfd_stays_apart: bool = version >= (7, 3)
        # memfd_create knows MFD_NOEXEC_SEAL and MFD_EXEC, and F_SEAL_EXEC exists.
        self.memfd_noexec: bool = version >= (6, 3)
        # A shared writable mapping of a memfd with F_SEAL_FUTURE_WRITE is refused only after the
        # mappings it replaces are gone, and not refused when it merges.
        self.seals_are_checked_last: bool = version < (6, 12)
        # Mappings of memfd_secret are VM_LOCKED and count against RLIMIT_MEMLOCK. In other versions
        # the pages of the file are charged to the user.
        self.secretmem_is_locked: bool = (version < (7, 2)) != (
            (version == (6, 1) and patch >= 192) or (version == (6, 12) and patch >= 117)
        )
        # A mapping of memfd_secret with nothing mapped below it merges with the one above.
        self.file_flags_before_merge: bool = version >= (6, 16)
        # A shared mapping of /dev/zero is shmem even when the file is open for reading only.
        self.shared_zero_is_always_shmem: bool = version >= (7, 3)
        # A private mapping of /dev/zero is placed as an anonymous one. Before, it was not aligned.
        self.private_zero_is_thp_aligned: bool = version >= (6, 18)
        # mmap of an eventfd, epoll or the like with PROT_EXEC is EPERM. Before, ENODEV. An
        # io_uring's rings cannot be mapped executable or made so later.
        self.anon_inodes_are_noexec: bool = version >= (6, 16)
        # mmap of a pidfd with PROT_EXEC is EPERM. Before, ENODEV.
        self.pidfds_are_noexec: bool = version >= (6, 12)
        # mmap of a pipe or socket with PROT_EXEC is EPERM. Before, ENODEV.
        self.pipes_are_noexec: bool = (version >= (7, 1)) != (version == (6, 18) and patch >= 44)
        # The ring of an aio context has VM_DONTCOPY: fork does not copy it.
        self.aio_ring_not_inherited: bool = version >= (7, 1)
        # mremap of part of an aio ring is EINVAL.
        self.aio_ring_moves_whole: bool = version >= (7, 1)
        # io_uring_setup knows SUBMIT_ALL, COOP_TASKRUN, TASKRUN_FLAG, SQE128, CQE32, SINGLE_ISSUER
        # and DEFER_TASKRUN.
        self.io_uring_taskrun: bool = version >= (6, 1)
        # io_uring_setup knows NO_MMAP, REGISTERED_FD_ONLY and NO_SQARRAY.
        self.io_uring_no_mmap: bool = version >= (6, 5)
        # io_uring_setup knows HYBRID_IOPOLL.
        self.io_uring_hybrid_iopoll: bool = version >= (6, 16)
        # io_uring_setup knows CQE_MIXED.
        self.io_uring_mixed_cqes: bool = version >= (6, 18)
        # io_uring_setup knows SQE_MIXED.
        self.io_uring_mixed_sqes: bool = version >= (6, 19)
        # io_uring_setup knows SQ_REWIND.
        self.io_uring_rewind: bool = version >= (7, 0)
        # The rings of an io_uring count as locked memory of their maker's user, so io_uring_setup
        # may answer ENOMEM for RLIMIT_MEMLOCK.
        self.io_uring_rings_are_locked: bool = (6, 16) <= version < (7, 2)
        # mmap of an io_uring at an offset without a ring is EINVAL. Before, ENOMEM.
        self.io_uring_bad_region_is_einval: bool = version >= (7, 2)
        # userfaultfd knows UFFD_USER_MODE_ONLY.
        self.userfaultfd_user_mode_only: bool = version >= (5, 11)
        # UFFDIO_REGISTER_MODE_MINOR, UFFDIO_CONTINUE and the features 0x200 and 0x400 of UFFDIO_API
        # exist.
        self.userfaultfd_minor: bool = version >= (5, 13)
        # The feature 0x800 of UFFDIO_API exists.
        self.userfaultfd_exact_address: bool = version >= (5, 18)
        # UFFDIO_REGISTER_MODE_WP takes shared memory and huge pages, and the feature 0x1000 of
        # UFFDIO_API exists. Before, EINVAL.
        self.userfaultfd_protects_files: bool = version >= (5, 19)
        # Pages that were write-protected are so no more once nothing is registered there. Before,
        # they were again when their range was registered for that again.
        self.userfaultfd_unregister_unprotects: bool = version >= (6, 0)
        # UFFDIO_MOVE, UFFDIO_POISON and the features 0x2000 to 0x10000 of UFFDIO_API exist.
        self.userfaultfd_move_and_poison: bool = version >= (6, 8)
        # UFFDIO_REGISTER_MODE_RWP, UFFDIO_RWPROTECT, UFFDIO_SET_MODE and two features for them
        # exist.
        self.userfaultfd_rwp: bool = version >= (7, 3)
        # Registering a range again without the write protection, or RWP, that it has is EBUSY.
        self.userfaultfd_keeps_wp: bool = version >= (7, 3)
        # UFFDIO_UNREGISTER of another userfaultfd's range is EINVAL. Before, it succeeded.
        self.userfaultfd_unregisters_own: bool = version >= (6, 17)
        # MAP_DROPPABLE memory cannot be registered with userfaultfd.
        self.droppable_refuses_userfaultfd: bool = version >= (6, 17)
        # The ioctls of userfaultfd refuse addresses below vm.mmap_min_addr.
        self.userfaultfd_lowest_address: bool = ((6, 16) <= version < (7, 0)) != (
            version == (6, 18) and patch >= 44
        )
        # When part of a VMA is registered or unregistered, the merge compares the page offset of
        # the start of the whole VMA.
        self.userfaultfd_mistakes_offset: bool = version < (6, 4)
        # UFFDIO_WRITEPROTECT may cover several VMAs. Before, ENOENT.
        self.userfaultfd_protects_several: bool = version >= (6, 4)
        # UFFDIO_COPY from beyond the address space is EINVAL. Before, EFAULT.
        self.userfaultfd_checks_source: bool = version >= (6, 6)
        # A VMA to be filled gets an anon_vma before it is known to be registered.
        self.userfaultfd_prepares_first: bool = version >= (6, 9)
        # UFFDIO_COPY fills a private mapping of /dev/zero, whose size is 0. In other versions,
        # EFAULT.
        self.userfaultfd_copies_to_zero: bool = (6, 1) <= version < (6, 6)
        # UFFDIO_COPY and UFFDIO_CONTINUE replace guard markers. Later, EEXIST.
        self.userfaultfd_fills_over_guards: bool = version < (6, 19)
        # UFFDIO_COPY and UFFDIO_ZEROPAGE beyond the end of shared memory are ENOMEM. Before,
        # EFAULT.
        self.userfaultfd_beyond_end_is_enomem: bool = version >= (7, 1)
        # UFFDIO_CONTINUE beyond the end of a file is EINVAL. Later, EFAULT.
        self.userfaultfd_einval_past_end: bool = version < (7, 1)
        # process_madvise on oneself takes any advice. Before, only advice that another process may
        # get, checked before the permission.
        self.process_madvise_self_is_free: bool = version >= (6, 13)
        # process_madvise on oneself needs no CAP_SYS_NICE.
        self.process_madvise_self_without_nice: bool = version >= (6, 12)
        # process_madvise refuses an unknown advice even when there is nothing to advise.
        self.process_madvise_checks_advice_once: bool = version >= (7, 2)
        # PR_SET_SECUREBITS knows SECBIT_EXEC_RESTRICT_FILE and SECBIT_EXEC_DENY_INTERACTIVE with
        # their locks, and changing these alone needs no CAP_SETPCAP.
        self.securebits_of_scripts: bool = version >= (6, 16)
        # A vector of one range is truncated to the largest size of a call before its address is
        # checked. Before, after it.
        self.iovec_clips_single_first: bool = version >= (6, 4)
        # PIDFD_SELF_THREAD and PIDFD_SELF_THREAD_GROUP stand for the caller.
        self.pidfd_self: bool = version >= (6, 15)
        # PIDFD_SELF_THREAD_GROUP is -10001. Before, -20000.
        self.pidfd_self_group_is_next: bool = version >= (6, 17)
        # pidfd_open knows PIDFD_THREAD.
        self.pidfd_thread: bool = version >= (6, 9)
        # pidfd_open of a thread that leads no group is ENOENT. Before, EINVAL.
        self.pidfd_open_tells_threads: bool = version >= (6, 16)
        # PR_SET_MDWE and PR_GET_MDWE exist. Before, EINVAL.
        self.mdwe: bool = version >= (6, 3)
        # PR_SET_MEMORY_MERGE and PR_GET_MEMORY_MERGE exist. Before, EINVAL.
        self.memory_merge_prctl: bool = version >= (6, 4)
        # With PR_SET_MEMORY_MERGE, a new mapping or heap gets VM_MERGEABLE before it is compared
        # with its neighbours. Before, it got it afterwards and did not merge.
        self.ksm_flag_before_merge: bool = version >= (6, 17)
        # PR_SET_THP_DISABLE knows PR_THP_DISABLE_EXCEPT_ADVISED.
        self.thp_disable_except_advised: bool = version >= (6, 18)
        # PR_SET_VMA_ANON_NAME names shared anonymous memory. Before, EBADF.
        self.names_shared_anon: bool = version >= (6, 2)
        # map_shadow_stack and the ARCH_SHSTK_* options of arch_prctl exist.
        self.user_shadow_stack: bool = version >= (6, 6)
        # The call cachestat exists.
        self.cachestat: bool = version >= (6, 5)
        # close_range knows CLOSE_RANGE_CLOEXEC.
        self.close_range_cloexec: bool = version >= (5, 11)
        # MPOL_PREFERRED_MANY exists.
        self.preferred_many: bool = version >= (5, 15)
        # MPOL_F_NUMA_BALANCING exists.
        self.numa_balancing_policy: bool = version >= (5, 12)
        # The call set_mempolicy_home_node exists.
        self.home_nodes: bool = version >= (5, 17)
        # MPOL_WEIGHTED_INTERLEAVE exists.
        self.weighted_interleave: bool = version >= (6, 9)
        # MPOL_F_NUMA_BALANCING may be combined with MPOL_PREFERRED_MANY too. Before, only with
        # MPOL_BIND.
        self.balancing_prefers_many: bool = version >= (6, 10)
        # The auxiliary vector has AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN.
        self.auxv_has_rseq: bool = version >= (6, 3)
        # The auxiliary vector has room for 24 entries common to all machines. Before, 22, and 20
        # before AT_RSEQ_ALIGN.
        self.auxv_is_longer: bool = (version >= (6, 19)) != (version == (6, 18) and patch >= 20)
        # Pages of virtual clocks are a mapping of their own, [vvar_vclock], between [vvar] and
        # [vdso].
        self.vvar_vclock: bool = version >= (6, 13)
        # [vvar] is a mixed map. Before, one of page frames.
        self.vvar_is_mixed: bool = version >= (7, 1)
        # [vvar] has no VM_IO. [vvar_vclock] keeps it.
        self.vvar_is_no_io: bool = version >= (7, 3)
        # A program may have 64 KiB of program headers. Before, 4 KiB.
        self.many_program_headers: bool = version >= (6, 17)
        # maps names [heap] what overlaps the heap. Before, also what only touches an end of it.
        self.heap_name_needs_overlap: bool = version >= (6, 7)
        # smaps shows VM_LOCKONFAULT as lf. Before, as ??.
        self.smaps_names_lockonfault: bool = version >= (6, 2)
        # PROCMAP_QUERY exists.
        self.procmap_query: bool = version >= (6, 11)
