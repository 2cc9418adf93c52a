# SPDX-License-Identifier: GPL-2.0-or-later
"""Fork: what the child's map is, what is shared, and that a failed fork leaves no trace."""

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_lines
from vmalab.linux.include.config import OVERCOMMIT_NEVER, KernelConfig
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM
from vmalab.linux.include.uapi.prctl import PR_GET_THP_DISABLE, PR_SET_THP_DISABLE
from vmalab.linux.include.uapi.sched import (
    CLONE_CLEAR_SIGHAND,
    CLONE_FILES,
    CLONE_FS,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
)
from vmalab.linux.kernel.fork import copy_process, do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.lib.slab import FailNth
from vmalab.linux.mm.page_tables import PTE_ANON
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.mm_types import Mempolicy, Mm, UserfaultfdCtx, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

from ..noted_calls import do_syscall

READ, READ_WRITE = 1, 3
ANONYMOUS, SHARED_ANONYMOUS = 0x22, 0x21
NO_FD = 2**64 - 1
DONTFORK, WIPEONFORK, POPULATE_WRITE = 10, 18, 23
THREAD = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES


def anon(task: Task, pages: int, flags: int = ANONYMOUS, prot: int = READ_WRITE) -> int:
    addr = do_syscall(task, "mmap", 0, pages * 4096, prot, flags, NO_FD, 0)
    assert addr > 0
    return addr


def fork(task: Task, pid: int = 200) -> Task:
    child = do_fork(task, 0, pid)
    assert child is not None
    return child


def mm_of(task: Task) -> Mm:
    assert task.mm is not None
    return task.mm


def vma_at(task: Task, addr: int) -> Vma:
    vma = find_vma(mm_of(task), addr)
    assert vma is not None
    return vma


def counters(mm: Mm) -> list[int]:
    return [mm.map_count, mm.total_vm, mm.data_vm, mm.exec_vm, mm.stack_vm, mm.locked_vm]


def test_the_child_has_the_same_map(task: Task) -> None:
    for prot in (READ_WRITE, READ, 5, READ_WRITE):
        anon(task, 3, prot=prot)
    anon(task, 2, SHARED_ANONYMOUS)
    child = fork(task)
    mm = mm_of(child)
    assert mm is not task.mm
    assert mm_lines(mm) == mm_lines(mm_of(task))
    assert counters(mm) == counters(mm_of(task))
    assert mm.hiwater_vm == mm.total_vm
    assert mm_violations(mm) == []


def test_the_layout_is_inherited(task: Task) -> None:
    mm = mm_of(task)
    mm.start_brk = mm.brk = 0x5000000
    mm.start_stack, mm.mmap_base, mm.start_code = 1 << 40, 1 << 41, 0x400000
    copy = mm_of(fork(task))
    assert (copy.brk, copy.start_brk, copy.start_stack) == (mm.brk, mm.start_brk, mm.start_stack)
    assert (copy.mmap_base, copy.mmap_legacy_base) == (mm.mmap_base, mm.mmap_legacy_base)
    assert (copy.task_size, copy.start_code, copy.topdown) == (mm.task_size, 0x400000, mm.topdown)


def test_locks_are_not_inherited(task: Task) -> None:
    addr = anon(task, 4)
    assert do_syscall(task, "mlock", addr, 16384) == 0
    assert do_syscall(task, "mlockall", 2) == 0
    child = fork(task)
    assert mm_of(child).locked_vm == 0
    assert mm_of(child).def_flags == 0
    assert "lo" not in vm_flag_letters(vma_at(child, addr).vm_flags)
    assert mm_of(task).locked_vm == 4


def test_dontfork_vmas_are_left_out(task: Task) -> None:
    addr = anon(task, 4)
    assert do_syscall(task, "madvise", addr + 4096, 8192, DONTFORK) == 0
    mm = mm_of(task)
    assert mm.map_count == 3
    child = fork(task)
    assert mm_of(child).map_count == 2
    assert mm_of(child).total_vm == mm.total_vm - 2
    assert mm_of(child).data_vm == mm.data_vm - 2
    assert do_syscall(child, "munmap", addr, 16384) == 0


