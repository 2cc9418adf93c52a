# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the operations of mappings whose driver is not modelled: a packet ring, a perf buffer.

Kernel: no one file; each driver has its own.
"""

from typing import Final

from vmalab.linux.types.mm_types import VmOps


class DeviceMappingOps(VmOps):
    """vm_operations_struct of a driver that has put its pages there when it was mapped."""

    def __init__(self) -> None:
        super().__init__()
        self.has_close = True
        self.has_fault = False


device_vm_ops: Final = DeviceMappingOps()
