# SPDX-License-Identifier: GPL-2.0-or-later
"""The stack of a new program: made at the top of the address space, then moved down into place.

Mirrors mm/vma_exec.c (v6.18).
"""

from mypy_extensions import i64

from vmalab.linux.mm.vma.link import insert_vm_struct
from vmalab.linux.mm.vma.merge import vma_expand
from vmalab.linux.mm.vma.split import vma_shrink
from vmalab.linux.mm.vma.state import Vmg
from vmalab.linux.mm.vma_init import vm_area_alloc, vm_area_free
from vmalab.linux.mm.vma_internal import (
    EFAULT,
    ENOMEM,
    PAGE_SIZE,
    STACK_TOP_MAX,
    VM_NONE,
    VM_SOFTDIRTY,
    VM_STACK_FLAGS,
    VM_STACK_INCOMPLETE_SETUP,
    Mm,
    Vma,
    Vmi,
)


def create_init_stack_vma(mm: Mm) -> Vma | None:
    """Return one page of stack below STACK_TOP_MAX for exec to put its arguments in; None: -ENOMEM.

    Kernel: create_init_stack_vma().
    """
    vma = vm_area_alloc(mm)
    if vma is None:
        return None
    vma.vm_end = STACK_TOP_MAX
    vma.vm_start = STACK_TOP_MAX - PAGE_SIZE
    vma.vm_flags = VM_STACK_FLAGS | VM_STACK_INCOMPLETE_SETUP
    if mm.config.soft_dirty:
        vma.vm_flags |= VM_SOFTDIRTY
    if insert_vm_struct(mm, vma) != 0:
        vm_area_free(vma)
        return None
    mm.stack_vm = 1
    mm.total_vm = 1
    return vma


def relocate_vma_down(vma: Vma, shift: i64) -> i64:
    """Move a VMA down by `shift` bytes, together with its pages: 0 or -errno.

        |new-----old-----|        expanded over both places
        |new-----|                pages moved, then shrunk

    Preconditions: nothing lies between the new start and the VMA.  Errors: EFAULT (something does),
    ENOMEM.  Kernel: relocate_vma_down().
    """
    mm = vma.vm_mm
    seam = mm.seam
    old_start, old_end = vma.vm_start, vma.vm_end
    new_start, new_end = old_start - shift, old_end - shift
    vmi = Vmi(mm, new_start)
    if vmi.find(old_end) is not vma:
        return -EFAULT
    vmg = Vmg(mm, vmi, new_start, old_end, VM_NONE, vma.vm_pgoff)
    vmg.target = vma
    if vma_expand(vmg) != 0:
        return -ENOMEM
    length = old_end - old_start
    if seam.move_page_tables(vma, old_start, new_start, length) != length:
        return -ENOMEM
    vmi.set(new_start)
    vmi.load()
    return vma_shrink(vmi, vma, new_end)
