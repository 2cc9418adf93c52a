# SPDX-License-Identifier: GPL-2.0-or-later
"""Which file systems a recorded machine's files are on: told by notes, by meta.json, or learnt."""

from vmalab.linux.fs.open import file_ops, put_on
from vmalab.linux.fs.overlayfs import OverlayFileOps, real_file
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import VM_MAYEXEC
from vmalab.linux.types.file import I_REG, File
from vmalab.linux.types.files import fput, get_file
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Vma
from vmalab.linux.types.super_block import SuperBlock
from vmalab.recording.format.filesystem import FileSystem


def state(sb: SuperBlock, fs: FileSystem) -> None:
    """Let a file system be as stated; what a statement does not know stays open."""
    sb.s_type = fs.fs_type
    sb.huge = fs.huge
    sb.pagesize = fs.pagesize
    if fs.noexec:
        sb.noexec = sb.noexec_known = True


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
    if sb.noexec_known:
        file.noexec = sb.noexec


def _refit_vma(vma: Vma, file: File) -> None:
    """Let a VMA hold what one of such a file holds."""
    if isinstance(file.f_op, OverlayFileOps):
        vma.vm_file = get_file(real_file(file))
        fput(file)
    if file.noexec:
        vma.vm_flags &= ~VM_MAYEXEC
