# SPDX-License-Identifier: GPL-2.0-or-later
"""Which file systems a recorded machine's files are on: told by notes, by meta.json, or learnt."""

from vmalab.linux.fs.hugetlbfs import HugetlbFileOps
from vmalab.linux.fs.open import file_ops, put_on
from vmalab.linux.fs.overlayfs import OverlayFileOps, real_file
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import VM_ACCOUNT, VM_DONTEXPAND, VM_HUGETLB, VM_MAYEXEC
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.mm.hugetlb import hugetlb_dup_vma_private
from vmalab.linux.types.file import I_REG, File, Inode
from vmalab.linux.types.files import fput, get_file
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.super_block import UNKNOWN_TYPE, SuperBlock
from vmalab.recording.format.filesystem import FileSystem
from vmalab.recording.format.meta import Meta
from vmalab.targets.model.capture import vmas_in


def state(sb: SuperBlock, fs: FileSystem) -> None:
    """Let a file system be as stated; what a statement does not know stays open."""
    sb.s_type = fs.fs_type
    sb.huge = fs.huge
    sb.layer = fs.layer
    sb.pagesize = fs.pagesize
    if fs.noexec:
        sb.noexec = sb.noexec_known = True


def state_all(machine: MachineState, meta: Meta) -> None:
    """Let a machine have the file systems that its recording tells, or its user."""
    for dev, fs in meta.filesystems.items():
        machine.super_blocks[dev] = SuperBlock(UNKNOWN_TYPE)
        state(machine.super_blocks[dev], fs)
    for directory, fs in meta.mounts.items():
        machine.mounts[directory] = SuperBlock(UNKNOWN_TYPE)
        state(machine.mounts[directory], fs)


def refit(machine: MachineState, sb: SuperBlock) -> None:
    """Give all files of a file system the operations of its type."""
    mms = {task.mm for task in machine.tasks.values() if task.mm is not None}
    for vma in [vma for mm in mms for vma in mm_vmas(mm)]:
        file = vma.vm_file
        if file is not None and file.inode.i_sb is sb:
            refit_file(machine, file)
            _refit_vma(vma, file)
    for task in machine.tasks.values():
        for file in task.files.fdt.values():
            if file.inode.i_sb is sb:
                refit_file(machine, file)


def refit_file(machine: MachineState, file: File) -> None:
    """Give an open file the operations of the type of its file system, as it is now known."""
    inode, sb = file.inode, file.inode.i_sb
    if sb is None or inode.kind != I_REG or not file.f_op.can_mmap:
        return
    put_on(machine, inode, sb)
    file.f_op = file_ops(file.path, inode)


def _refit_vma(vma: Vma, file: File) -> None:
    """Let a VMA hold what one of such a file holds."""
    if isinstance(file.f_op, OverlayFileOps):
        vma.vm_file = get_file(real_file(file))
        fput(file)
    elif isinstance(file.f_op, HugetlbFileOps) and not vma.vm_flags & VM_HUGETLB:
        # Nothing is charged for huge pages, and what was mapped without any had none reserved.
        if vma.vm_flags & VM_ACCOUNT:
            vma.vm_mm.kernel.committed_as -= (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
        vma.vm_flags = (vma.vm_flags & ~VM_ACCOUNT) | VM_HUGETLB | VM_DONTEXPAND
        vma.vm_ops = file.f_op.vm_ops
        hugetlb_dup_vma_private(vma)


def learn_noexec(machine: MachineState, mount: SuperBlock) -> None:
    """Let nothing be executed of a mount, nor of what is mapped of it already."""
    mount.noexec = mount.noexec_known = True
    for task in machine.tasks.values():
        for file in task.files.fdt.values():
            if file.inode.i_sb is not None and machine.mount_at(file.path) is mount:
                file.noexec = True
    mms = {task.mm for task in machine.tasks.values() if task.mm is not None}
    for vma in [vma for mm in mms for vma in mm_vmas(mm)]:
        if vma.vm_file is not None and machine.mount_at(vma.vm_file.path) is mount:
            vma.vm_file.noexec = True
            vma.vm_flags &= ~VM_MAYEXEC


def files_in(mm: Mm, ranges: list[tuple[int, int]]) -> list[File]:
    """Return the files that ranges of memory map."""
    vmas = [vma for start, end in ranges for vma in vmas_in(mm, start, end)]
    return [vma.vm_file for vma in vmas if vma.vm_file is not None]


def forget_sizes(mm: Mm, ranges: list[tuple[int, int]]) -> dict[Inode, int]:
    """Let it be unknown how long the files of ranges of memory are: what was known of them."""
    inodes = {file.inode for file in files_in(mm, ranges)}
    sizes = {inode: inode.size for inode in inodes if inode.size >= 0}
    for inode in sizes:
        inode.size = -1
    return sizes


def take_over(source: MachineState, target: MachineState) -> None:
    """Let a second machine have the file systems that a replay has learnt on the first one."""
    target.config.shmem_sizes = source.config.shmem_sizes
    if target.config.release == source.config.release:
        aligns = source.config.features.thp_aligns_anonymous
        target.config.features.thp_aligns_anonymous = aligns
        target.config.thp_aligns_any_length = source.config.thp_aligns_any_length
    if source.super_blocks:
        _take_over_all(source.super_blocks, target.super_blocks, target)
    if source.mounts:
        _take_over_all(source.mounts, target.mounts, target)


def _take_over_all(
    known: dict[str, SuperBlock], own: dict[str, SuperBlock], target: MachineState
) -> None:
    for name, sb in known.items():
        mine = own.get(name)
        if mine is None:
            own[name] = sb.copy()
            continue
        if mine.s_type != sb.s_type or mine.huge != sb.huge:
            mine.s_type, mine.huge = sb.s_type, sb.huge
            refit(target, mine)
        if sb.noexec and not mine.noexec:
            learn_noexec(target, mine)