def test_a_map_of_dontfork_vmas_only(task: Task) -> None:
    addr = anon(task, 4)
    assert do_syscall(task, "madvise", addr, 16384, DONTFORK) == 0
    child = fork(task)
    assert counters(mm_of(child)) == [0] * 6
    assert len(mm_lines(mm_of(child))) == 1


def test_wipeonfork_vmas_come_without_pages(task: Task) -> None:
    addr = anon(task, 4)
    assert do_syscall(task, "madvise", addr, 16384, POPULATE_WRITE) == 0
    assert do_syscall(task, "madvise", addr, 8192, WIPEONFORK) == 0
    child = fork(task)
    assert vma_at(child, addr).anon_vma is None
    assert vma_at(child, addr + 8192).anon_vma is not None
    ranges = mm_of(child).page_tables.ranges(addr, addr + 16384)
    assert ranges == [(addr + 8192, addr + 16384, PTE_ANON)]
    assert "wf" in vm_flag_letters(vma_at(child, addr).vm_flags)


def test_faulted_vmas_get_a_chain_of_two(task: Task) -> None:
    addr = anon(task, 1)
    assert do_syscall(task, "madvise", addr, 4096, POPULATE_WRITE) == 0
    parent = vma_at(task, addr)
    child = vma_at(fork(task), addr)
    assert len(parent.anon_vma_chain) == 1
    assert len(child.anon_vma_chain) == 2
    assert child.anon_vma is not None
    assert parent.anon_vma is not None
    assert child.anon_vma is not parent.anon_vma
    assert child.anon_vma.root is parent.anon_vma


def test_a_forked_vma_does_not_merge_with_a_fresh_neighbour(task: Task) -> None:
    addr = anon(task, 1)
    assert do_syscall(task, "madvise", addr, 4096, POPULATE_WRITE) == 0
    child = fork(task)
    assert anon(child, 1) == addr - 4096
    assert mm_of(child).map_count == 2
    assert anon(task, 1) == addr - 4096
    assert mm_of(task).map_count == 1


def test_shared_mappings_count_in_their_files(task: Task) -> None:
    addr = anon(task, 2, SHARED_ANONYMOUS)
    file = vma_at(task, addr).vm_file
    assert file is not None
    child = fork(task)
    assert vma_at(child, addr).vm_file is file
    assert file.f_count == 2
    assert file.inode.i_mapping.i_mmap_writable == 2
    assert len(file.inode.i_mapping.vmas()) == 2
    task.machine.exit_task(child)
    assert file.f_count == 1
    assert file.inode.i_mapping.i_mmap_writable == 1


def test_policies_are_copied(task: Task) -> None:
    kernel = task.machine.kernel
    addr = anon(task, 1)
    assert kernel.mempolicy_cache.alloc()
    vma_at(task, addr).vm_policy = Mempolicy(2, 0, 1, -1)
    assert kernel.mempolicy_cache.alloc()
    task.mempolicy = Mempolicy(3, 0, 1, -1)
    child = fork(task)
    copy = vma_at(child, addr).vm_policy
    assert copy is not None
    assert copy is not vma_at(task, addr).vm_policy
    assert (copy.mode, copy.nodes) == (2, 1)
    assert child.mempolicy is not None
    assert child.mempolicy.mode == 3
    assert kernel.mempolicy_cache.nr_active == 4


