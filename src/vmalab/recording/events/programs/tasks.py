# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks: made, become another program, ended."""

from vmalab.linux.include.uapi.prctl import PRCTL_MM_MAP_ADDRESSES
from vmalab.linux.include.uapi.sched import CLONE_THREAD
from vmalab.recording.events import layout as at
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, R3, R4, R6, R7, R8, R9
from vmalab.recording.events.programs.calls import call_record
from vmalab.recording.events.programs.maps import last_map, own_vmas
from vmalab.recording.events.programs.writer import (
    RECORD,
    SLOT_COUNT,
    SLOT_IDS,
    SLOT_KEY,
    SLOT_LIVE,
    SLOT_TASK,
    BpfProgram,
    Writer,
)


def new_task(w: Writer) -> BpfProgram:
    """A thread has made another, which has not run yet."""
    btf = w.btf
    w.start()
    w.find("out")
    w.head(FP, RECORD, at.TASK)
    w.load(R7, R6, 0)
    w.load(R1, R7, btf.offset("task_struct", "pid"), 4)
    w.store(FP, RECORD + at.WORD, R1, 4)
    w.set(FP, SLOT_KEY, 0)
    w.store(FP, SLOT_KEY, R1, 4)
    w.load(R1, R7, btf.offset("task_struct", "tgid"), 4)
    w.set(FP, RECORD + at.CHILD_TGID, 0)
    w.store(FP, RECORD + at.CHILD_TGID, R1, 4)
    w.load(R9, R6, 8)
    w.store(FP, RECORD + at.CLONE_FLAGS, R9)
    w.load(R1, R8, at.LOCKED)
    w.store(FP, RECORD + at.TASK_LOCKED, R1)
    w.output(FP, RECORD, at.TASK_SIZE)
    w.make("out")
    w.op("and", R9, CLONE_THREAD)
    w.jump_if(R9, "!=", 0, "out")
    w.set(FP, SLOT_COUNT, 1)
    w.map(R1, w.maps.groups)
    w.copy(R2, FP)
    w.op("add", R2, SLOT_KEY)
    w.copy(R3, FP)
    w.op("add", R3, SLOT_COUNT)
    w.mov(R4, 0)
    w.call(functions.UPDATE)
    return w.program("task_newtask", "task_newtask")


def task_exit(w: Writer) -> BpfProgram:
    """A thread ends."""
    btf = w.btf
    w.start()
    w.find("out")
    w.load(R1, R8, at.FLAGS, 4)
    w.op("and", R1, at.UNDER_WAY)
    w.jump_if(R1, "==", 0, "idle")
    w.set(R8, at.KIND, at.KILLED, 4)
    w.call(functions.KTIME)
    w.store(R8, at.TIME, R0)
    call_record(w)
    w.label("idle")
    w.load(R7, R6, 0)
    w.load(R1, R7, btf.offset("task_struct", "signal"))
    w.load(R2, R1, btf.offset("signal_struct", "live.counter"), 4)
    w.set(FP, SLOT_LIVE, 0)
    w.store(FP, SLOT_LIVE, R2, 4)
    w.jump_if(R2, "!=", 0, "others")
    last_map(w)
    w.label("others")
    w.head(FP, RECORD, at.EXIT)
    w.load(R7, R6, 0)
    w.load(R1, R7, btf.offset("task_struct", "exit_code"), 4)
    w.store(FP, RECORD + at.WORD, R1, 4)
    w.load(R7, FP, SLOT_LIVE)
    w.store(FP, RECORD + at.LIVE, R7)
    w.output(FP, RECORD, at.EXIT_SIZE)
    w.set(FP, SLOT_KEY, 0)
    w.load(R1, FP, SLOT_IDS)
    w.store(FP, SLOT_KEY, R1, 4)
    w.forget(w.maps.tasks)
    w.jump_if(R7, "!=", 0, "out")
    w.load(R1, FP, SLOT_IDS)
    w.op("rsh", R1, 32)
    w.store(FP, SLOT_KEY, R1, 4)
    w.forget(w.maps.groups)
    return w.program("task_exit", "sched_process_exit")


def prepare_exec(w: Writer) -> BpfProgram:
    """A process is about to leave its address space by an exec."""
    w.start()
    w.find("out")
    w.load(R7, R6, 0)
    last_map(w)
    return w.program("prepare_exec", "sched_prepare_exec")


def exec_done(w: Writer) -> BpfProgram:
    """A process has become another program, which has not run yet."""
    btf = w.btf
    buffer = at.BUFFER
    w.start()
    w.find("out")
    # The state of the thread that made the call is that of another number, if it had one.
    w.load(R1, R6, 8)
    w.set(FP, SLOT_KEY, 0)
    w.store(FP, SLOT_KEY, R1, 4)
    w.load(R2, FP, SLOT_IDS)
    w.store(R8, buffer + at.WORD, R1, 4)
    w.op("lsh", R1, 32)
    w.op("lsh", R2, 32)
    w.jump_if_reg(R1, "==", R2, "same")
    w.lookup(w.maps.tasks, SLOT_KEY, "same")
    for index in range(6):
        w.load(R1, R0, at.ARGS + 8 * index)
        w.store(R8, at.ARGS + 8 * index, R1)
    w.forget(w.maps.tasks)
    w.label("same")
    w.head(R8, buffer, at.EXEC)
    for index in range(6):
        w.load(R1, R8, at.ARGS + 8 * index)
        w.store(R8, buffer + at.EXEC_ARGS + 8 * index, R1)
    w.call(functions.CURRENT)
    w.store(FP, SLOT_TASK, R0)
    w.load(R1, R0, btf.offset("task_struct", "cred"))
    w.load(R2, R1, btf.offset("cred", "uid.val"), 4)
    w.set(R8, buffer + at.UID, 0)
    w.store(R8, buffer + at.UID, R2, 4)
    w.load(R2, R1, btf.offset("cred", "cap_effective.val"))
    w.store(R8, buffer + at.CAPS, R2)
    w.copy(R7, R0)
    w.follow(R7, "task_struct", "mm")
    for offset, size, member in (
        (at.MM_FIELDS, 8 * len(PRCTL_MM_MAP_ADDRESSES), "start_code"),
        (at.MMAP_BASE, 8, "mmap_base"),
        (at.AUXV, at.AUXV_SIZE, "saved_auxv"),
    ):
        w.copy(R9, R7)
        w.op("add", R9, btf.offset("mm_struct", member))
        w.read(R8, buffer + offset, size, R9, functions.READ_KERNEL)
    w.load(R7, FP, SLOT_TASK)
    w.follow(R7, "task_struct", "signal")
    w.op("add", R7, btf.offset("signal_struct", "rlim"))
    w.read(R8, buffer + at.LIMITS, 16 * at.NR_LIMITS, R7, functions.READ_KERNEL)
    for offset, member in ((at.EXEC_NAME, "filename"), (at.EXEC_FILE, "interp")):
        w.load(R1, R6, 16)
        w.load(R7, R1, btf.offset("linux_binprm", member))
        w.read(R8, buffer + offset, 256, R7, functions.READ_KERNEL_STR)
    w.output(R8, buffer, at.EXEC_SIZE)
    own_vmas(w, at.FIRST_MAP)
    w.set(R8, at.FLAGS, 0, 4)
    w.set(R8, at.KNOWN_END, 0)
    return w.program("exec", "sched_process_exec")
