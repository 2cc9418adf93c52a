# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the address space of a process image from its program's headers, as exec does.

What the kernel draws at random is taken from the recorded first map and addresses: where stack,
program, heap and the area for mappings begin.  Everything else follows from the headers.  A
recording that lacks something of that is not built from headers, but from its first map.
"""

from typing import Final, final

from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.arch.x86.mmap import (
    STACK_RANDOM_32,
    STACK_RANDOM_64,
    mmap_base,
    mmap_is_legacy,
    task_size_32,
)
from vmalab.linux.fs.binfmt_elf import (
    elf_et_dyn_base,
    load_elf_binary,
)
from vmalab.linux.fs.binfmts import STACK_END_SIZE, LinuxBinprm
from vmalab.linux.fs.elf import ElfFile, ElfPhdr
from vmalab.linux.include.page import (
    DEFAULT_MAP_WINDOW,
    PAGE_MASK,
    PAGE_SIZE,
    STACK_TOP_MAX,
    TASK_SIZE_MAX,
)
from vmalab.linux.include.uapi.elf import EM_386, EM_486, ET_DYN
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.types.file import File
from vmalab.linux.types.files import fput
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.recording.format.meta import MetaImage
from vmalab.recording.format.program import MetaElf
from vmalab.targets.model.identity import Identities
from vmalab.targets.model.map_image import MMAP_RANDOM, file_of_line

# Addresses of the first map that are needed, by their names in meta.json.
_NEEDED: Final = ("arg_start", "arg_end", "env_start", "env_end", "start_stack", "start_brk")
_KERNELS: Final = ("[vdso]", "[vvar]", "[vvar_vclock]")
# The addresses that follow from the headers, once it is known where the program went.
PREDICTED: Final = ("start_code", "end_code", "start_data", "end_data")


def elf_of(meta: MetaElf) -> ElfFile:
    """Return a recorded file's headers, as the loader reads them."""
    phdrs = [ElfPhdr(*row) for row in meta.phdrs]
    elf = ElfFile(meta.type, meta.machine, meta.entry, 64, phdrs)
    elf.interp = meta.interp.encode("utf-8", "surrogateescape") if meta.interp else None
    return elf


