# SPDX-License-Identifier: GPL-2.0-or-later
"""One address space of a recorded program in a tree's program: laid out, changed by calls, read."""

from collections.abc import Iterable
from typing import Final, final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.errors import VmalabError
from vmalab.calls.ranges import Ranges
from vmalab.calls.snapshot import vmas_of
from vmalab.explain.on_tree.rows import (
    MapRow,
    Numbers,
    file_command,
    is_carried,
    map_command,
    row_of_line,
    row_of_vma,
)
from vmalab.explain.whatif.carry_faults import Known
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.config import OVERCOMMIT_NEVER
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi.resource import (
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.real.wire import add_call, counts_words, snapshot_words
from vmalab.targets.tree.copies import WorkerCopy

# Commands that are sent at a time: each is to end before the program takes it for an endless loop.
_COMMANDS: Final = 500
_LIMITS: Final = (RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK)
# Pages of RAM that no program promises itself.
_PLENTY: Final = 1 << 40
# The descriptor of the tree's program that stands for whichever file a call maps.
DESCRIPTOR: Final = 200


class SpaceDied(VmalabError):
    """The tree's code did not survive; the text says how."""


@final
class TreeSpace:
    """An address space, in a worker of its own. Errors of all methods: SpaceDied, TargetError.

    known: the words of flags that the tree has. vmas: how many there are; peak: the most so far.
    """

    def __init__(self, worker: WorkerCopy, numbers: Numbers, known: frozenset[str]) -> None:
        self.worker = worker
        self.known = known
        self.vmas = self.peak = 0
        self.pages = 0
        self._numbers = numbers
        # Numbers of the files that its program has.
        self._files: set[int] = set()
        self._limits: tuple[int, ...] = ()

    def copy(self) -> "TreeSpace":
        """Return the same in another process, before that one's fork."""
        new = TreeSpace(WorkerCopy(self.worker.executor), self._numbers, self.known)
        new._files, new._limits = set(self._files), self._limits
        new.vmas = new.peak = self.vmas
        return new

    # Setting up.

    def lay_out(self, mm: Mm) -> None:
        """Make the address space as the model has it."""
        config = mm.config
        fields = {
            "start_brk": mm.start_brk,
            "brk": mm.brk,
            "start_data": mm.start_data,
            "end_data": mm.end_data,
            "start_stack": mm.start_stack,
            "mmap_base": mm.mmap_base,
            "max_map_count": config.max_map_count,
            "mmap_min_addr": config.mmap_min_addr,
        }
        lines = ["process", *(f"field {name} {value:x}" for name, value in fields.items())]
        lines.append(f"field overcommit {config.overcommit_memory:x}")
        # Under a strict limit, which depends on all other programs, nothing is refused.
        strict = config.overcommit_memory == OVERCOMMIT_NEVER
        ram = _PLENTY if strict else config.total_ram_pages + config.total_swap_pages
        lines.append(f"field memory {ram:x}")
        words = ",".join(vm_flag_letters(mm.def_flags, True))
        lines.append(f"field def_flags {words or '-'}")
        self._send([*lines, *self._limit_lines(mm)])
        self._send(self._rows(vma for vma in mm_vmas(mm)))
        self.count()

    def _limit_lines(self, mm: Mm) -> list[str]:
        """Return commands for limits and rights that are not as they were."""
        owner = mm.owner
        if owner is None:
            return []
        found = tuple(owner.signal.rlim_cur[resource] for resource in _LIMITS)
        limits = (*found, owner.cred.cap_effective, int(mm.mdwe))
        if limits == self._limits:
            return []
        self._limits = limits
        lines = [f"limit {res:x} {size:x}" for res, size in zip(_LIMITS, found, strict=True)]
        lines.append(f"field capabilities {owner.cred.cap_effective:x}")
        return [*lines, f"field mdwe {int(mm.mdwe):x}"]

    def _rows(self, vmas: Iterable[Vma]) -> list[str]:
        lines: list[str] = []
        for vma in vmas:
            if not is_carried(vma):
                continue
            file = None if vma.vm_file is None else self._file(vma, vma.vm_file, lines)
            own = None if vma.anon_vma is None else self._numbers.of_anon_vma(vma.anon_vma)
            lines.append(map_command(vma, file, own))
        return lines

    def _file(self, vma: Vma, file: File, lines: list[str]) -> int:
        """Return a file's number; the command that makes it known goes before its first use."""
        number = self._numbers.of_file(file)
        if number not in self._files:
            self._files.add(number)
            lines.append(file_command(number, vma, file))
        return number

    def patch(self, mm: Mm, spans: Ranges | None) -> None:
        """Make ranges (bytes; None: wherever the two maps differ) as the model has them."""
        for start, end in self._differing(mm) if spans is None else spans:
            if start >= end:
                continue
            there = [one for one in vmas_in(mm, start, end) if is_carried(one)]
            low = min([start, *(int(vma.vm_start) for vma in there)])
            high = max([end, *(int(vma.vm_end) for vma in there)])
            rows = [row_of_vma(vma, self.known) for vma in there]
            own = [row for row in self.rows() if row.start < high and low < row.end]
            if own != rows:
                lines = [f"unmap {low >> PAGE_SHIFT:x} {high >> PAGE_SHIFT:x}"]
                self._send(lines + self._rows(there))
        fields = {"brk": mm.brk, "start_brk": mm.start_brk}
        self._send([f"field {name} {value:x}" for name, value in fields.items()])
        self.count()

    def _differing(self, mm: Mm) -> Ranges:
        """Return the ranges in which the two maps have other VMAs."""
        own = set(self.rows())
        other = {row_of_vma(vma, self.known) for vma in mm_vmas(mm) if is_carried(vma)}
        found: Ranges = []
        for row in sorted(own ^ other, key=lambda row: row.start):
            if found and row.start <= found[-1][1]:
                found[-1] = (found[-1][0], max(row.end, found[-1][1]))
            else:
                found.append((row.start, row.end))
        return found

    def know_faults(self, known: Known, in_step: bool) -> None:
        """Let memory have been written to, as is known of the recorded program.

        in_step: the maps are the same so far.
        """
        lines = []
        if known.stack is not None:
            start, end = known.stack
            lines.append(f"stack {start >> PAGE_SHIFT:x} {end >> PAGE_SHIFT:x}")
        for fact in known.facts:
            own = None if fact.anon_vma is None else self._numbers.of_anon_vma(fact.anon_vma)
            lines.append(
                f"written {fact.start >> PAGE_SHIFT:x} {fact.end >> PAGE_SHIFT:x} "
                f"{'-' if own is None else f'{own:x}'} {'y' if fact.apart else 'n'} "
                f"{fact.pgoff:x} {'y' if in_step else 'n'}"
            )
        self._send(lines)

    # Calls.

    def call(self, mm: Mm, call: Call, vma: Vma | None, hidden: str) -> int:
        """Make a call: its answer. vma: what it maps, for its file.

        hidden: words of flags that the mapping has besides, which user mode does not know of.
        """
        lines = self._limit_lines(mm)
        if vma is not None and vma.vm_file is not None:
            number = self._file(vma, vma.vm_file, lines)
            lines.append(f"descriptor {DESCRIPTOR:x} {number:x}")
        usual = vm_flag_letters(mm.def_flags, True)
        if hidden:
            lines.append(f"field def_flags {','.join((*usual, hidden))}")
        self._send(lines)
        result = self._make(call)
        if hidden:
            self._send([f"field def_flags {','.join(usual) or '-'}"])
        return result

    def advise(self, start: int, end: int, given: str, taken: str) -> None:
        """Give the VMAs of `[start, end)` (bytes) a flag and take another, as madvise does."""
        self._send([f"advise {start >> PAGE_SHIFT:x} {end >> PAGE_SHIFT:x} {given} {taken}"])
        self.count()

    def fork(self) -> int:
        """Become the child of what it is: 1, or -errno."""
        return self._make(Call(0, "fork", (0, 0, 0, 0, 0, 0)))

    def _make(self, call: Call) -> int:
        words: list[int] = []
        add_call(words, call)
        answer = self.worker.executor.run(words + counts_words(), flush=True)
        if answer.died or len(answer.results) != 3:
            raise SpaceDied(answer.died or "the worker answered too little")
        result, self.vmas, self.pages = answer.results
        self.peak = max(self.peak, self.vmas)
        return result if call.name == "brk" or result < 0 else result & U64_MAX

    def count(self) -> None:
        """Ask how many VMAs and pages there are now."""
        answer = self.worker.executor.run(counts_words())
        if answer.died or len(answer.results) != 2:
            raise SpaceDied(answer.died or "the worker answered too little")
        self.vmas, self.pages = answer.results
        self.peak = max(self.peak, self.vmas)

    def rows(self) -> list[MapRow]:
        """Return the map as it is now."""
        answer = self.worker.executor.run(snapshot_words())
        if answer.died or not answer.maps:
            raise SpaceDied(answer.died or "the worker showed no map")
        return [row_of_line(line, self.known) for line in vmas_of(answer.maps[0].lines())]

    def end(self) -> None:
        """End it. Errors: SpaceDied, something leaks."""
        died = self.worker.executor.end()
        self.worker.close()
        if died:
            raise SpaceDied(died)

    def _send(self, lines: list[str]) -> None:
        for at in range(0, len(lines), _COMMANDS):
            text = "\n".join(lines[at : at + _COMMANDS])
            _, died = self.worker.executor.command(text)
            if died:
                raise SpaceDied(died)
