# SPDX-License-Identifier: GPL-2.0-or-later
"""All VMAs of the current thread, as records."""

import os
from typing import Final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.recording.events import layout as at
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, R3, R6, R7, R8, R9
from vmalab.recording.events.bpf.btf import KIND_FUNC
from vmalab.recording.events.programs.writer import (
    SLOT_COUNT,
    SLOT_IDS,
    SLOT_ITERATOR,
    SLOT_KEY,
    SLOT_ONE,
    SLOT_POINTER,
    SLOT_TASK,
    BpfProgram,
    Writer,
)

# Odd, so that different addresses stay different.
_SECRET: Final = int.from_bytes(os.urandom(7), "little") << 1 | 1


def last_map(w: Writer) -> None:
    """Write out the map of the task in R7, unless it is its parent's (after vfork)."""
    shared = w.fresh("shared")
    w.load(R1, R7, w.btf.offset("task_struct", "vfork_done"))
    w.jump_if(R1, "!=", 0, shared)
    own_vmas(w, at.LAST_MAP)
    w.label(shared)


def own_vmas(w: Writer, which: int) -> None:
    """Write out all VMAs of the current thread. R7, R9: used."""
    w.call(functions.CURRENT)
    w.store(FP, SLOT_TASK, R0)
    w.mov(R3, 0)
    _vmas(w, which)


def look(w: Writer) -> BpfProgram:
    """Write out VMAs of a process that the recorder asks for, by a call that does nothing else:
    getpgid of the process, and an address to begin at.
    """
    w.start()
    w.load(R1, R6, 8)
    w.jump_if(R1, "!=", NUMBER_OF_SYSCALL["getpgid"], "out")
    w.call(functions.PID_TGID)
    w.op("rsh", R0, 32)
    w.jump_if(R0, "!=", os.getpid(), "out")
    w.set(FP, SLOT_ONE, at.ZERO_LOOK)
    w.lookup(w.maps.zero, SLOT_ONE, "out")
    w.copy(R8, R0)
    w.load(R7, R6, 0)
    w.load(R1, R7, w.btf.offset("pt_regs", "di"))
    w.load(R7, R7, w.btf.offset("pt_regs", "si"))
    # Its records are of the process that is looked at.
    w.copy(R2, R1)
    w.op("lsh", R2, 32)
    w.op_with("or", R2, R1)
    w.store(FP, SLOT_IDS, R2)
    w.call_kernel(w.btf.number(KIND_FUNC, "bpf_task_from_pid"))
    w.jump_if(R0, "==", 0, "out")
    w.store(FP, SLOT_TASK, R0)
    w.set(R8, at.RESULT, 0)
    w.copy(R3, R7)
    _vmas(w, at.LOOK_MAP)
    w.load(R1, FP, SLOT_TASK)
    w.call_kernel(w.btf.number(KIND_FUNC, "bpf_task_release"))
    return w.program("look", "sys_enter")


