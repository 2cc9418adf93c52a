# SPDX-License-Identifier: GPL-2.0-or-later
"""All VMAs of the current thread, as records."""

from vmalab.recording.events import layout as at
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, R3, R7, R8, R9
from vmalab.recording.events.bpf.btf import KIND_FUNC
from vmalab.recording.events.programs.writer import SLOT_COUNT, SLOT_ITERATOR, SLOT_POINTER, Writer


def last_map(w: Writer) -> None:
    """Write out the map of the task in R7, unless it is its parent's (after vfork)."""
    shared = w.fresh("shared")
    w.load(R1, R7, w.btf.offset("task_struct", "vfork_done"))
    w.jump_if(R1, "!=", 0, shared)
    all_vmas(w, at.LAST_MAP)
    w.label(shared)


def all_vmas(w: Writer, which: int) -> None:
    """Write out all VMAs of the current thread. R7, R9: used."""
    btf = w.btf
    buffer = at.BUFFER
    w.set(FP, SLOT_COUNT, 0)
    w.call(functions.CURRENT)
    w.copy(R2, R0)
    w.copy(R1, FP)
    w.op("add", R1, SLOT_ITERATOR)
    w.mov(R3, 0)
    w.call_kernel(btf.number(KIND_FUNC, "bpf_iter_task_vma_new"))
    w.label("next")
    w.copy(R1, FP)
    w.op("add", R1, SLOT_ITERATOR)
    w.call_kernel(btf.number(KIND_FUNC, "bpf_iter_task_vma_next"))
    w.jump_if(R0, "==", 0, "last")
    w.copy(R9, R0)
    w.head(R8, buffer, at.VMA)
    w.set(R8, buffer + at.WORD, which, 4)
    _vma(w)
    w.output(R8, buffer, at.VMA_SIZE)
    w.load(R1, FP, SLOT_COUNT)
    w.op("add", R1, 1)
    w.store(FP, SLOT_COUNT, R1)
    w.jump("next")
    w.label("last")
    w.copy(R1, FP)
    w.op("add", R1, SLOT_ITERATOR)
    w.call_kernel(btf.number(KIND_FUNC, "bpf_iter_task_vma_destroy"))
    w.head(R8, buffer, at.VMAS)
    w.set(R8, buffer + at.WORD, which, 4)
    w.load(R1, FP, SLOT_COUNT)
    w.store(R8, buffer + at.VMAS_COUNT, R1, 4)
    w.call(functions.CURRENT)
    w.load(R7, R0, btf.offset("task_struct", "mm"))
    w.load(R1, R7, btf.offset("mm_struct", "map_count"), 4)
    w.store(R8, buffer + at.VMAS_TOTAL, R1, 4)
    for index, member in enumerate(("total_vm", "locked_vm", "data_vm", "stack_vm")):
        w.load(R1, R7, btf.offset("mm_struct", member))
        w.store(R8, buffer + at.VMAS_TOTAL + 4 + 8 * index, R1)
    w.output(R8, buffer, at.VMAS_SIZE)


def _vma(w: Writer) -> None:
    """Describe a VMA, R9."""
    btf = w.btf
    buffer = at.BUFFER
    for offset, member in (
        (at.VM_START, "vm_start"),
        (at.VM_END, "vm_end"),
        (at.VM_FLAGS, "vm_flags"),
        (at.VM_PGOFF, "vm_pgoff"),
    ):
        w.load(R1, R9, btf.offset("vm_area_struct", member))
        w.store(R8, buffer + offset, R1)
    w.set(R8, buffer + at.VM_ANON, 0, 4)
    w.load(R1, R9, btf.offset("vm_area_struct", "anon_vma"))
    w.jump_if(R1, "==", 0, "clean")
    w.set(R8, buffer + at.VM_ANON, 1, 4)
    w.label("clean")
    w.set(R8, buffer + at.VM_DEV, 0, 4)
    w.set(R8, buffer + at.VM_INODE, 0)
    w.set(R8, buffer + at.VM_NAME, 0, 1)
    w.load(R7, R9, btf.offset("vm_area_struct", "vm_file"))
    w.jump_if(R7, "==", 0, "anonymous")
    w.load(R1, R7, btf.offset("file", "f_inode"))
    w.load(R2, R1, btf.offset("inode", "i_ino"))
    w.store(R8, buffer + at.VM_INODE, R2)
    w.load(R2, R1, btf.offset("inode", "i_sb"))
    w.load(R1, R2, btf.offset("super_block", "s_dev"), 4)
    w.store(R8, buffer + at.VM_DEV, R1, 4)
    w.follow(R7, "file", "f_path.dentry")
    w.follow(R7, "dentry", "d_name.name")
    w.read(R8, buffer + at.VM_NAME, at.NAME_SIZE, R7, functions.READ_KERNEL_STR)
    w.jump("named")
    w.label("anonymous")
    w.load(R7, R9, btf.offset("vm_area_struct", "vm_private_data"))
    w.jump_if(R7, "==", 0, "named")
    # struct vm_special_mapping begins with its name.
    w.read(FP, SLOT_POINTER, 8, R7, functions.READ_KERNEL)
    w.load(R7, FP, SLOT_POINTER)
    w.read(R8, buffer + at.VM_NAME, at.NAME_SIZE, R7, functions.READ_KERNEL_STR)
    w.label("named")
