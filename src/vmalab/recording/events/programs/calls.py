# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls: their entry, the moment at which they take effect, their exit."""

from typing import Final

from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.recording.events import layout as at
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, R5, R6, R7, R8, R9
from vmalab.recording.events.programs.contents import contents
from vmalab.recording.events.programs.faults import fault_record
from vmalab.recording.events.programs.stacks import stack
from vmalab.recording.events.programs.writer import SLOT_ONE, SLOT_POINTER, BpfProgram, Writer
from vmalab.recording.events.wanted import (
    COMMANDS,
    COMPAT_BASE,
    ROW_AT_EXIT,
    ROW_NR_ARGS,
    ROW_PLAIN,
    ROW_TIMED,
    SLOTS,
)

_TS_COMPAT: Final = 2
_NR_MMAP: Final = 9
_NR_PROCESS_MADVISE: Final = 440


def sys_enter(w: Writer) -> BpfProgram:
    """A thread has entered a call."""
    btf = w.btf
    w.start()
    w.load(R7, R6, 8)
    w.jump_if(R7, ">=", COMPAT_BASE, "out")
    w.call(functions.CURRENT)
    w.load(R1, R0, btf.offset("task_struct", "thread_info.status"), 4)
    w.op("and", R1, _TS_COMPAT)
    w.jump_if(R1, "==", 0, "native")
    w.op("or", R7, COMPAT_BASE)
    w.label("native")
    w.set(FP, SLOT_ONE, 0)
    w.store(FP, SLOT_ONE, R7, 4)
    w.lookup(w.maps.calls, SLOT_ONE, "out")
    w.load(R1, R0, ROW_NR_ARGS, 1)
    w.jump_if(R1, "==", 0, "out")
    w.copy(R9, R0)
    w.find("out")
    w.mark(R8, 0, at.CALL)
    w.store(R8, at.WORD, R7, 4)
    w.set(R8, at.ENTERED, 0)
    w.load(R1, R9, ROW_TIMED, 1)
    w.jump_if(R1, "==", 0, "untimed")
    w.call(functions.KTIME)
    w.store(R8, at.ENTERED, R0)
    w.label("untimed")
    w.load(R1, R9, ROW_NR_ARGS, 1)
    w.op("sub", R1, 1)
    w.store(R8, at.NR_ARGS, R1, 4)
    w.set(R8, at.LOCKED, 0)
    w.set(R8, at.FAULT, 0)
    w.load(R1, R6, 0)
    w.jump_if(R7, ">=", COMPAT_BASE, "compat")
    _arguments(w, ("di", "si", "dx", "r10", "r8", "r9"), at.UNDER_WAY)
    w.jump("entered")
    w.label("compat")
    _arguments(w, ("bx", "cx", "dx", "si", "di", "bp"), at.UNDER_WAY | at.COMPAT)
    w.label("entered")
    w.load(R1, R9, ROW_PLAIN, 1)
    w.jump_if(R1, "!=", 0, "out")
    _filter(w)
    if w.maps.stacks is not None:
        stack(w, w.maps.stacks)
    w.load(R1, R9, ROW_AT_EXIT, 1)
    w.jump_if(R1, "==", 0, "at_once")
    w.load(R1, R8, at.FLAGS, 4)
    w.op("or", R1, at.UNREAD)
    w.store(R8, at.FLAGS, R1, 4)
    w.label("at_once")
    for slot in range(SLOTS):
        contents(w, slot, at_exit=False)
    _mapped_file(w)
    return w.program("sys_enter", "sys_enter")


def _arguments(w: Writer, registers: tuple[str, ...], flags: int) -> None:
    """Keep the arguments. R1: struct pt_regs."""
    for index, name in enumerate(registers):
        w.load(R2, R1, w.btf.offset("pt_regs", name))
        w.store(R8, at.ARGS + 8 * index, R2)
    w.set(R8, at.FLAGS, flags, 4)


def _filter(w: Writer) -> None:
    """Drop calls with commands that are of no interest."""
    for number, (index, mask, values) in COMMANDS.items():
        other = w.fresh("other")
        w.jump_if(R7, "!=", number, other)
        w.load(R1, R8, at.ARGS + 8 * index)
        if mask >> 31:
            # All 32 bits of an int.
            w.op("lsh", R1, 32)
            w.op("rsh", R1, 32)
        else:
            w.op("and", R1, mask)
        for value in sorted(values):
            w.jump_if(R1, "==", value, other)
        w.set(R8, at.FLAGS, 0, 4)
        w.jump("out")
        w.label(other)