@final
class Program:
    """A recorded program that is about to be started. lines: its recorded first map."""

    def __init__(self, image: MetaImage, lines: Snapshot) -> None:
        self.image = image
        self.lines = lines
        self.stack_end = max((line.end for line in lines if line.name == "[stack]"), default=0)

    @property
    def compat(self) -> bool:
        """Whether it is a 32-bit program."""
        return self.image.program is not None and self.image.program.machine in (EM_386, EM_486)

    @property
    def is_told(self) -> bool:
        """Whether the recording holds all that decides the first map, within reason."""
        program, fields = self.image.program, self.image.mm
        if program is None or (program.interp and self.image.interpreter is None):
            return False
        known = all(0 < fields.get(name, 0) < TASK_SIZE_MAX for name in _NEEDED)
        if not known or not fields["arg_start"] <= fields["arg_end"] == fields["env_start"]:
            return False
        names = fields["env_end"] + STACK_END_SIZE
        if not fields["env_start"] <= fields["env_end"] or not names < self.stack_end:
            return False
        return self.line_of(program) is not None and self._kernel_is_usual

    @property
    def _kernel_is_usual(self) -> bool:
        """Whether the vdso has data of the size that the model knows."""
        return all(line.size == 16384 for line in self.lines if line.name == "[vvar]")

    def line_of(self, meta: MetaElf) -> VmaLine | None:
        """Return the lowest line of a file."""
        wanted = (meta.dev, meta.inode)
        return next((line for line in self.lines if line.identity == wanted), None)

    def vdso_size(self) -> int:
        """Return bytes of the vdso, which are the kernel's business; 0 when there is none."""
        return sum(line.size for line in self.lines if line.name == "[vdso]")

    def draw(self, bprm: LinuxBinprm, task: Task) -> bool:
        """Enter what was drawn at random, and the arguments: whether all of that can be."""
        fields = self.image.mm
        program = self.image.program
        assert program is not None
        bprm.filename_size = self.stack_end - STACK_END_SIZE - fields["env_end"]
        bprm.arg_size = fields["arg_end"] - fields["arg_start"]
        bprm.env_size = fields["env_end"] - fields["env_start"]
        # How many strings there are only moves the stack pointer, which is told.
        bprm.argc, bprm.envc = 0, 0
        bprm.start_stack = fields["start_stack"]
        bprm.randomize_brk = False
        if not task.randomize:
            return True
        top = int(task_size_32(task)) if self.compat else STACK_TOP_MAX
        bprm.stack_rnd = top - self.stack_end
        bprm.mmap_rnd = self._mmap_rnd(task)
        if program.type == ET_DYN and program.interp:
            base = elf_et_dyn_base(task)
            line = self.line_of(program)
            assert line is not None
            bprm.exec_rnd = (line.start - base + PAGE_SIZE - 1) & PAGE_MASK
        beside = [line.start for line in self.lines if line.name in _KERNELS]
        if beside and min(beside) >= self.stack_end:
            bprm.vdso_addr = min(beside)
        return min(bprm.stack_rnd, bprm.mmap_rnd, bprm.exec_rnd) >= 0

    def _mmap_rnd(self, task: Task) -> int:
        """Return how far the area for mappings was moved, bytes; what lies highest there tells."""
        size, stack_random = DEFAULT_MAP_WINDOW, STACK_RANDOM_64
        if self.compat:
            size, stack_random = int(task_size_32(task)), STACK_RANDOM_32
        if mmap_is_legacy(task):
            lowest = (size // 3 + PAGE_SIZE - 1) & PAGE_MASK
            starts = [line.start for line in self.lines]
            return min((at for at in starts if 0 <= at - lowest <= MMAP_RANDOM), default=lowest) - (
                lowest
            )
        limit = task.signal.rlim_cur[RLIMIT_STACK]
        highest = mmap_base(0, size, limit, stack_random, task.machine.config.stack_guard_gap)
        ends = [line.end for line in self.lines if line.name != "[stack]"]
        return highest - max(
            (at for at in ends if 0 <= highest - at <= MMAP_RANDOM), default=highest
        )

    def file(self, task: Task, identities: Identities, meta: MetaElf) -> File | None:
        """Return a file that exec opens, with its headers.

        None for one that the first map lacks.
        """
        line = self.line_of(meta)
        if line is None:
            return None
        file = file_of_line(task.machine, identities, line)
        if file.inode.size < 0:
            file.inode.size = meta.size
        return file

    def build(self, task: Task, identities: Identities) -> bool:
        """Start it in a task, whose limits and personality are set: whether that succeeded.

        Without success the address space is empty or half built.
        """
        program, interpreter = self.image.program, self.image.interpreter
        if program is None:
            return False
        file = self.file(task, identities, program)
        if file is None:
            return False
        bprm = LinuxBinprm(file, elf_of(program))
        if interpreter is not None and program.interp:
            bprm.interpreter = self.file(task, identities, interpreter)
            bprm.interp_elf = elf_of(interpreter)
        err = -1
        if self.draw(bprm, task):
            config = task.machine.config
            if self.compat:
                config.vdso32_size = self.vdso_size()
            else:
                config.vdso64_size = self.vdso_size()
            err = load_elf_binary(task, bprm)
        fput(file)
        if bprm.interpreter is not None:
            fput(bprm.interpreter)
        if err == 0 and task.mm is not None:
            self._choose_heap(task.mm)
        return err == 0

    def _choose_heap(self, mm: Mm) -> None:
        """The heap begins where it was drawn to, which is at the place that follows or above it."""
        start = self.image.mm["start_brk"]
        if start >= mm.start_brk:
            mm.start_brk = mm.brk = start
