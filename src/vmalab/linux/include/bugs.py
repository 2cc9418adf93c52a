# SPDX-License-Identifier: GPL-2.0-or-later
"""Historic bugs of the kernel's VMA logic that can be put back, for tests to be tested with.

Each is a switch, off in every kernel there is a profile of; `vmalab.testing.mutants` has the
catalogue with references and effects.  The engine asks a switch where the bug was, on paths that
every operation takes only when the seam checks (`debug_vm`).
"""

from typing import final

from mypy_extensions import mypyc_attr


@final
@mypyc_attr(native_class=True)
class Bugs:
    """The bugs of one kernel, all absent."""

    def __init__(self) -> None:
        # Merge and modify.
        self.adj_next_keeps_pgoff: bool = False
        self.merge_removes_closed_vma: bool = False
        self.fork_reuses_anon_vma_in_use: bool = False
        self.merge_oom_misplaces_iterator: bool = False
        self.merge_oom_keeps_cloned_anon_vma: bool = False
        self.merge_oom_falls_through_to_split: bool = False
        self.uffd_release_fails_on_oom: bool = False
        self.anon_vma_reused_across_fork: bool = False
        # mmap, search, limits.
        self.mmap_returns_merged_start: bool = False
        self.failed_mmap_keeps_write_count: bool = False
        self.search_ignores_guard_gap: bool = False
        self.brk_limit_is_strict: bool = False
        self.munmap_of_an_end_needs_room: bool = False
        # brk, munmap, stack, mprotect, mlock, madvise.
        self.failed_munmap_uncounts_locked: bool = False
        self.stack_ignores_mmap_min_addr: bool = False
        self.mprotect_passes_hole_at_end: bool = False
        self.mlock_stops_after_merge: bool = False
        self.seal_guards_wrong_advice: bool = False
        # mremap.
        self.mremap_extends_from_start: bool = False
        self.mremap_refuses_to_grow_closed: bool = False
        self.mremap_at_zero_loses_charge: bool = False
