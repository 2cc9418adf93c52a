# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue of historic bugs, each a switch, a property of another version, or a seam.

number: that of the list of historic bugs from which these were chosen.  reference: where the bug
and its mechanism are told of: a commit, a mail or a source that was read, or a measurement.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vmalab.linux.include.config import KernelConfig
from vmalab.testing.mutants.seams import (
    GuardFlagCompared,
    KsmAfterMerge,
    PoliciesByIdentity,
)
from vmalab.testing.seams.checking import CheckingInternal


@dataclass(frozen=True, slots=True)
class Mutant:
    """One historic bug.

    versions: kernels that had it, as far as known; effect: what a user or a process sees; case: the
    case that must fail; change: what it sets in a configuration; seam: what it overrides; kernel:
    the version whose behaviour it is put into, "" for the usual one; hidden: why no call of a
    process can show it, "" when calls can (`vmalab check --mutant all` holds them to it).
    """

    name: str
    number: int
    versions: str
    reference: str
    effect: str
    case: str
    change: Callable[[KernelConfig], None] | None = None
    seam: type[CheckingInternal] = CheckingInternal
    kernel: str = ""
    hidden: str = ""


# Small allocations of the kernel are tried again until the caller is being killed. A memory cgroup
# without its OOM killer, or CONFIG_FAILSLAB, refuses them; the model cannot know when.
NO_MEMORY: Final = (
    "shows only when the kernel finds no memory for some hundred bytes; it tries for ever to find "
    "them, unless a cgroup's limit or fault injection forbids it at a moment that no model knows"
)


def bug(name: str) -> Callable[[KernelConfig], None]:
    """Turn a switch of `Bugs` on."""

    def change(config: KernelConfig) -> None:
        assert hasattr(config.bugs, name), name
        setattr(config.bugs, name, True)

    return change


def feature(name: str, value: bool) -> Callable[[KernelConfig], None]:
    """Give a version a property that it does not have, or take one away."""

    def change(config: KernelConfig) -> None:
        assert hasattr(config.features, name), name
        setattr(config.features, name, value)

    return change


def one_page_gap(config: KernelConfig) -> None:
    """Make the stack guard gap a single page."""
    config.stack_guard_gap = min(config.stack_guard_gap, 4096)


def no_soft_dirty(config: KernelConfig) -> None:
    """Let new mappings begin without VM_SOFTDIRTY."""
    config.soft_dirty = False


def switch(
    name: str,
    number: int,
    versions: str,
    reference: str,
    effect: str,
    case: str,
    hidden: str = "",
) -> Mutant:
    """A mutant that is a switch of `Bugs` with the same name."""
    return Mutant(name, number, versions, reference, effect, case, bug(name), hidden=hidden)


