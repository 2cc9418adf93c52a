# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes VMAs of the model from those that were read in a kernel's memory."""

from typing import Final

from vmalab.calls.snapshot import VmaLine
from vmalab.linux.fs.proc.task_mmu import vma_pgoff_shown, vma_pkey_shown
from vmalab.linux.include.mm_flags import (
    VM_PKEY_MASK,
    VM_SEALED,
    VM_SHADOW_STACK,
    VM_SHARED,
    VM_UFFD_MINOR,
)
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.linux.types.file import FMODE_READ, I_REG, File, FileOps, Inode
from vmalab.linux.types.mm_types import (
    AnonVma,
    AnonVmaChain,
    Mempolicy,
    Mm,
    UserfaultfdCtx,
    Vma,
    VmOps,
)
from vmalab.recording.memory.address_space import MemoryVma

# Bits whose place has changed: seals until 6.18, userfaultfd's minor faults until 6.5 and 6.18.
_OLD_SEALED: Final = 1 << 63
_OLD_MINOR: Final = 1 << 38
_OLDEST_MINOR: Final = 1 << 37
_SHADOW_STACKS: Final = (6, 6)
_LOW: Final = (1 << 32) - 1


class _Things:
    """What VMAs point to, made once for each address in the kernel's memory."""

    def __init__(self) -> None:
        self.files: dict[int, File] = {0: File(Inode(I_REG, "", 0), "", FMODE_READ, FileOps())}
        self.inodes: dict[int, Inode] = {}
        self.anon_vmas: dict[int, AnonVma] = {}
        self.policies: dict[int, Mempolicy] = {}
        self.contexts: dict[int, UserfaultfdCtx] = {}

    def file(self, found: MemoryVma) -> File:
        """Return the open file of a VMA."""
        known = self.files.get(found.file)
        if known is None:
            inode = self.inodes.setdefault(found.inode, Inode(I_REG, found.dev, found.number))
            known = self.files[found.file] = File(inode, found.name, FMODE_READ, FileOps())
        return known


def model_flags(flags: int, version: tuple[int, int]) -> int:
    """Return a kernel's VM_* bits as the model has them."""
    known = flags & (_LOW | VM_PKEY_MASK)
    rest = flags & ~(_LOW | VM_PKEY_MASK)
    if version < _SHADOW_STACKS and rest & _OLDEST_MINOR:
        rest ^= _OLDEST_MINOR
        known |= VM_UFFD_MINOR
    if rest & _OLD_MINOR:
        rest ^= _OLD_MINOR
        known |= VM_UFFD_MINOR
    if rest & _OLD_SEALED:
        rest ^= _OLD_SEALED
        known |= VM_SEALED
    assert VM_SHADOW_STACK == _OLDEST_MINOR
    return known | rest


def vmas_of_memory(
    mm: Mm, found: list[MemoryVma], version: tuple[int, int]
) -> tuple[list[Vma], list[VmaLine]]:
    """Return VMAs as they were read, and their lines. mm: of a machine that behaves alike."""
    things = _Things()
    vmas = [_vma(mm, one, version, things) for one in found]
    return vmas, [_line(vma, one) for vma, one in zip(vmas, found, strict=True)]


def _vma(mm: Mm, found: MemoryVma, version: tuple[int, int], things: _Things) -> Vma:
    vma = Vma(mm)
    vma.vm_start, vma.vm_end = found.start, found.end
    vma.vm_flags = model_flags(found.flags, version)
    vma.vm_pgoff = found.pgoff
    if found.file:
        vma.vm_file = things.file(found)
        if found.anon_pgoff is not None and not vma.vm_flags & VM_SHARED and found.anon_vma:
            vma.anon_delta = found.anon_pgoff - (found.start >> PAGE_SHIFT)
    if found.has_close:
        vma.vm_ops = VmOps()
        vma.vm_ops.has_close = True
    if found.anon_vma:
        anon_vma = things.anon_vmas.setdefault(found.anon_vma, AnonVma())
        vma.anon_vma = anon_vma
        vma.anon_vma_chain = [AnonVmaChain(vma, anon_vma) for _ in range(found.links)]
    if found.policy:
        vma.vm_policy = things.policies.setdefault(found.policy, Mempolicy(*found.policy_is))
    if found.context:
        vma.vm_userfaultfd_ctx = things.contexts.setdefault(found.context, UserfaultfdCtx())
    vma.anon_name = found.anon_name
    return vma


def _line(vma: Vma, found: MemoryVma) -> VmaLine:
    return VmaLine(
        found.start,
        found.end,
        vma_perms(vma.vm_flags),
        vma_pgoff_shown(vma),
        found.dev,
        found.number,
        found.name,
        vm_flag_letters(vma.vm_flags),
        vma_pkey_shown(vma),
    )
