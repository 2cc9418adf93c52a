# SPDX-License-Identifier: GPL-2.0-or-later
"""The end of a task and of an address space.

Mirrors kernel/exit.c, exit_mmap() of mm/mmap.c and mmput() of kernel/fork.c (v6.18).
"""

from mypy_extensions import i64

from vmalab.linux.fs.aio import exit_aio
from vmalab.linux.include.mm_flags import VM_ACCOUNT
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.linux.mm.accounting import vm_unacct_memory
from vmalab.linux.mm.vma.munmap import free_pgtables, remove_vma
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Mm, Vma, vma_pages
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi


def exit_mmap(mm: Mm) -> None:
    """Unmap everything, return what was charged, free the tree.  Cannot fail, not even for seals.

    Kernel: exit_mmap().
    """
    seam = mm.seam
    mm.page_tables.destroy()
    vmas: list[Vma] = []
    vmi = Vmi(mm, 0)
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        vmas.append(vma)
        vma = vmi.find(TASK_SIZE_5LEVEL)
    free_pgtables(mm, vmas)
    nr_accounted: i64 = 0
    for gone in vmas:
        if gone.vm_flags & VM_ACCOUNT != 0:
            nr_accounted += vma_pages(gone)
        remove_vma(seam, gone)
    mm.mm_mt.destroy()
    if mm.mm_rb is not None:
        mm.mm_rb.destroy()
    mm.map_count = 0
    vm_unacct_memory(mm.kernel, nr_accounted)


def mmput(mm: Mm) -> None:
    """Drop one user of an address space; the last one takes it down."""
    mm.mm_users -= 1
    if mm.mm_users == 0:
        exit_aio(mm)
        exit_mmap(mm)


def exit_mm(task: Task) -> None:
    """A task stops using its address space (`exit_mm`)."""
    mm = task.mm
    task.mm = None
    if mm is not None:
        mmput(mm)


def exit_task(task: Task) -> None:
    """End a thread: address space, descriptors, policy; the last user of each frees it.

    Kernel: do_exit().
    """
    tasks = task.machine.tasks
    if tasks.get(task.pid) is task:
        del tasks[task.pid]
    exit_mm(task)
    task.files.put()
    task.machine.seam.mpol_put(task.mempolicy)
    task.mempolicy = None


def enter_task(task: Task) -> None:
    """Enter a new task; one that had its id and was never seen to exit, exits now."""
    machine = task.machine
    old = machine.tasks.get(task.pid)
    if old is not None:
        exit_task(old)
    machine.tasks[task.pid] = task
    machine.last_pid = task.pid


def exit_all(machine: MachineState) -> None:
    """End every thread of a machine."""
    for task in list(machine.tasks.values()):
        exit_task(task)
