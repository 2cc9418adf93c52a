# SPDX-License-Identifier: GPL-2.0-or-later
"""The model in the place of a worker: the same first map, the same calls, answers to compare."""

from typing import Final, final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.errors import VmalabError
from vmalab.calls.map_line import map_lines
from vmalab.calls.snapshot import Snapshot, vmas_of
from vmalab.calls.table import FORKS
from vmalab.linux.arch.x86.entry.syscalls.args import args_of
from vmalab.linux.arch.x86.entry.syscalls.table import do_int80_syscall_32
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.fs.userfaultfd import resolve_userfault_fork
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_EVENT_FORK,
    UFFD_FEATURE_EVENT_REMAP,
    UFFD_FEATURE_EVENT_REMOVE,
    UFFD_FEATURE_EVENT_UNMAP,
    UFFDIO_API,
)
from vmalab.linux.types.files import FilesStruct
from vmalab.linux.types.mm_types import Mm, UserfaultfdCtx, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.recording.format.meta import Meta
from vmalab.targets.model.descriptors import carry_out, make_pipe
from vmalab.targets.model.identity import Mismatch, first_mismatch
from vmalab.targets.model.model import ModelTarget, line_of_vma
from vmalab.targets.real.answers import Map
from vmalab.targets.real.real import TID
from vmalab.targets.real.wire import WRPKRU, ends_process, thread_of

# What a fork answers in both worlds: process and thread ids are no matter of memory.
CHILD: Final = 1
# What makes a call wait for the reader of a userfaultfd.
UFFD_EVENTS: Final = (
    UFFD_FEATURE_EVENT_FORK
    | UFFD_FEATURE_EVENT_REMAP
    | UFFD_FEATURE_EVENT_REMOVE
    | UFFD_FEATURE_EVENT_UNMAP
)
# Bits of the register of protection keys that the executor writes: not those of key 0.
_PKRU: Final = 0xFFFFFFFC


class CannotStart(VmalabError):
    """The model could not be given the worker's first map."""


