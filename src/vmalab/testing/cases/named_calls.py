# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls that a `call` line can name, made by a task whose address space is the bench's.

They go through the call table, as a process would make them, and so through the files around the
VMA core: mremap, mprotect, madvise, mlock, mseal.  The task is not privileged and has the limits
that the case sets.
"""

from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.include.mm_flags import VM_EXEC, VM_GROWSDOWN, VM_LOCKED, VM_READ, VM_WRITE
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import vma_perms
from vmalab.linux.include.uapi import mman
from vmalab.linux.include.uapi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.ipc.shm import shm_destroy
from vmalab.linux.kernel.exit import exit_task
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.files import FilesStruct, get_file
from vmalab.linux.types.task import Task
from vmalab.testing.cases.case import CaseCall
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.workbench import Bench

PID: Final = 100
# The words of `madvise`: MADV_* in small letters.
ADVICE: Final = {
    name[5:].lower(): value
    for name, value in vars(mman).items()
    if name.startswith("MADV_") and isinstance(value, int)
}
MAX_ERRNO: Final = 4095


def task_of(bench: Bench) -> Task:
    """Return a task with the bench's address space, and limits and privileges of the case."""
    machine = LinuxMachine(bench.config, bench.seam)
    task = Task(machine, PID, PID, bench.mm, FilesStruct())
    machine.add_task(task)
    task.cred.cap_effective = 0
    for resource, limit in bench.seam.limits.items():
        task.signal.rlim_cur[resource] = task.signal.rlim_max[resource] = limit
    bench.mm.owner = task
    return task


def make_call(
    bench: Bench,
    name: str,
    args: tuple[int, ...],
    kind: Kind | None = None,
    mem: dict[int, object] | None = None,
) -> int:
    """Make one system call; descriptor 0 is the file of `kind`, if it has one.

    What the call makes besides, as tasks and segments, goes with the machine that it is made on.
    """
    task = task_of(bench)
    file = bench.file(kind.file) if kind is not None else None
    if kind is not None:
        bench.mapping = kind
    if file is not None:
        task.files.install_at(0, get_file(file))
    a0, a1, a2, a3, a4, a5 = (*args, 0, 0, 0, 0, 0, 0)[:6]
    bench.seam.mmap_write_unlock(bench.mm)
    try:
        return do_syscall(task, name, a0, a1, a2, a3, a4, a5, mem)
    finally:
        let_go(task)
        bench.seam.mmap_write_lock(bench.mm)
        bench.mm.owner = None


def let_go(task: Task) -> None:
    """End what a call has made besides the address space: tasks, files, segments, policies."""
    machine = task.machine
    fault = machine.kernel.vm_area_cache.fault
    machine.kernel.set_fault(None)
    for other in list(machine.tasks.values()):
        if other is not task:
            exit_task(other)
    if machine.tasks.get(task.pid) is task:
        task.files.put()
        machine.seam.mpol_put(task.mempolicy)
    for segment in machine.ipc_ns.segments():
        shm_destroy(machine.ipc_ns, segment)
    machine.kernel.set_fault(fault)


def prot_of(flags: int) -> int:
    """PROT_* of a kind's flags."""
    return (
        (1 if flags & VM_READ else 0)
        | (2 if flags & VM_WRITE else 0)
        | (4 if flags & VM_EXEC else 0)
    )


def length_of(call: CaseCall) -> int:
    """Return the length of a call's range in bytes."""
    return (call.end - call.start) << PAGE_SHIFT


def sys_mmap(bench: Bench, call: CaseCall) -> int:
    """mmap with MAP_FIXED of a kind, of its file or of anonymous memory."""
    kind = bench.kind(call.letter)
    flags = MAP_FIXED | (MAP_SHARED if vma_perms(kind.flags)[3] == "s" else MAP_PRIVATE)
    flags |= 0 if kind.file else MAP_ANONYMOUS
    flags |= MAP_GROWSDOWN if kind.flags & VM_GROWSDOWN else 0
    flags |= MAP_LOCKED if kind.flags & VM_LOCKED else 0
    pgoff = bench.pgoff(call.letter, call.start) << PAGE_SHIFT if kind.file else 0
    fd = 0 if kind.file else 2**64 - 1
    args = (call.start << PAGE_SHIFT, length_of(call), prot_of(kind.flags), flags, fd, pgoff)
    return make_call(bench, "mmap", args, kind)


def sys_mprotect(bench: Bench, call: CaseCall) -> int:
    """mprotect to the permissions of a kind."""
    prot = prot_of(bench.kind(call.letter).flags)
    return make_call(bench, "mprotect", (call.start << PAGE_SHIFT, length_of(call), prot))


def sys_range(bench: Bench, call: CaseCall) -> int:
    """Return a call that takes a range and no more: munmap, mlock, munlock, mseal."""
    return make_call(bench, call.name, (call.start << PAGE_SHIFT, length_of(call)))


def sys_madvise(bench: Bench, call: CaseCall) -> int:
    """madvise with an advice by its name."""
    advice = next(ADVICE[word] for word in call.words if word in ADVICE)
    return make_call(bench, "madvise", (call.start << PAGE_SHIFT, length_of(call), advice))


def sys_mremap(bench: Bench, call: CaseCall) -> int:
    """mremap to a fixed place of the same size, or to another size."""
    start, length = call.start << PAGE_SHIFT, length_of(call)
    if "sized" in call.words:
        flags = MREMAP_MAYMOVE if "maymove" in call.words else 0
        return make_call(bench, "mremap", (start, length, call.count << PAGE_SHIFT, flags))
    flags = MREMAP_MAYMOVE | MREMAP_FIXED
    flags |= MREMAP_DONTUNMAP if "dontunmap" in call.words else 0
    return make_call(bench, "mremap", (start, length, length, flags, call.page << PAGE_SHIFT))


SYSCALLS: Final = {
    "mmap": sys_mmap,
    "munmap": sys_range,
    "mprotect": sys_mprotect,
    "madvise": sys_madvise,
    "mlock": sys_range,
    "munlock": sys_range,
    "mseal": sys_range,
    "mremap": sys_mremap,
}
