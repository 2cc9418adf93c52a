# SPDX-License-Identifier: GPL-2.0-or-later
"""Knows what a recording cannot hold of a machine: files of descriptors, pools, random places.

A replay asks here whether an answer that was not predicted depends on such a thing.
"""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.ranges import Ranges, page_range
from vmalab.calls.snapshot import VmaLine
from vmalab.linux.fs.device_mapping import device_vm_ops
from vmalab.linux.fs.exec import restore_vma
from vmalab.linux.fs.open import unmappable_fops, zero_fops
from vmalab.linux.include.mm_flags import (
    VM_DONTEXPAND,
    VM_EXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_MIXEDMAP,
    VM_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WRITE,
)
from vmalab.linux.include.page import MAP_32BIT_END, PAGE_SHIFT
from vmalab.linux.include.uapi.errno import EBADF, EINVAL, ENODEV, ENOMEM, ENOSYS
from vmalab.linux.include.uapi.mman import (
    MADV_WILLNEED,
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_HUGETLB,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.include.uapi.prctl import PR_SET_VMA
from vmalab.linux.mm.filemap import GenericVmOps
from vmalab.linux.types.file import I_CHR, I_OTHER, I_REG, File
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.compat_calls import learns_compat_base
from vmalab.targets.model.mapped_files import MappedFiles
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.vmflags import flags_to_restore

# How the names of what drivers map begin; a first map shows nothing else of them.
_DRIVERS: Final = ("anon_inode:", "socket:", "/dev/")

_FROM_PROT: Final = tuple(
    (VM_READ if prot & PROT_READ else 0)
    | (VM_WRITE if prot & PROT_WRITE else 0)
    | (VM_EXEC if prot & PROT_EXEC else 0)
    for prot in range(8)
)


def is_device_mapping(vma: Vma) -> bool:
    """Return whether a driver that is not modelled decides what becomes of a VMA."""
    if vma.vm_ops is device_vm_ops:
        return True
    file = vma.vm_file
    if file is None or not isinstance(vma.vm_ops, GenericVmOps):
        return False
    # One that was there before the recording began.
    return file.path.startswith(_DRIVERS) and vma.vm_flags & VM_SPECIAL != 0


def _within(mm: Mm, ranges: Ranges) -> list[Vma]:
    """Return the VMAs that have an address in one of the ranges."""
    return [
        vma
        for start, end in ranges
        for vma in vmas_in(mm, start, end)
        if vma.vm_start < end and start < vma.vm_end
    ]


@final
class Unrecorded:
    """What one recorded machine has that its recording does not say."""

    def __init__(self, target: ModelTarget) -> None:
        self._target = target
        self._mapped = MappedFiles(target.machine, target.identities)

    def knows_fd(self, call: Call) -> bool:
        """Return whether the descriptor of a call has been seen to be opened."""
        task = self._target.task(call.tid)
        at = call.row.index("fd")
        if task is None or at < 0:
            return True
        file = task.files.fget(call.args[at] & 0xFFFFFFFF)
        return file is not None and file not in self._mapped.supplied

    def supply_fd(self, call: Call, line: VmaLine | None = None) -> bool:
        """Give an mmap's descriptor its file by the note; whether nothing tells of which it is.

        line: of the map, at the place of the mapping, where there is one.
        """
        task = self._target.task(call.tid)
        return task is not None and self._mapped.supply(task, call, line)

    def maps_device(self, call: Call) -> bool:
        """Return whether an mmap is of something whose driver decides what the mapping becomes."""
        file = self._mapped_file(call)
        if file is None or file.f_op is zero_fops:
            return False
        return file.inode.kind in (I_CHR, I_OTHER)

    def maps_unseen(self, call: Call) -> bool:
        """Return whether an mmap is of a file that the log never shows being opened."""
        return self._mapped_file(call) in self._mapped.supplied

    def _mapped_file(self, call: Call) -> File | None:
        """Return what an mmap's descriptor stands for, if anything is known."""
        task = self._target.task(call.tid)
        if task is None or call.name != "mmap" or call.args[3] & MAP_ANONYMOUS:
            return None
        return task.files.fget(call.args[4] & 0xFFFFFFFF)

    def holds_device(self, mm: Mm, ranges: Ranges) -> bool:
        """Return whether a mapping that a driver made lies in the ranges."""
        return any(is_device_mapping(vma) for vma in _within(mm, ranges))

    def holds_unseen(self, mm: Mm, ranges: Ranges) -> bool:
        """Return whether a mapping of a file that was never seen being opened is in the ranges."""
        return any(vma.vm_file in self._mapped.supplied for vma in _within(mm, ranges))

    def place_device(self, call: Call, line: VmaLine | None) -> None:
        """Enter what a driver mapped: a special shared VMA where the log says that it is.

        line: of the map, at that place, where there is one.
        """
        task, file, ret = self._target.task(call.tid), self._mapped_file(call), call.ret
        if task is None or task.mm is None or file is None or ret is None:
            return
        start, end = page_range(ret, call.args[1])
        replaced = Call(call.tid, "munmap", (start, end - start, 0, 0, 0, 0))
        if ret < 0 or end <= start or self._target.apply(replaced) < 0:
            return
        flags = _FROM_PROT[call.args[2] & 7] | VM_MAYREAD | VM_MAYWRITE
        if line is not None and line.flags is not None:
            flags |= flags_to_restore(line) & ~(VM_READ | VM_WRITE | VM_EXEC)
            if "mw" not in line.flags:
                flags &= ~VM_MAYWRITE
        else:
            flags |= VM_SHARED | VM_MAYSHARE | VM_MIXEDMAP | VM_DONTEXPAND
        pgoff = call.args[5] >> PAGE_SHIFT
        restore_vma(task.mm, start, end, flags, pgoff, file, device_vm_ops)

    def learns_of_kind(self, call: Call) -> bool:
        """Return whether an mmap's answer shows that a file is none that can be mapped.

        A log shows the path of an open, not whether a directory was behind it.
        """
        file = self._mapped_file(call)
        if file is None or call.ret != -ENODEV or file.inode.kind != I_REG:
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

    def learns_configuration(self, call: Call, predicted: int) -> bool:
        """Return whether a call shows how the kernel was built, which the recording does not say.

        The model's kernel is then built so.
        """
        ret, config, meta = call.ret, self._target.machine.config, self._target.meta
        if ret is None or ret == predicted:
            return False
        if call.name == "madvise" and call.args[2] == MADV_WILLNEED and ret == -EBADF:
            # Kernel: madvise_willneed(), of anonymous memory without CONFIG_SWAP.
            learnt = config.swap and "CONFIG_SWAP" not in meta.config
            config.swap = config.swap and not learnt
            return learnt
        if call.name == "prctl" and call.args[0] == PR_SET_VMA and ret == 0:
            learnt = not config.anon_vma_name and "CONFIG_ANON_VMA_NAME" not in meta.config
            config.anon_vma_name = config.anon_vma_name or learnt
            return learnt
        if call.name == "pkey_alloc" and ret >= 0:
            learnt = not config.pkeys and not meta.pkeys
            config.pkeys = config.pkeys or learnt
            return learnt
        if meta.kernel is None and predicted >= 0:
            # A kernel that is not known may be too old for the call, or built without it.
            optional = call.name == "arch_prctl" or call.name in ("madvise", "prctl")
            return ret == -ENOSYS or (ret == -EINVAL and optional)
        return False

    def learns_compat_base(self, mm: Mm, call: Call) -> bool:
        """Whether a call is the first that shows where a 64-bit program's 32-bit calls map."""
        task = self._target.task(call.tid)
        return task is not None and learns_compat_base(task, mm, call)

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
