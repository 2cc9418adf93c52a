# SPDX-License-Identifier: GPL-2.0-or-later
"""The model as a target: a machine like the recorded one, its processes, and their calls.

What a log tells and no model can know is installed as a fact: which descriptor an open answered,
which number a child has. Everything else is the engine's own doing.
"""

from collections.abc import Callable
from typing import Final, final

from mypy_extensions import i64

from vmalab.calls.call import Call
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.arch.x86.entry.syscalls.batch import do_registers
from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS
from vmalab.linux.fs.exec import begin_new_exec, restore_vma
from vmalab.linux.fs.open import TMPFS_DEV, anon_file
from vmalab.linux.fs.proc.clear_refs import CLEAR_REFS
from vmalab.linux.fs.proc.task_mmu import (
    mm_vmas,
    vma_dev,
    vma_ino,
    vma_name,
    vma_pgoff_shown,
    vma_pkey_shown,
)
from vmalab.linux.fs.userfaultfd import userfaultfd_fops
from vmalab.linux.include.mm_flags import (
    VM_ACCOUNT,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_READ,
    VM_WRITE,
)
from vmalab.linux.include.page import IA32_TASK_SIZE, IA32_TASK_SIZE_3GB, PAGE_SHIFT, STACK_TOP_MAX
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.linux.include.uapi.errno import ENOSYS
from vmalab.linux.include.uapi.personality import ADDR_LIMIT_3GB
from vmalab.linux.include.uapi.sched import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VM,
)
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.kernel.user_namespace import create_user_ns
from vmalab.linux.mm.filemap import thp_fops
from vmalab.linux.mm.vma_internal import VmaInternal
from vmalab.linux.types.cred import INIT_USER_NS
from vmalab.linux.types.file import FMODE_READ, I_OTHER, I_REG, File, Inode
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import Task
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.targets.listener import TargetListener
from vmalab.targets.model.attached import AttachedPast, take_up
from vmalab.targets.model.credentials import set_credentials, set_limits
from vmalab.targets.model.descriptors import (
    carry_out,
    follow,
    inherit,
)
from vmalab.targets.model.exec_image import Program
from vmalab.targets.model.exec_order import order_as_exec
from vmalab.targets.model.file_systems import state_all
from vmalab.targets.model.identity import Identities
from vmalab.targets.model.map_image import restore_rmap, restore_snapshot, set_layout
from vmalab.targets.model.told import learn
from vmalab.targets.model.versions import MOST, kernel_config, learn_options

SeamMaker = Callable[[KernelState], VmaInternal]
_THREAD: Final = CLONE_VM | CLONE_FS | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES
HIGHEST_STACKS: Final = (STACK_TOP_MAX, IA32_TASK_SIZE, IA32_TASK_SIZE_3GB)
# The process of a log that names none, which is thread 0 there.
NAMELESS: Final = 1 << 30
NOT_MODELLED: Final = -ENOSYS


def line_of_vma(vma: Vma) -> VmaLine:
    """Return a VMA as maps and smaps show it; an unknown inode as 0."""
    return VmaLine(
        vma.vm_start,
        vma.vm_end,
        vma_perms(vma.vm_flags),
        vma_pgoff_shown(vma),
        vma_dev(vma),
        max(vma_ino(vma), 0),
        vma_name(vma),
        vm_flag_letters(vma.vm_flags, vma.vm_mm.features.smaps_names_lockonfault),
        vma_pkey_shown(vma),
    )


