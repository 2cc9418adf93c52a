# SPDX-License-Identifier: GPL-2.0-or-later
"""Knows what a recording cannot hold of a machine: files of descriptors, pools, random places.

A replay asks here whether an answer that was not predicted depends on such a thing.
"""

from typing import final

from vmalab.calls.call import Call
from vmalab.linux.fs.open import unmappable_fops
from vmalab.linux.include.page import MAP_32BIT_END
from vmalab.linux.include.uapi.errno import EBADF, ENODEV, ENOMEM
from vmalab.linux.include.uapi.mman import (
    MADV_WILLNEED,
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_HUGETLB,
)
from vmalab.linux.types.file import I_CHR, I_OTHER, I_REG
from vmalab.targets.model.mapped_files import MappedFiles
from vmalab.targets.model.model import ModelTarget


@final
class Unrecorded:
    """What one recorded machine has that its recording does not say."""

    def __init__(self, target: ModelTarget) -> None:
        self._target = target
        self._mapped = MappedFiles(target.machine, target.identities)

    def knows_fd(self, call: Call) -> bool:
        """Return whether the descriptor in a call's first argument has been seen to be opened."""
        task = self._target.task(call.tid)
        return task is None or task.files.fget(call.args[0] & 0xFFFFFFFF) is not None

    def supply_fd(self, call: Call) -> bool:
        """Give an mmap's descriptor its file by the note; whether nothing tells of which it is."""
        task = self._target.task(call.tid)
        return task is not None and self._mapped.supply(task, call)

    def maps_device(self, call: Call) -> bool:
        """Return whether an mmap is of something whose driver decides what the mapping becomes."""
        task = self._target.task(call.tid)
        if task is None or call.args[3] & MAP_ANONYMOUS:
            return False
        file = task.files.fget(call.args[4] & 0xFFFFFFFF)
        return file is not None and file.inode.kind in (I_CHR, I_OTHER)

    def learns_of_kind(self, call: Call) -> bool:
        """Return whether an mmap's answer shows that a file is none that can be mapped.

        A log shows the path of an open, not whether a directory was behind it.
        """
        task = self._target.task(call.tid)
        if task is None or call.ret != -ENODEV or call.args[3] & MAP_ANONYMOUS:
            return False
        file = task.files.fget(call.args[4] & 0xFFFFFFFF)
        if file is None or file.inode.kind != I_REG:
            return False
        file.f_op = unmappable_fops
        file.inode.kind = I_OTHER
        return True

    def needs_huge_pages(self, call: Call, predicted: int) -> bool:
        """Whether how many huge pages there were decided an mmap: anyone may change the pool.

        A pool that was changed on the way is not known from then on, and refuses nothing.
        """
        task = self._target.task(call.tid)
        if task is None or -ENOMEM not in (call.ret, predicted):
            return False
        if predicted >= 0 and all(pool.known for pool in self._target.machine.hstates):
            return False
        if call.args[3] & MAP_ANONYMOUS:
            return call.args[3] & MAP_HUGETLB != 0
        file = task.files.fget(call.args[4] & 0xFFFFFFFF)
        return file is not None and file.f_op.is_hugetlb

    def learns_of_swap(self, call: Call) -> bool:
        """Whether a call shows that the kernel has no swap, which the recording does not say.

        Kernel: madvise_willneed() answers EBADF for anonymous memory without CONFIG_SWAP.
        """
        config = self._target.machine.config
        if call.name != "madvise" or call.args[2] != MADV_WILLNEED or call.ret != -EBADF:
            return False
        if not config.swap or "CONFIG_SWAP" in self._target.meta.config:
            return False
        config.swap = False
        return True

    def is_random_place(self, call: Call, predicted: int) -> bool:
        """Whether an mmap asked for an address below 2 GiB, which is drawn anew for each call.

        Kernel: find_start_end() in arch/x86/kernel/sys_x86_64.c.
        """
        task = self._target.task(call.tid)
        if task is None or not task.randomize or call.ret is None or predicted < 0:
            return False
        if call.args[3] & (MAP_32BIT | MAP_FIXED | MAP_FIXED_NOREPLACE) != MAP_32BIT:
            return False
        return predicted <= call.ret < MAP_32BIT_END