MERGE: Final = (
    switch(
        *("adj_next_keeps_pgoff", 1, "6.3", "Linux commit 7e7757876f25"),
        "a file's next VMA that grows down over a changed part reads the wrong pages of the file",
        "merge_existing/end_with_equal",
    ),
    switch(
        *("merge_removes_closed_vma", 2, "6.3 - 6.8", "Linux commit fc0c8f9089c2"),
        "mprotect of a shared segment swallows a VMA without ->close: shm_nattch stays too high",
        "modify_close/removal_into_prev",
    ),
    switch(
        *("fork_reuses_anon_vma_in_use", 3, "3.19 - 6.0-rc4", "CVE-2022-42703, 2555283eb40d"),
        "parent and child share an anon_vma that both free: page->mapping dangles",
        "merge_new_anon_vma/fork_child_below",
    ),
    switch(
        *("merge_oom_misplaces_iterator", 4, "6.3 - 6.6", "Linux commit 1419430c8abb"),
        "after a merge that found no memory the caller goes on with another VMA",
        "oom/merge_both_no_node",
        NO_MEMORY,
    ),
    switch(
        *("merge_oom_keeps_cloned_anon_vma", 5, "6.1 - 6.6", "Linux commit 824135c46b00"),
        "a merge that found no memory leaves a neighbour chained to a foreign anon_vma",
        "oom/merge_both_no_node",
        NO_MEMORY,
    ),
    switch(
        *("merge_oom_falls_through_to_split", 7, "6.12 - 6.13", "CVE-2025-21932, 47b16d0462a4"),
        "madvise that finds no memory to merge splits at the wrong place, and goes on",
        "oom/merge_part_right_no_node",
        NO_MEMORY,
    ),
    switch(
        *("uffd_release_fails_on_oom", 8, "6.12.19 - 6.14", "Linux commit 41e6ddcaa0f1"),
        "closing a userfaultfd takes the error of a merge without memory for a VMA",
        "oom/merge_given_up_no_node",
        NO_MEMORY,
    ),
    switch(
        *("anon_vma_reused_across_fork", 20, "2.6.34-rc", "d0e9fe1758f2"),
        "a VMA takes over an anon_vma inherited by fork, and a later merge drops its chain",
        "anon_vma_prepare/inherited_is_not_shared",
    ),
    Mutant(
        *("ksm_flag_set_after_merge", 9, "6.4 - 6.16", "lkml 2505.2/02945"),
        "with PR_SET_MEMORY_MERGE no new mapping merges: the map grows without end",
        "mmap_region/ksm",
        None,
        KsmAfterMerge,
    ),
    Mutant(
        *("policies_compared_by_identity", 12, "- 2.6.33", "9d8cebd4bcd7 (LTP vma02)"),
        "mbind splits VMAs and never merges neighbours of equal policy",
        "anon_vma_prepare/equal_policies",
        None,
        PoliciesByIdentity,
    ),
    Mutant(
        *("guard_flag_keeps_vmas_apart", 18, "6.18 series", "linaro JQORFSQ"),
        "guard pages stop a VMA from merging with its neighbours",
        "syscalls/guards_are_sticky",
        None,
        GuardFlagCompared,
    ),
)

MAPPING: Final = (
    switch(
        *("failed_mmap_keeps_write_count", 21, "- 6.11", "CVE-2024-53096, 5de195060b2e"),
        "a shared mapping that fails late stays counted as a writer: the file cannot be sealed",
        "oom/mmap_file_vma",
    ),
    switch(
        *("mmap_returns_merged_start", 22, "5.9", "Linux commit 309d08d9b3a3"),
        "mmap answers the start of the VMA that it merged with once the file had set its flags",
        "mmap_region/file_adds_what_its_neighbour_has",
    ),
    switch(
        *("search_ignores_guard_gap", 26, "6.1 - 6.2", "Linux commit 58c5d0d6d522"),
        "mmap places a mapping into the guard gap below a stack",
        "unmapped_area/below_a_guard_gap",
    ),
    switch(
        *("brk_limit_is_strict", 31, "proposed in 2025 (v3)", "mmap.c, vma.c"),
        "brk fails at vm.max_map_count VMAs, where one more was always let through",
        "brk/limit_reached",
    ),
    switch(
        *("munmap_of_an_end_needs_room", 32, "before 659ace584e7a", "lkml 2603.1/07503"),
        "munmap of one end of a VMA fails at vm.max_map_count, though no VMA more remains",
        "munmap/limit_end",
    ),
    Mutant(
        *("soft_dirty_lost_in_new_mapping", 67, "- 3.10", "d9104d1ca966"),
        "memory unmapped and mapped anew looks clean to a checkpoint tool",
        "mmap_region/soft_dirty",
        no_soft_dirty,
    ),
    Mutant(
        *("mapping_lost_when_charge_refused", 21, "6.1", "measured on 6.1.192"),
        "MAP_FIXED that overcommit refuses has unmapped what was there",
        "mmap_region/charge_refused_keeps_what_was_there",
        feature("mmap_charges_before_unmapping", False),
    ),
)

