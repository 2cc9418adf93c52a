# SPDX-License-Identifier: GPL-2.0-or-later
"""What exec knows of the program that it is about to start.

Mirrors include/linux/binfmts.h (v6.18).  What the kernel draws at random is an argument here
(`fs/exec_draws.py`), a fact of a recording.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.elf import ElfFile
from vmalab.linux.fs.exec_draws import ExecDraws
from vmalab.linux.include.uapi.errno import E2BIG, ENOENT
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.types.file import File
from vmalab.linux.types.task import Task

# Arguments and environment may have a quarter of RLIMIT_STACK, within these bounds; bytes.
ARG_SIZE_MIN: Final = 131072
ARG_SIZE_MAX: Final = 6291456
# Bytes of one string, its final NUL included.
MAX_ARG_STRLEN: Final = 131072
# The end of the stack that no string reaches: one pointer of the kernel's.
STACK_END_SIZE: Final = 8


@final
@mypyc_attr(native_class=True)
class LinuxBinprm:
    """struct linux_binprm: a program, its interpreter, its arguments, and what was drawn for it.

    The caller keeps its references to the files.
    """

    def __init__(self, file: File, elf: ElfFile) -> None:
        self.file: File = file
        self.elf: ElfFile = elf
        # What the program names as its interpreter; without a file `interp_error` is why.
        self.interpreter: File | None = None
        self.interp_elf: ElfFile | None = None
        self.interp_error: int = -ENOENT
        # How many strings, and their bytes with all final NULs.
        self.argc: int = 1
        self.envc: int = 0
        self.filename_size: int = 2
        self.arg_size: int = 2
        self.env_size: int = 0
        self.longest_string: int = 2
        # What was drawn for it.
        self.mmap_rnd: int = 0
        self.stack_rnd: int = 0
        self.exec_rnd: int = 0
        self.brk_rnd: int = 0
        self.sp_rnd: int = 0
        self.start_stack: i64 = 0
        self.vdso_addr: int = 0
        self.randomize_brk: bool = True
        # The old program is gone: an error now ends the task.
        self.point_of_no_return: bool = False
        # The lowest address in use of the stack.
        self.p: i64 = 0

    def set_arguments(self, filename: bytes, argv: list[bytes], envp: list[bytes]) -> None:
        """Take counts and sizes from the strings themselves, without their final NULs."""
        self.filename_size = len(filename) + 1
        # Without any argument an empty one is added.
        strings = argv if len(argv) != 0 else [b""]
        self.argc, self.envc = len(strings), len(envp)
        self.arg_size, self.env_size = len(strings), len(envp)
        self.longest_string = self.filename_size
        for string in strings:
            self.arg_size += len(string)
            self.longest_string = max(self.longest_string, len(string) + 1)
        for string in envp:
            self.env_size += len(string)
            self.longest_string = max(self.longest_string, len(string) + 1)

    def draw(self, draws: ExecDraws) -> None:
        """Take over what was drawn."""
        self.mmap_rnd = draws.mmap_rnd
        self.stack_rnd = draws.stack_rnd
        self.exec_rnd = draws.exec_rnd
        self.brk_rnd = draws.brk_rnd
        self.sp_rnd = draws.sp_rnd
        self.start_stack = draws.start_stack
        self.vdso_addr = draws.vdso_addr
        self.randomize_brk = draws.randomize_brk

    def stack_size(self) -> int:
        """Return bytes of stack that the strings take."""
        return STACK_END_SIZE + self.filename_size + self.env_size + self.arg_size


def bprm_stack_limits(bprm: LinuxBinprm, task: Task) -> int:
    """Check the size of arguments and environment: 0 or -E2BIG.

    Kernel: bprm_stack_limits(), copy_strings().
    """
    if bprm.longest_string > MAX_ARG_STRLEN:
        return -E2BIG
    limit = min(ARG_SIZE_MAX, task.signal.rlim_cur[RLIMIT_STACK] // 4)
    limit = max(limit, ARG_SIZE_MIN)
    pointers = (max(bprm.argc, 1) + bprm.envc) * 8
    if limit <= pointers or bprm.stack_size() - STACK_END_SIZE > limit - pointers:
        return -E2BIG
    return 0