def test_userfaultfd_is_dropped_unless_it_follows_forks(task: Task) -> None:
    first = anon(task, 1, SHARED_ANONYMOUS)
    second = anon(task, 1, SHARED_ANONYMOUS)
    third = anon(task, 1, SHARED_ANONYMOUS)
    plain, following = UserfaultfdCtx(), UserfaultfdCtx()
    following.features = 2
    for addr, ctx in ((first, plain), (second, following), (third, following)):
        vma_at(task, addr).vm_userfaultfd_ctx = ctx
        vma_at(task, addr).vm_flags |= 0x200
    child = fork(task)
    assert vma_at(child, first).vm_userfaultfd_ctx is None
    assert vma_at(child, first).vm_flags & 0x200 == 0
    new = vma_at(child, second).vm_userfaultfd_ctx
    assert new is not None
    assert new is not following
    assert new.features == 2
    assert new.mm is child.mm
    assert vma_at(child, third).vm_userfaultfd_ctx is new
    assert vma_at(child, second).vm_flags & 0x200 != 0
    assert vma_at(task, first).vm_userfaultfd_ctx is plain


def test_properties_of_the_process_that_a_child_inherits(task: Task) -> None:
    mm = mm_of(task)
    mm.mdwe, mm.thp_disable, mm.ksm_merge_any = 1, True, True
    mm.pkey_allocation_map, mm.execute_only_pkey = 7, 2
    mm.def_flags = 0x40002000
    task.cred.uid, task.cred.cap_effective, task.personality = 5, 0x10, 0x40000
    child = fork(task)
    copy = mm_of(child)
    assert (copy.mdwe, copy.thp_disable, copy.ksm_merge_any) == (1, True, True)
    assert (copy.pkey_allocation_map, copy.execute_only_pkey) == (7, 2)
    assert copy.def_flags == 0x40000000
    assert (child.cred.uid, child.cred.cap_effective, child.personality) == (5, 0x10, 0x40000)


def test_mdwe_can_be_kept_from_children(task: Task) -> None:
    mm_of(task).mdwe, mm_of(task).mdwe_no_inherit = 1, True
    child = fork(task)
    assert mm_of(child).mdwe == 0
    assert not mm_of(child).mdwe_no_inherit


def test_limits_are_copied_for_a_process_and_shared_by_threads(task: Task) -> None:
    child = fork(task)
    thread = do_fork(task, THREAD, 201)
    assert thread is not None
    task.signal.rlim_cur[9] = 5
    assert child.signal.rlim_cur[9] != 5
    assert thread.signal.rlim_cur[9] == 5
    assert (child.tgid, thread.tgid) == (200, 100)


def test_vm_and_files_are_shared_on_request(task: Task) -> None:
    assert do_syscall(task, "memfd_create", 1, 0, mem={0: "x"}) == 0
    vfork = do_fork(task, CLONE_VM, 201)
    thread = do_fork(task, THREAD, 202)
    assert vfork is not None
    assert thread is not None
    assert vfork.mm is thread.mm is task.mm
    assert mm_of(task).mm_users == 3
    assert thread.files is task.files
    assert vfork.files is not task.files
    assert do_syscall(vfork, "close", 0) == 0
    assert task.files.fget(0) is not None
    assert do_syscall(thread, "close", 0) == 0
    assert task.files.fget(0) is None


@pytest.mark.parametrize(
    "flags",
    [
        CLONE_NEWNS | CLONE_FS,
        CLONE_NEWUSER | CLONE_FS,
        CLONE_THREAD | CLONE_VM,
        CLONE_SIGHAND,
        THREAD | CLONE_NEWPID,
        0x1000 | 0x400000,
    ],
)
def test_flags_that_contradict_each_other(task: Task, flags: int) -> None:
    assert copy_process(task, flags, 200) == -EINVAL
    assert do_fork(task, flags, 200) is None
    assert list(task.machine.tasks) == [100]


def test_the_calls(machine: LinuxMachine, task: Task) -> None:
    machine.expected_pid = 300
    assert do_syscall(task, "clone", 17) == 300
    assert do_syscall(task, "fork") == 301
    assert do_syscall(task, "vfork") == 302
    assert machine.tasks[302].mm is task.mm
    assert machine.tasks[301].mm is not task.mm
    machine.expected_pid = 400
    assert do_syscall(task, "clone3", 1, 88, mem={0: {"flags": THREAD, "exit_signal": 0}}) == 400
    assert machine.tasks[400].tgid == 100
    for bad in (1, CLONE_CLEAR_SIGHAND | THREAD, 1 << 40):
        assert do_syscall(task, "clone3", 1, 88, mem={0: {"flags": bad}}) == -EINVAL
    assert do_syscall(task, "clone3", 0, 88) == -EFAULT


