# SPDX-License-Identifier: GPL-2.0-or-later
"""What memory management keeps for a whole kernel: configuration, caches, charges, refusals.

Mirrors the global variables of mm/ (`vm_area_cachep`, `vm_committed_as`, the sysctls).  An address
space knows those of its own kernel (`mm.kernel`), so two kernels share nothing.
"""

from typing import final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.lib.slab import FaultAttr, KmemCache
from vmalab.linux.mm.refusal import Refusal


@final
@mypyc_attr(native_class=True)
class KernelState:
    """The variables of memory management that all address spaces of one kernel share."""

    def __init__(self, config: KernelConfig) -> None:
        self.config: KernelConfig = config
        # CONFIG_DEBUG_VM: check assumptions and, after each operation, the whole mm.
        self.debug_vm: bool = False
        self.vm_area_cache: KmemCache = KmemCache("vm_area_struct")
        self.maple_node_cache: KmemCache = KmemCache("maple_node")
        self.anon_vma_cache: KmemCache = KmemCache("anon_vma")
        self.anon_vma_chain_cache: KmemCache = KmemCache("anon_vma_chain")
        self.mempolicy_cache: KmemCache = KmemCache("numa_policy")
        # Pages charged by all processes (vm_committed_as).
        self.committed_as: i64 = 0
        # How many of them nobody holds, by the kernel's own doing (refused_mapping_keeps_charge);
        # less those that it will return without having charged them (dontunmap_charges_next).
        self.commit_miscount: i64 = 0
        # Pages that the io_urings of a user count as locked, by user id (user_struct.locked_vm).
        self.locked_vm: dict[int, int] = {}
        # Which check refused a call last.
        self.refusal: Refusal = Refusal()
        # The number of broken assumptions seen, and the last one with its dump.
        self.nr_warnings: i64 = 0
        self.last_warning: str = ""

    def caches(self) -> list[KmemCache]:
        """Return every cache, so that a test can tell that nothing leaked."""
        return [
            self.vm_area_cache,
            self.maple_node_cache,
            self.anon_vma_cache,
            self.anon_vma_chain_cache,
            self.mempolicy_cache,
        ]

    def set_fault(self, fault: FaultAttr | None) -> None:
        """Arrange failures for every cache, or for none."""
        for cache in self.caches():
            cache.fault = fault