def _vmas(w: Writer, which: int) -> None:
    """Write out the VMAs of the task on the stack, from the address in R3 on. R7, R9: used."""
    btf = w.btf
    buffer = at.BUFFER
    w.set(FP, SLOT_COUNT, 0)
    w.load(R2, FP, SLOT_TASK)
    w.copy(R1, FP)
    w.op("add", R1, SLOT_ITERATOR)
    w.call_kernel(btf.number(KIND_FUNC, "bpf_iter_task_vma_new"))
    w.label("next")
    w.copy(R1, FP)
    w.op("add", R1, SLOT_ITERATOR)
    w.call_kernel(btf.number(KIND_FUNC, "bpf_iter_task_vma_next"))
    w.jump_if(R0, "==", 0, "last")
    w.copy(R9, R0)
    if which == at.LOOK_MAP:
        # Counted in a map: a bound on what is on the stack is more than the verifier follows.
        w.load(R1, R8, at.RESULT)
        w.jump_if(R1, ">=", at.LOOK_MOST, "last")
        w.op("add", R1, 1)
        w.store(R8, at.RESULT, R1)
    w.head(R8, buffer, at.VMA)
    w.set(R8, buffer + at.WORD, which, 4)
    _vma(w, which)
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
    w.load(R1, FP, SLOT_TASK)
    w.load(R7, R1, btf.offset("task_struct", "mm"))
    w.load(R1, R7, btf.offset("mm_struct", "map_count"), 4)
    w.store(R8, buffer + at.VMAS_TOTAL, R1, 4)
    for index, member in enumerate(("total_vm", "locked_vm", "data_vm", "stack_vm")):
        w.load(R1, R7, btf.offset("mm_struct", member))
        w.store(R8, buffer + at.VMAS_TOTAL + 4 + 8 * index, R1)
    for offset, member in ((at.VMAS_BRK, "brk"), (at.VMAS_BASE, "mmap_base")):
        w.load(R1, R7, btf.offset("mm_struct", member))
        w.store(R8, buffer + offset, R1)
    w.output(R8, buffer, at.VMAS_SIZE)


def _anon_vma(w: Writer) -> None:
    """Describe what the VMA in R9 has for its own pages."""
    btf = w.btf
    buffer = at.BUFFER
    w.set(R8, buffer + at.VM_ANON, 0, 4)
    w.set(R8, buffer + at.VM_TOKEN, 0)
    w.copy(R7, R9)
    w.op("add", R7, btf.offset("vm_area_struct", "anon_vma"))
    w.read(FP, SLOT_POINTER, 8, R7, functions.READ_KERNEL)
    w.load(R1, FP, SLOT_POINTER)
    w.jump_if(R1, "==", 0, "clean")
    w.set(R8, buffer + at.VM_ANON, at.ANON, 4)
    # Addresses of the kernel are nobody's business.
    w.number(R2, _SECRET)
    w.op_with("mul", R1, R2)
    w.op("rsh", R1, 1)
    w.store(R8, buffer + at.VM_TOKEN, R1)
    w.load(R1, R9, btf.offset("vm_area_struct", "anon_vma_chain.next"))
    w.load(R2, R9, btf.offset("vm_area_struct", "anon_vma_chain.prev"))
    w.jump_if_reg(R1, "==", R2, "clean")
    w.set(R8, buffer + at.VM_ANON, at.ANON | at.ANON_CHAIN, 4)
    w.label("clean")


def _path_flags(w: Writer) -> None:
    """Note of the dentry in R7, which is a key on the stack too, how the kernel makes its path."""
    btf = w.btf
    w.op("add", R7, btf.offset("dentry", "d_hash.pprev"))
    w.read(FP, SLOT_POINTER, 8, R7, functions.READ_KERNEL)
    w.load(R1, FP, SLOT_POINTER)
    w.jump_if(R1, "!=", 0, "linked")
    _flag(w, at.FILE_UNLINKED)
    w.label("linked")
    w.load(R7, FP, SLOT_KEY)
    w.follow(R7, "dentry", "d_op")
    w.jump_if(R7, "==", 0, "plain")
    w.follow(R7, "dentry_operations", "d_dname")
    w.jump_if(R7, "==", 0, "plain")
    _flag(w, at.FILE_PSEUDO)
    w.label("plain")


def _flag(w: Writer, flag: int) -> None:
    """Set a bit of the VMA's record."""
    w.load(R1, R8, at.BUFFER + at.VM_ANON, 4)
    w.op("or", R1, flag)
    w.store(R8, at.BUFFER + at.VM_ANON, R1, 4)


def _vma(w: Writer, which: int) -> None:
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
    if which == at.LOOK_MAP:
        w.load(R1, R8, buffer + at.VM_END)
        w.store(R8, at.FAULT, R1)
    _anon_vma(w)
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
    w.store(FP, SLOT_KEY, R7)
    _path_flags(w)
    w.load(R7, FP, SLOT_KEY)
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