def test_unshare_gives_descriptors_of_its_own(machine: LinuxMachine, task: Task) -> None:
    thread = do_fork(task, THREAD, 202)
    assert thread is not None
    assert do_syscall(thread, "unshare", CLONE_FILES) == 0
    assert thread.files is not task.files
    assert thread.files.count == task.files.count == 1


def test_a_child_is_charged_for_what_it_could_write(machine: LinuxMachine, task: Task) -> None:
    anon(task, 100)
    anon(task, 50, prot=READ)
    before = machine.kernel.committed_as
    fork(task)
    assert machine.kernel.committed_as == before + 100


def test_fork_beyond_the_commit_limit_changes_nothing() -> None:
    config = KernelConfig()
    config.overcommit_memory = OVERCOMMIT_NEVER
    config.commit_limit = 1000
    config.user_reserve_pages = config.admin_reserve_pages = 0
    machine = LinuxMachine(config)
    task = machine.spawn(100)
    anon(task, 300)
    anon(task, 10, SHARED_ANONYMOUS)
    anon(task, 300)
    before = machine.kernel.committed_as
    assert copy_process(task, 0, 200) == -ENOMEM
    assert machine.find_task(200) is None
    assert machine.kernel.committed_as == before
    assert machine.kernel.vm_area_cache.nr_active == 3
    assert mm_violations(mm_of(task)) == []
    machine.exit_task(task)
    assert machine.leaks() == []


def build(machine: LinuxMachine) -> Task:
    """A process with enough VMAs, faults and policies that a fork allocates of every kind."""
    task = machine.spawn(100)
    for step in range(40):
        addr = anon(task, 2, prot=READ_WRITE if step % 2 else READ)
        if step % 4 == 1:
            assert do_syscall(task, "madvise", addr, 8192, POPULATE_WRITE) == 0
        if step % 8 == 3:
            assert do_syscall(task, "madvise", addr, 4096, DONTFORK) == 0
    assert machine.kernel.mempolicy_cache.alloc()
    vma = find_vma(mm_of(task), 0)
    assert vma is not None
    vma.vm_policy = Mempolicy(2, 0, 1, -1)
    return task


def set_fault(machine: LinuxMachine, fault: FailNth | None) -> None:
    machine.kernel.set_fault(fault)


def test_a_fork_that_runs_out_of_memory_anywhere_leaves_no_trace() -> None:
    failures = 0
    for nth in range(1, 1000):
        machine = LinuxMachine(KernelConfig())
        task = build(machine)
        mm = mm_of(task)
        lines, numbers = mm_lines(mm), counters(mm)
        charged = machine.kernel.committed_as
        set_fault(machine, FailNth(nth))
        result = copy_process(task, 0, 200)
        set_fault(machine, None)
        if result == -ENOMEM:
            failures += 1
            assert machine.find_task(200) is None
            assert machine.kernel.committed_as == charged
        assert mm_lines(mm) == lines
        assert counters(mm) == numbers
        assert mm_violations(mm) == []
        for one in list(machine.tasks.values()):
            machine.exit_task(one)
        assert machine.leaks() == []
        if result == 200:
            break
    assert failures > 60


@pytest.mark.parametrize(("flags", "shown"), [(0, 1), (2, 3)])
def test_a_child_and_its_child_have_the_same_huge_pages(task: Task, flags: int, shown: int) -> None:
    assert do_syscall(task, "prctl", PR_SET_THP_DISABLE, 1, flags, 0, 0) == 0
    child = fork(fork(task), 300)
    assert do_syscall(child, "prctl", PR_GET_THP_DISABLE, 0, 0, 0, 0) == shown
    assert do_syscall(child, "prctl", PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0
    assert do_syscall(task, "prctl", PR_GET_THP_DISABLE, 0, 0, 0, 0) == shown