@final
class Twin:
    """A process of the model that does as a worker does.

    A fork's child carries the stream on; when it exits, its parent does. Threads of a process make
    calls in turn: each call says whose it is.
    """

    def __init__(self, meta: Meta, version: str, first: Snapshot) -> None:
        """Build the model in the state of `first`. Errors: CannotStart."""
        self.target = ModelTarget(meta, version)
        # Of each process that there is, by their numbers, its threads; None for one that has ended.
        self._processes: list[list[Task | None]] = []
        # Whose descriptors the executor reads events with, by their userfaultfd.
        self._readers: dict[UserfaultfdCtx | None, FilesStruct] = {}
        image = meta.images[meta.main_image]
        wrong = self.target.execute(TID, image, first)
        if wrong:
            raise CannotStart(f"the first map: {wrong}")
        self.task: Task = self._task(TID)
        self._processes.append([self.task])
        found = self.mismatch(first)
        if found is not None:
            raise CannotStart(f"the model's first map differs at {found.at:x}: {found.what}")

    def _task(self, tid: int) -> Task:
        task = self.target.machine.tasks[tid]
        assert task.mm is not None
        return task

    @property
    def mm(self) -> Mm:
        """The current process' address space."""
        mm = self.task.mm
        assert mm is not None
        return mm

    @property
    def map_count(self) -> int:
        """How many VMAs the current process has."""
        return int(self.mm.map_count)

    def why(self, result: int) -> str:
        """Return which check refused the last call with -errno, "" where none has said."""
        refusal = self.mm.refusal
        if refusal.errno != -result:
            return ""
        return f"{refusal.check} {refusal.argument} {refusal.why}"

    def close(self) -> None:
        """Free the machine."""
        self.target.machine.shutdown()

    def apply(self, call: Call) -> int:
        """Carry out a call: the result, or -errno."""
        if ends_process(call):
            return self._exit()
        if call.name == "exit":
            return self._exit_thread(thread_of(call))
        self.task = self._thread(thread_of(call))
        if call.abi == "i386":
            return do_int80_syscall_32(self.task, call.name, args_of(call.args, call.mem))
        if call.name == WRPKRU:
            self.task.pkru = call.args[0] & _PKRU
            return 0
        if call.name == "pipe2":
            made = make_pipe(self.task, call)
            call.out = None if isinstance(made, int) else made
            return made if isinstance(made, int) else 0
        maker = self.task
        result = carry_out(maker, call)
        if result == 0 and call.name == "ioctl" and call.args[1] == UFFDIO_API:
            self._read_events_of(call.args[0])
        if call.row.family & FORKS and result > 0:
            child = self._task(result)
            self._begin(child)
            if child.mm is not maker.mm:
                self._read_of_fork(maker, child)
            return CHILD
        return result

    def _read_events_of(self, fd: int) -> None:
        """A userfaultfd has its interface: the executor reads its events, where it has any."""
        file = self.task.files.fget(fd)
        ctx = None if file is None else file.private_data
        if isinstance(ctx, UserfaultfdCtx) and ctx.features & UFFD_EVENTS:
            self._readers[ctx] = self.task.files

    def _read_of_fork(self, maker: Task, made: Task) -> None:
        """Let the readers of a forked process' userfaultfds have those of the child."""
        assert maker.mm is not None
        assert made.mm is not None
        for vma in mm_vmas(made.mm):
            new = vma.vm_userfaultfd_ctx
            if new is None or new in self._readers:
                continue
            old = vma_lookup(maker.mm, vma.vm_start)
            files = None if old is None else self._readers.get(old.vm_userfaultfd_ctx)
            if files is not None:
                resolve_userfault_fork(self.target.machine, new, files)
                self._readers[new] = files

    def _begin(self, made: Task) -> None:
        """A thread joins its process; a child carries the stream on."""
        threads = self._processes[-1]
        if made.tgid != self.task.tgid:
            self._processes.append([made])
            self.task = made
        elif None in threads:
            threads[threads.index(None)] = made
        else:
            threads.append(made)

    def _thread(self, number: int) -> Task:
        """Return a thread of the current process, the first for one that there is not."""
        threads = self._processes[-1]
        found = threads[number] if number < len(threads) else None
        return found or self._first()

    def _first(self) -> Task:
        task = self._processes[-1][0]
        assert task is not None
        return task

    def _exit_thread(self, number: int) -> int:
        """End a thread, if there is such a one."""
        thread = self._thread(number)
        if thread is not self._first():
            self._processes[-1][number] = None
            self.target.exit(thread.pid)
            self.task = self._first()
        return 0

    def _exit(self) -> int:
        """End the child with its threads: it has done its part."""
        if len(self._processes) == 1:
            return 0
        for thread in reversed(self._processes.pop()):
            if thread is not None:
                self.target.exit(thread.pid)
        self.task = self._first()
        return 0

    @property
    def depth(self) -> int:
        """How many forks the current process is away from the first."""
        return len(self._processes) - 1

    # The map.

    def vmas(self) -> list[Vma]:
        """Return the VMAs of the current process, lowest first."""
        return mm_vmas(self.mm)

    def lines(self) -> Snapshot:
        """Return the map, as smaps would show it."""
        return [line_of_vma(vma) for vma in self.vmas()]

    def mismatch(self, lines: Snapshot) -> Mismatch | None:
        """Return the first place at which the model's map is not as the lines show it."""
        shown = map_lines(vmas_of(lines))
        return first_mismatch(self.vmas(), shown, self.target.identities, with_pkey=True)

    def compare(self, shown: Map) -> Mismatch | None:
        """Return the first difference to a worker's answer: VMAs, then the sizes of status."""
        if shown.error:
            return Mismatch(f"the map could not be read: errno {shown.error}", 0)
        found = self.mismatch(shown.lines())
        if found is not None:
            return found
        counters = shown.counters()
        for name, pages in self._sizes():
            # Miscounted pages may be fewer than none; status shows them as the kernel's ulong.
            size = pages * 4 & U64_MAX
            if counters.get(name, size) != size:
                return Mismatch(f"{name} {counters[name]} kB, {size} kB predicted", 0)
        return None

    def _sizes(self) -> tuple[tuple[str, int], ...]:
        mm = self.mm
        return (
            ("VmSize", mm.total_vm),
            ("VmLck", mm.locked_vm),
            ("VmData", mm.data_vm),
            ("VmStk", mm.stack_vm),
        )
