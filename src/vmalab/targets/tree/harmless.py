# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated stubs whose answer, 0 or nothing, is what the real function would say here: and why.

Every other one that a stream calls may have made an answer wrong, and is named beside it.
"""

from typing import Final

_BY_REASON: Final = {
    "there are no pages, page tables and translations": (
        "copy_page_range dump_vma flush_tlb_mm free_pgd_range folio_walk_start follow_page "
        "lru_add_drain lru_add_drain_all swap_read_submit tlb_finish_mmu tlb_gather_mmu "
        "tlb_gather_mmu_fullmm "
        "unmap_vmas vm_get_page_prot walk_page_range walk_page_range_mm_unsafe walk_page_range_vma "
        "xas_find xxh64 zap_page_range_single zap_vma_range zap_vma_range_batched"
    ),
    "there is one task, which nobody waits for": (
        "__cond_resched __wake_up __wake_up_locked __wake_up_locked_key blk_finish_plug "
        "blk_start_plug block_signals kthread_create_on_node um_get_signals um_set_signals "
        "unblock_signals wake_up_process"
    ),
    "what is registered or printed decides nothing": (
        "___ratelimit __printk_ratelimit __register_sysctl_init _printk misc_register "
        "register_sysctl_init sysfs_create_group"
    ),
    "files are the caller's, with no content and on no special file system": (
        "dup_mm_exe_file get_file_rcu inode_owner_or_capable inode_permission path_noexec "
        "vfs_fadvise vfs_fallocate vfs_fsync_range"
    ),
    "the process namespace is the first one, whose settings are 0": "task_active_pid_ns",
}
HARMLESS: Final = {name: why for why, names in _BY_REASON.items() for name in names.split()}


def suspects(counts: dict[str, int]) -> dict[str, int]:
    """Return the called stubs that are not known to be harmless, with their counts."""
    return {name: count for name, count in counts.items() if name not in HARMLESS}
