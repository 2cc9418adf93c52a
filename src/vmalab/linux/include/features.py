# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between kernel versions, each difference a named property with its history.

The engine asks for a property, never for a version.  `FEATURES` is the one table: the profiles and
the manual's list of differences are made from it.  Versions are those of the kernels that were
compared (6.1.192, 6.12.117, 6.18.44, 6.19.8, 7.0.13, 7.2.12, 7.3.4): "since 6.18" means that
6.18.44 has it and 6.12.117 does not.
"""

from typing import Final, final

from mypy_extensions import mypyc_attr

from vmalab.linux.include.feature import ALWAYS, BASE, NEVER, VERSIONS, Feature, Version
from vmalab.linux.include.features_calls import CALL_FEATURES, CallFeatures

__all__ = ["ALWAYS", "BASE", "FEATURES", "NEVER", "VERSIONS", "Feature", "Features", "Version"]

FEATURES: Final[tuple[Feature, ...]] = (
    Feature(
        "thp_aligns_anonymous",
        (6, 12),
        NEVER,
        "An anonymous private mapping without a hint whose length is a multiple of 2 MiB is placed "
        "2 MiB aligned.",
    ),
    Feature(
        "map_stack_sets_nohugepage",
        (6, 12),
        NEVER,
        "MAP_STACK gives a VMA VM_NOHUGEPAGE.",
    ),
    Feature(
        "mprotect_uncharges_untouched",
        (6, 12),
        NEVER,
        "mprotect that takes write permission from a VMA that was never touched returns its charge "
        "and drops VM_ACCOUNT.",
    ),
    Feature(
        "mmap_merges_prev_first",
        (6, 12),
        NEVER,
        "A new mapping that fits both neighbours, which do not fit each other, joins prev, and one "
        "between untouched prev and touched next makes all three one; before, it joined next.",
    ),
    Feature(
        "closed_vmas_grow",
        (6, 12),
        NEVER,
        "A VMA whose owner wants to see it closed, as one of a System V segment, may grow by a "
        "merge, which only may not remove one; before, it merged with nothing.",
    ),
    Feature(
        "mmap_charges_before_unmapping",
        (6, 12),
        NEVER,
        "A mapping that replaces others is charged before they go; before, they were lost when the "
        "charge was refused, and any failure to unmap them was ENOMEM.",
    ),
    Feature(
        "smaps_names_lockonfault",
        (6, 12),
        NEVER,
        "smaps shows VM_LOCKONFAULT as lf; before, as ??.",
    ),
    Feature(
        "heap_name_needs_overlap",
        (6, 12),
        NEVER,
        "maps names [heap] what overlaps the heap; before, also what only touches an end of it.",
    ),
    Feature(
        "auxv_has_rseq",
        (6, 12),
        NEVER,
        "A new program finds AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN in its auxiliary vector.",
    ),
    Feature(
        "auxv_is_longer",
        (6, 18),
        NEVER,
        "The auxiliary vector has room for 24 entries of all machines; before, 22, and 20 before "
        "AT_RSEQ_ALIGN.",
    ),
    Feature(
        "vvar_vclock",
        (6, 18),
        NEVER,
        "Pages of virtual clocks are a mapping of their own, [vvar_vclock], between [vvar] and "
        "[vdso].",
    ),
    Feature(
        "many_program_headers",
        (6, 18),
        NEVER,
        "A program may have 64 KiB of program headers; before, 4 KiB.",
    ),
    Feature(
        "numa_maps_shows_balancing",
        (6, 18),
        NEVER,
        "numa_maps shows MPOL_F_NUMA_BALANCING as balancing.",
    ),
    Feature("procmap_query", (6, 12), NEVER, "PROCMAP_QUERY exists."),
    Feature(
        "dontneed_frees_page_tables",
        (6, 18),
        NEVER,
        "MADV_DONTNEED frees the page tables that it leaves empty.",
    ),
    Feature("mseal", (6, 12), NEVER, "The call mseal exists."),
    Feature("map_droppable", (6, 12), NEVER, "MAP_DROPPABLE exists."),
    Feature(
        "memfd_noexec",
        (6, 12),
        NEVER,
        "memfd_create knows MFD_NOEXEC_SEAL and MFD_EXEC, and F_SEAL_EXEC exists.",
    ),
    Feature("weighted_interleave", (6, 12), NEVER, "MPOL_WEIGHTED_INTERLEAVE exists."),
    Feature(
        "populate_stops_at_hole",
        (6, 12),
        NEVER,
        "MADV_POPULATE_* stops at a hole with ENOMEM; before, it went on behind it, and an error "
        "there came first.",
    ),
    Feature(
        "merge_touched_into_untouched",
        (6, 18),
        NEVER,
        "A changed VMA that has pages merges with an equal neighbour that has none; before, only "
        "an untouched VMA with a touched neighbour.",
    ),
    Feature(
        "mremap_checks_arguments_first",
        (6, 18),
        NEVER,
        "mremap checks its arguments, lengths near 2^64 among them, before it looks at, or "
        "unmaps, anything; with MREMAP_FIXED and equal lengths it moves several VMAs, holes "
        "between them kept.",
    ),
    Feature(
        "mlockall_locks_droppable",
        (6, 19),
        (7, 0),
        "mlockall(MCL_FUTURE) locks MAP_DROPPABLE memory; 6.12.117 and 6.18.44 have it as 7.0 has.",
    ),
    Feature("guard_regions", (6, 18), NEVER, "MADV_GUARD_INSTALL and MADV_GUARD_REMOVE exist."),
    Feature(
        "droppable_refuses_userfaultfd",
        (6, 18),
        NEVER,
        "MAP_DROPPABLE memory cannot be registered with userfaultfd.",
    ),
    Feature(
        "dontunmap_keeps_locked_vm",
        (6, 18),
        (7, 2),
        "mremap of a locked VMA with MREMAP_DONTUNMAP counts the source's pages as locked still, "
        "though it is not; VmLck is wrong for good.",
    ),
    Feature(
        "dontunmap_unlocks_whole_vma",
        (6, 18),
        (7, 2),
        "mremap of part of a locked VMA with MREMAP_DONTUNMAP unlocks all of it instead of "
        "splitting that part off.",
    ),
    Feature(
        "dontunmap_may_self_merge",
        (6, 18),
        (7, 2),
        "MREMAP_DONTUNMAP of untouched memory to a place beside it merges copy and source.",
    ),
    Feature(
        "dontunmap_beside_stays_alone",
        ALWAYS,
        (6, 12),
        "MREMAP_DONTUNMAP of untouched memory to a place beside it merges with nothing; later, "
        "with the other neighbour.",
    ),
    Feature(
        "dontunmap_keeps_pgoff",
        (6, 18),
        (7, 2),
        "MREMAP_DONTUNMAP of a whole anonymous VMA leaves the page offset it came with, so it may "
        "never merge again.",
    ),
    Feature(
        "mlock_counts_in_int",
        ALWAYS,
        (7, 3),
        "mlock and munlock count a VMA's pages in 32 bits: VmLck is wrong for 8 TiB and more.",
    ),
    Feature(
        "mlock_counts_in_long",
        (6, 12),
        (6, 18),
        "mlock and munlock count a VMA's pages in 64 bits all the same: 6.12.117 has it from 7.3.",
    ),
    Feature(
        "mremap_checks_map_count_always",
        (7, 2),
        NEVER,
        "Every mremap is refused when fewer than four further VMAs may be made; before, only one "
        "for a new address, by its own arithmetic.",
    ),
    Feature(
        "userfaultfd_keeps_wp",
        (7, 3),
        NEVER,
        "Registering again without write protection, or RWP, what has it answers EBUSY.",
    ),
    Feature(
        "shared_zero_is_always_shmem",
        (7, 3),
        NEVER,
        "A shared mapping of /dev/zero is shmem even when the file is open for reading only.",
    ),
    Feature(
        "private_file_anon_pgoff",
        (7, 3),
        NEVER,
        "Private file mappings keep an offset of their own for anonymous pages, which a move does "
        "not change and a merge compares.",
    ),
    Feature(
        "copy_losing_userfaultfd_stays_apart",
        (7, 3),
        NEVER,
        "What mremap moves out of a userfaultfd that does not hear of moves merges with nothing; "
        "before, it merged with a neighbour that had the same userfaultfd, which lost it too.",
    ),
    *CALL_FEATURES,
)


@final
@mypyc_attr(native_class=True)
class Features(CallFeatures):
    """The properties of one version, as attributes that cost one load to ask."""

    def __init__(self, version: Version = BASE) -> None:
        held = {feature.name: feature.holds_in(version) for feature in FEATURES}
        super().__init__(held)
        self.version: Version = version
        self.thp_aligns_anonymous: bool = held["thp_aligns_anonymous"]
        self.map_stack_sets_nohugepage: bool = held["map_stack_sets_nohugepage"]
        self.mprotect_uncharges_untouched: bool = held["mprotect_uncharges_untouched"]
        self.mmap_merges_prev_first: bool = held["mmap_merges_prev_first"]
        self.mmap_charges_before_unmapping: bool = held["mmap_charges_before_unmapping"]
        self.closed_vmas_grow: bool = held["closed_vmas_grow"]
        self.smaps_names_lockonfault: bool = held["smaps_names_lockonfault"]
        self.heap_name_needs_overlap: bool = held["heap_name_needs_overlap"]
        self.auxv_has_rseq: bool = held["auxv_has_rseq"]
        self.auxv_is_longer: bool = held["auxv_is_longer"]
        self.vvar_vclock: bool = held["vvar_vclock"]
        self.many_program_headers: bool = held["many_program_headers"]
        self.numa_maps_shows_balancing: bool = held["numa_maps_shows_balancing"]
        self.procmap_query: bool = held["procmap_query"]
        self.dontneed_frees_page_tables: bool = held["dontneed_frees_page_tables"]
        self.mseal: bool = held["mseal"]
        self.map_droppable: bool = held["map_droppable"]
        self.memfd_noexec: bool = held["memfd_noexec"]
        self.weighted_interleave: bool = held["weighted_interleave"]
        self.populate_stops_at_hole: bool = held["populate_stops_at_hole"]
        self.merge_touched_into_untouched: bool = held["merge_touched_into_untouched"]
        self.mremap_checks_arguments_first: bool = held["mremap_checks_arguments_first"]
        self.mlockall_locks_droppable: bool = held["mlockall_locks_droppable"]
        self.guard_regions: bool = held["guard_regions"]
        self.droppable_refuses_userfaultfd: bool = held["droppable_refuses_userfaultfd"]
        self.dontunmap_keeps_locked_vm: bool = held["dontunmap_keeps_locked_vm"]
        self.dontunmap_unlocks_whole_vma: bool = held["dontunmap_unlocks_whole_vma"]
        self.dontunmap_may_self_merge: bool = held["dontunmap_may_self_merge"]
        self.dontunmap_beside_stays_alone: bool = held["dontunmap_beside_stays_alone"]
        self.dontunmap_keeps_pgoff: bool = held["dontunmap_keeps_pgoff"]
        self.mlock_counts_in_int: bool = held["mlock_counts_in_int"]
        self.mlock_counts_in_long: bool = held["mlock_counts_in_long"]
        self.mremap_checks_map_count_always: bool = held["mremap_checks_map_count_always"]
        self.userfaultfd_keeps_wp: bool = held["userfaultfd_keeps_wp"]
        self.shared_zero_is_always_shmem: bool = held["shared_zero_is_always_shmem"]
        self.private_file_anon_pgoff: bool = held["private_file_anon_pgoff"]
        self.copy_losing_userfaultfd_stays_apart: bool = held["copy_losing_userfaultfd_stays_apart"]
