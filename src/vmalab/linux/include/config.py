# SPDX-License-Identifier: GPL-2.0-or-later
"""What decides results besides the calls: kernel version properties, configuration, sysctls.

What differs between versions is in `differences/`.
"""

from typing import Final, final

from mypy_extensions import mypyc_attr

from vmalab.linux.include.features import Features
from vmalab.linux.include.page import PAGE_SIZE, PMD_SIZE

OVERCOMMIT_GUESS: Final = 0
OVERCOMMIT_ALWAYS: Final = 1
OVERCOMMIT_NEVER: Final = 2


@final
@mypyc_attr(native_class=True)
class KernelConfig:
    """One kernel's version properties, configuration and sysctls, as the engine needs them."""

    def __init__(self) -> None:
        self.release: str = "6.18"
        self.features: Features = Features()
        # vm.max_map_count: VMAs a process may have.
        self.max_map_count: int = 65530
        # Effective lower bound of hints and of the search, in bytes: the larger of
        # vm.mmap_min_addr and the security module's bound.
        self.mmap_min_addr: int = 65536
        # vm.mmap_min_addr itself, which MAP_FIXED is tested against, in bytes.
        self.dac_mmap_min_addr: int = PAGE_SIZE
        # CONFIG_STACK_GROWSUP, as on parisc, whose VM_GROWSUP is VM_ARCH_1. No recording is of such
        # a machine: expand_upwards, the searches and mprotect know it, the counters do not.
        self.stack_grows_up: bool = False
        # Guard below a growing stack, in bytes (stack_guard_gap=, default 256 pages).
        self.stack_guard_gap: int = 256 * PAGE_SIZE
        self.overcommit_memory: int = OVERCOMMIT_GUESS
        # Pages: RAM, swap, the limit of vm.overcommit_memory=2, and its two reserves.
        self.total_ram_pages: int = 4 * 1024 * 1024
        self.total_swap_pages: int = 0
        self.commit_limit: int = 2 * 1024 * 1024
        self.user_reserve_pages: int = 32768
        self.admin_reserve_pages: int = 2048
        # transparent_hugepage/enabled: "always", "madvise" or "never".
        self.thp_enabled: str = "madvise"
        # transparent_hugepage/shmem_enabled: for the kernel's own shmem mount, memfds included.
        self.shmem_enabled: str = "never"
        # hugepages-*kB/shmem_enabled, for shared anonymous memory: sizes in bytes that are on by
        # themselves (always, within_size, advise), and those that inherit shmem_enabled.
        self.shmem_sizes: list[int] = []
        self.shmem_inherit_sizes: list[int] = [PMD_SIZE]
        self.use_zero_page: bool = True
        self.soft_dirty: bool = False
        self.anon_vma_name: bool = False
        self.ksm: bool = True
        # CONFIG_SWAP: without it nothing reads anonymous memory ahead.
        self.swap: bool = True
        # CONFIG_CHECKPOINT_RESTORE: a process may set the whole layout of its memory.
        self.checkpoint_restore: bool = True
        self.transparent_hugepage: bool = True
        # Anonymous mappings are aligned to huge pages whatever their length, as Linux 6.7 to 6.11
        # did; no version with a profile does.
        self.thp_aligns_any_length: bool = False
        # CONFIG_X86_USER_SHADOW_STACK, and whether the processor has them.
        self.user_shadow_stack: bool = False
        self.cpu_shadow_stack: bool = False
        self.userfaultfd: bool = True
        self.legacy_va_layout: bool = False
        # Protection keys: the CPU has them, and how many.
        self.pkeys: bool = False
        self.numa_nodes: int = 1
        # Huge pages: the sizes that there are, in bytes, each with the pages of its pool, and how
        # many more each pool may get (vm.nr_overcommit_hugepages).
        self.hugepages: dict[int, int] = {2 << 20: 0, 1 << 30: 0}
        self.overcommit_hugepages: dict[int, int] = {}
        self.default_hugepagesz: int = 2 << 20
        # fs.aio-max-nr, and the CPUs that there could be: they decide the size of a ring.
        self.aio_max_nr: int = 65536
        # vm.hugetlb_shm_group: who may make segments of huge pages without CAP_IPC_LOCK.
        self.hugetlb_shm_group: int = 0
        self.possible_cpus: int = 1
        # kernel.io_uring_disabled: 1 asks for CAP_SYS_ADMIN, 2 refuses all.
        self.io_uring_disabled: int = 0
        self.secretmem: bool = True
        # The vdso of 64-bit and of 32-bit programs, in bytes; 0: there is none.
        self.vdso64_size: int = 8192
        self.vdso32_size: int = 8192
        self.unprivileged_userfaultfd: bool = False
        self.memfd_noexec: int = 0
