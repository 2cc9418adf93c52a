# SPDX-License-Identifier: GPL-2.0-or-later
"""Seams with historic bugs: those in what the VMA core asks of the rest of the kernel."""

from vmalab.linux.fs.file import File
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.mm.mm_types import Mempolicy
from vmalab.testing.seams.checking import CheckingInternal


class KsmAfterMerge(CheckingInternal):
    """VM_MERGEABLE is set when a mapping was compared with its neighbours already."""

    def ksm_is_early(self, file: File | None) -> bool:
        """Custom: never."""
        return False


class PoliciesByIdentity(CheckingInternal):
    """Equal NUMA policies keep VMAs apart unless they are one object."""

    def mpol_equal(self, a: Mempolicy | None, b: Mempolicy | None) -> bool:
        """Custom: by identity."""
        return a is b


class GuardFlagCompared(CheckingInternal):
    """The mark of guard regions is a flag like any other, so it keeps VMAs apart."""

    def __init__(self, config: KernelConfig) -> None:
        super().__init__(config)
        self.vm_ignore_merge = 0