REMOVAL: Final = (
    switch(
        *("failed_munmap_uncounts_locked", 37, "6.1 - 6.3", "Linux commit 606c812eb1d5"),
        "munmap that fails has taken locked pages off VmLck",
        "munmap/locked_then_sealed",
    ),
    switch(
        *("stack_ignores_mmap_min_addr", 42, "- 4.20", "CVE-2019-9213"),
        "a stack grows down to page 0, so a null pointer can be mapped",
        "stack/minimum_address",
    ),
    Mutant(
        *("stack_gap_of_one_page", 43, "- 4.11", "CVE-2017-1000364, 1be7107fbe18"),
        "a stack grows to within a page of another mapping and runs into it",
        "stack/guard_gap",
        one_page_gap,
    ),
    switch(
        *("mprotect_passes_hole_at_end", 44, "6.3", "Linux commit 77795f900e2a"),
        "mprotect over a hole at the end of its range answers 0",
        "syscalls/mprotect_hole_at_the_end",
    ),
    switch(
        *("mlock_stops_after_merge", 45, "6.3 - 6.4", "Linux commit 2658f94d6792"),
        "mlock answers ENOMEM after a merge, with the rest of the range unlocked",
        "syscalls/mlock_goes_on_after_a_merge",
    ),
    Mutant(
        *("mlock_counts_in_int", 46, "- 7.0", "Debian 6.12.117"),
        "VmLck wraps when 8 TiB and more are locked at once",
        "syscalls/mlock_of_very_much",
        feature("mlock_counts_in_int", True),
        kernel="7.3",
    ),
    switch(
        *("seal_guards_wrong_advice", 49, "6.10", "Linux commit e46bc2e7eb90"),
        "madvise(MADV_RANDOM) of sealed read-only memory answers EPERM",
        "syscalls/sealed_memory_takes_harmless_advice",
    ),
)

MREMAP: Final = (
    Mutant(
        *("mremap_demands_room_for_six", 33, "2.6.12 - 7.1", "lkml 2603.1/07501, mremap.c"),
        "a move to a chosen place fails near vm.max_map_count, where four further VMAs would do",
        "syscalls/mremap_needs_room_for_four",
        feature("mremap_checks_map_count_always", False),
        kernel="7.3",
    ),
    switch(
        *("mremap_extends_from_start", 51, "6.1", "Linux commit 6f12be792fde"),
        "mremap from inside a VMA cannot grow it: the extension has the wrong page offset",
        "syscalls/mremap_grows_from_inside",
    ),
    switch(
        *("mremap_refuses_to_grow_closed", 52, "6.1", "Linux commit d014cd7c1c35"),
        "mremap cannot grow a VMA whose owner wants to hear of its end (fuse-overlayfs)",
        "syscalls/mremap_grows_what_is_closed",
    ),
    switch(
        *("mremap_at_zero_loses_charge", 55, "6.1 - 6.14", "Linux commit 937582ee8e8d"),
        "part of a VMA at address 0 moved away: the rest is not accounted any more",
        "syscalls/mremap_of_page_zero_keeps_the_charge",
    ),
    Mutant(
        *("dontunmap_keeps_locked_vm", 56, "6.18 - 7.0", "measured on 6.18.44; Debian 6.12.115"),
        "VmLck counts the source of a locked MREMAP_DONTUNMAP for ever",
        "syscalls/mremap_dontunmap_unlocks",
        feature("dontunmap_keeps_locked_vm", True),
        kernel="7.2",
    ),
    Mutant(
        *("dontunmap_unlocks_whole_vma", 56, "6.18 - 7.0", "needs_pre_split in 7.3"),
        "MREMAP_DONTUNMAP of a part unlocks all of its VMA",
        "syscalls/mremap_dontunmap_of_a_part_unlocks_it",
        feature("dontunmap_unlocks_whole_vma", True),
        kernel="7.2",
    ),
    Mutant(
        *("dontunmap_merges_with_itself", 57, "6.18 - 7.0", "Debian 6.12.115"),
        "MREMAP_DONTUNMAP to the place beside it merges source and copy",
        "syscalls/mremap_dontunmap_beside_itself",
        feature("dontunmap_may_self_merge", True),
        kernel="7.2",
    ),
    Mutant(
        *("dontunmap_keeps_pgoff", 58, "6.18 - 7.0", "measured on 7.0.13; Debian 6.12.113"),
        "the emptied source keeps a page offset with which it never merges again",
        "syscalls/mremap_dontunmap_of_what_was_moved",
        feature("dontunmap_keeps_pgoff", True),
        kernel="7.2",
    ),
)

MUTANTS: Final = (*MERGE, *MAPPING, *REMOVAL, *MREMAP)