@final
class ModelTarget:
    """One recorded machine in the model.

    identities: which inode of the model is which of the recording. aslr: whether addresses were
    randomised when programs started. seam: makes the engine's seam, None for the usual one.
    listener: hears what is asked of it, None for nobody.
    """

    def __init__(self, meta: Meta, version: str, seam: SeamMaker | None = None) -> None:
        config = kernel_config(meta, version)
        self.machine = LinuxMachine(config, None if seam is None else seam(KernelState(config)))
        self.identities = Identities()
        state_all(self.machine, meta)
        self.meta = meta
        # Whether anything tells which kernel it was.
        self.kernel_known = meta.kernel is not None
        self.aslr = meta.sysctl.get("kernel.randomize_va_space", 2) != 0
        self.listener: TargetListener | None = None
        self._charged = False
        # A program may change the register, and touch memory, and its log does not tell.
        self.machine.knows_pkru = bool(meta.generator)
        for h in self.machine.hstates:
            h.knows_touched = bool(meta.generator)
        if meta.generator:
            self._set_up_generated()

    def _set_up_generated(self) -> None:
        """The files that exist before the first call of a generated recording: all are known."""
        machine = self.machine
        machine.closed_world = True
        machine.cwd = "/dev/shm/gold"
        for folder in ("/", "/dev", "/dev/shm", "/dev/shm/gold"):
            machine.add_directory(folder)
        machine.add_inode(CLEAR_REFS, I_OTHER, "00:00", -1, 0)
        # Whatever its streams make there is on the file system of its two files.
        machine.mounts["/dev/shm/gold/"] = machine.super_block(TMPFS_DEV, machine.cwd)
        machine.add_inode("/dev/shm/gold/f0", I_REG, TMPFS_DEV, -1, 131072)
        machine.add_inode("/dev/shm/gold/f1", I_REG, TMPFS_DEV, -1, 65536)

    def _open_inherited(self, task: Task) -> None:
        """The descriptors that a generated recording's program begins with; none can be mapped."""
        if self.machine.closed_world:
            for fd in (0, 1, 2, 200):
                file = anon_file(self.machine, "inherited")
                # A terminal or the like, of a file system that lets files be executed.
                file.noexec = False
                task.files.install_at(fd, file)

    def task(self, tid: int) -> Task | None:
        """Return the thread of that number, while it lives."""
        return self.machine.tasks.get(tid or NAMELESS)

    def mm(self, tid: int) -> Mm | None:
        """Return the address space of a thread."""
        task = self.machine.tasks.get(tid or NAMELESS)
        return None if task is None else task.mm

    # The tree of processes.

    def start(self, pid: int) -> Task:
        """Return the process of that number, made with nothing in it when it is not there."""
        task = self.machine.tasks.get(pid or NAMELESS)
        if task is None:
            task = self.machine.spawn(pid or NAMELESS)
            task.randomize = self.aslr
            self._open_inherited(task)
        return task

    def execute(self, pid: int, image: MetaImage, first_map: Snapshot | None) -> str:
        """Make a process a new program: "", or what is wrong with its first map.

        first_map: None when it is not known; then the address space is empty.
        """
        task = self._prepare(pid, image, first_map)
        mm = begin_new_exec(task)
        set_credentials(task, self.meta, image)
        if self.listener is not None:
            self.listener.began(pid, image, first_map, False)
        if first_map is None:
            return ""
        set_layout(mm, image, first_map, randomized=task.randomize)
        faulted = () if image.rmap else image.anon_vma
        wrong = restore_snapshot(self.machine, self.identities, mm, first_map, faulted)
        restore_rmap(mm, image.rmap)
        order_as_exec(mm, image.vdso_dropped)
        self._begun(mm)
        return wrong

    def build(self, pid: int, image: MetaImage, first_map: Snapshot) -> bool:
        """Make a process a new program, from the headers of its file: whether that could be.

        Where it could not, for what the recording lacks, `execute` is still to be called.
        """
        program = Program(image, first_map)
        if not program.is_told:
            return False
        task = self._prepare(pid, image, first_map)
        if not program.build(task, self.identities) or task.mm is None:
            return False
        set_credentials(task, self.meta, image)
        # From here on it may touch what it likes.
        task.mm.page_tables.complete = False
        self._begun(task.mm)
        if self.listener is not None:
            self.listener.began(pid, image, first_map, True)
        return True

    def _prepare(self, pid: int, image: MetaImage, first_map: Snapshot | None) -> Task:
        """Return the task of a process that is about to become a new program."""
        task = self.start(pid)
        if image.personality is not None:
            task.personality = image.personality
        set_limits(task, self.meta, image)
        set_credentials(task, self.meta, image)
        learn_options(self.machine.config, self.meta, first_map or [])
        stacks = [line.end for line in first_map or () if line.name == "[stack]"]
        if first_map is not None:
            task.compat = bool(stacks) and stacks[0] <= 1 << 32
            if task.compat and stacks[0] <= IA32_TASK_SIZE_3GB:
                task.personality |= ADDR_LIMIT_3GB
        else:
            task.compat = Program(image, []).compat
        # A stack that ends as high as one can has not been moved.
        task.randomize = self.aslr and not any(end in HIGHEST_STACKS for end in stacks)
        return task

    def _begun(self, mm: Mm) -> None:
        """What else is known of a machine whose process has become a new program."""
        mm.hiwater_vm = mm.total_vm
        if self.machine.closed_world and not self.machine.config.pkeys:
            # The generator had asked for a key before it began; on such a machine that shows.
            mm.pkey_allocation_map = 1
        if not self._charged and self.meta.committed_as_kb is not None:
            self.machine.kernel.committed_as = min(self.meta.committed_as_kb, MOST) // 4
        self._charged = True

    def inherit(self, pid: int, image: MetaImage) -> None:
        """A process has what the recording says was open when it began."""
        task = self.task(pid)
        if task is not None:
            inherit(task, image.fds, image.seals)

    def attached(self, pid: int, image: MetaImage, past: AttachedPast) -> None:
        """A process that has begun lived already. past: what it is supposed to have done."""
        task = self.task(pid)
        if task is not None:
            take_up(task, image, past)

    def fork(self, ppid: int, pid: int, flags: int = 0) -> bool:
        """Give a process a child with a copy of its address space, or with the same one."""
        parent = self.machine.tasks.get(ppid or NAMELESS)
        if parent is None:
            return False
        if self.listener is not None:
            self.listener.forking(ppid, pid, flags)
        return do_fork(parent, flags, pid) is not None

    def enter_user_ns(self, pid: int) -> None:
        """A new process is in a user namespace of its own, unless its image told so."""
        task = self.task(pid)
        if task is not None and task.cred.user_ns is INIT_USER_NS:
            create_user_ns(task.cred)

    def born(self, pid: int, image: MetaImage | None) -> None:
        """A child has the credentials that its image tells."""
        task = self.task(pid)
        if task is not None and image is not None and image.status:
            set_credentials(task, self.meta, image)

    def thread(self, tgid: int, tid: int) -> bool:
        """Give a process another thread."""
        return self.fork(tgid, tid, _THREAD)

    def share(self, ppid: int, pid: int) -> bool:
        """Give a process a child that uses its address space (vfork)."""
        return self.fork(ppid, pid, CLONE_VM)

    def exit(self, tid: int) -> None:
        """A thread ends."""
        if self.listener is not None:
            self.listener.exiting(tid)
        task = self.machine.tasks.get(tid or NAMELESS)
        if task is not None:
            self.machine.exit_task(task)

    # Calls.

    def models(self, name: str) -> bool:
        """Return whether the engine has a call."""
        return name in SYSCALLS

    def apply(self, call: Call) -> int:
        """Carry out a call as its thread. Returns: its result; -ENOSYS where either is unknown."""
        task = self.task(call.tid)
        if task is None:
            return NOT_MODELLED
        if self.listener is not None and self.models(call.name):
            self.listener.applying(call)
        # What an earlier call was refused for says nothing of this one.
        self.machine.kernel.refusal.clear()
        return carry_out(task, call)

    def apply_registers(self, task: Task, call: Call) -> i64:
        """Carry out a usual call of a task, whose registers say all of it: its result."""
        if self.listener is not None:
            self.listener.applying_usual(task, call)
        self.machine.kernel.refusal.clear()
        return do_registers(
            task, call.row.number, call.a0, call.a1, call.a2, call.a3, call.a4, call.a5
        )

    def follow(self, call: Call) -> None:
        """Let descriptors be as the log says they are after a call that is no memory call."""
        task = self.task(call.tid)
        if self.listener is not None:
            self.listener.following(call)
        if task is not None:
            follow(task, call)
            learn(task, call, self.meta)

    def closes_userfaultfd(self, call: Call) -> bool:
        """Return whether a call closes a userfaultfd, which takes it off its VMAs."""
        task = self.task(call.tid)
        if call.name != "close" or task is None:
            return False
        file = task.files.fget(call.args[0] & 0xFFFFFFFF)
        return file is not None and file.f_op is userfaultfd_fops

    def try_fork(self, call: Call) -> int:
        """What a fork that failed would answer: -errno, or 1 when it would have succeeded."""
        machine = self.machine
        pid = machine.last_pid + 1
        machine.expected_pid = pid
        predicted = self.apply(call)
        machine.expected_pid = 0
        if predicted < 0:
            return predicted
        self.exit(pid)
        machine.last_pid = pid - 1
        return 1

    def reveal(self, mm: Mm, start: int, end: int, writable: bool) -> None:
        """Map `[start, end)` (bytes) as something private that was there before the log began."""
        if self.listener is not None:
            self.listener.revealed(mm, start, end, writable)
        flags = VM_READ | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
        flags |= VM_WRITE | VM_ACCOUNT if writable else 0
        inode = Inode(I_REG, "00:00", 0)
        file = File(inode, "", FMODE_READ, thp_fops)
        restore_vma(mm, start, end, flags, start >> PAGE_SHIFT, file, thp_fops.vm_ops)
        self.machine.seam.fput(file)

    def lines(self, mm: Mm) -> Snapshot:
        """Return the map, as maps would show it."""
        return [line_of_vma(vma) for vma in mm_vmas(mm)]

    def snapshot(self, tid: int) -> Snapshot:
        """Return the map of a thread, [] where there is no such thread."""
        mm = self.mm(tid)
        return [] if mm is None else self.lines(mm)