def _mapped_file(w: Writer) -> None:
    """Write out which file an mmap is of. R7 is free by now."""
    btf = w.btf
    w.load(R1, R8, at.WORD, 4)
    w.jump_if(R1, "!=", _NR_MMAP, "out")
    w.load(R1, R8, at.ARGS + 24)
    w.op("and", R1, MAP_ANONYMOUS)
    w.jump_if(R1, "!=", 0, "out")
    w.call(functions.CURRENT)
    w.copy(R7, R0)
    w.follow(R7, "task_struct", "files")
    w.follow(R7, "files_struct", "fdt")
    w.copy(R9, R7)
    w.op("add", R9, btf.offset("fdtable", "max_fds"))
    w.read(FP, SLOT_POINTER, 4, R9, functions.READ_KERNEL)
    w.load(R1, FP, SLOT_POINTER, 4)
    w.load(R9, R8, at.ARGS + 32, 4)
    w.jump_if_reg(R9, ">=", R1, "out")
    w.follow(R7, "fdtable", "fd")
    w.op("lsh", R9, 3)
    w.op_with("add", R7, R9)
    w.read(FP, SLOT_POINTER, 8, R7, functions.READ_KERNEL)
    w.load(R7, FP, SLOT_POINTER)
    w.jump_if(R7, "==", 0, "out")
    w.head(R8, at.BUFFER, at.FILE)
    if w.maps.stacks is None:
        # Otherwise it is known already, and the stack came before.
        w.store(R8, at.ENTERED, R0)
    w.copy(R9, R7)
    w.op("add", R9, btf.offset("file", "f_flags"))
    w.read(R8, at.BUFFER + at.WORD, 4, R9, functions.READ_KERNEL)
    w.copy(R9, R7)
    w.follow(R9, "file", "f_path.dentry")
    w.follow(R9, "dentry", "d_name.name")
    w.read(R8, at.BUFFER + at.FILE_NAME, at.NAME_SIZE, R9, functions.READ_KERNEL_STR)
    w.copy(R9, R7)
    w.follow(R9, "file", "f_path.mnt")
    w.op("add", R9, btf.offset("vfsmount", "mnt_flags"))
    w.read(R8, at.BUFFER + at.FILE_MOUNT, 4, R9, functions.READ_KERNEL)
    w.follow(R7, "file", "f_inode")
    w.set(R8, at.BUFFER + at.FILE_MODE, 0, 4)
    for place, size, member in (
        (at.FILE_INODE, 8, "i_ino"),
        (at.FILE_LENGTH, 8, "i_size"),
        (at.FILE_MODE, 2, "i_mode"),
    ):
        w.copy(R9, R7)
        w.op("add", R9, btf.offset("inode", member))
        w.read(R8, at.BUFFER + place, size, R9, functions.READ_KERNEL)
    w.follow(R7, "inode", "i_sb")
    w.op("add", R7, btf.offset("super_block", "s_dev"))
    w.set(R8, at.BUFFER + at.FILE_DEV, 0)
    w.read(R8, at.BUFFER + at.FILE_DEV, 4, R7, functions.READ_KERNEL)
    w.output(R8, at.BUFFER, at.FILE_SIZE)


def sys_exit(w: Writer) -> BpfProgram:
    """A thread has left a call."""
    w.start()
    w.find_known()
    w.under_way()
    w.load(R1, R6, 8)
    w.store(R8, at.RESULT, R1)
    w.jump_if(R1, "!=", -ENOMEM, "other")
    w.set(FP, SLOT_ONE, at.ZERO_FAILED)
    w.lookup(w.maps.zero, SLOT_ONE, "other")
    w.load(R1, R0, 0)
    w.op("add", R1, 1)
    w.store(R0, 0, R1)
    w.label("other")
    w.load(R1, R8, at.FLAGS, 4)
    w.op("and", R1, at.UNREAD)
    w.jump_if(R1, "==", 0, "call")
    w.set(FP, SLOT_ONE, 0)
    w.load(R1, R8, at.WORD, 4)
    w.store(FP, SLOT_ONE, R1, 4)
    w.lookup(w.maps.calls, SLOT_ONE, "call")
    w.copy(R9, R0)
    for slot in range(SLOTS):
        contents(w, slot, at_exit=True)
    w.label("call")
    w.load(R0, R8, at.LOCKED)
    w.jump_if(R0, "==", 0, "unlocked")
    w.load(R1, R8, at.ENTERED)
    w.jump_if(R1, "==", 0, "placed")
    w.label("unlocked")
    w.call(functions.KTIME)
    w.label("placed")
    w.store(R8, at.TIME, R0)
    call_record(w)
    w.set(R8, at.FLAGS, 0, 4)
    return w.program("sys_exit", "sys_exit")


def call_record(w: Writer) -> None:
    """Write out a call, with the arguments that it has."""
    w.load(R5, R8, at.NR_ARGS, 4)
    w.jump_if(R5, ">", at.MOST_ARGS, "out")
    w.op("lsh", R5, 3)
    w.op("add", R5, at.ARGS)
    w.output_sized(R8, 0)


def mmap_lock(w: Writer) -> BpfProgram:
    """A thread may change an address space from now on: here its call takes effect."""
    w.start()
    # Whether for writing is the last argument but one: there was another before, once.
    tracepoint = "mmap_lock_acquire_returned"
    w.load(R1, R6, 8 * (w.btf.count_arguments(tracepoint) - 2), 1)
    w.jump_if(R1, "==", 0, "out")
    w.find_known()
    w.load(R1, R8, at.FLAGS, 4)
    w.op("and", R1, at.UNDER_WAY)
    w.jump_if(R1, "==", 0, "fault")
    w.load(R1, R8, at.WORD, 4)
    w.jump_if(R1, "==", _NR_PROCESS_MADVISE, "mine")
    w.in_own_memory(0)
    w.label("mine")
    w.call(functions.KTIME)
    w.store(R8, at.LOCKED, R0)
    w.jump("out")
    w.label("fault")
    w.load(R7, R8, at.FAULT)
    w.jump_if(R7, "==", 0, "out")
    w.in_own_memory(0)
    fault_record(w, at.GROWN)
    return w.program("mmap_lock", tracepoint)
