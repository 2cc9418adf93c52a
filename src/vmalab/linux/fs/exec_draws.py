# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel draws at random for a program, as a fact that somebody states.

All is 0 for a program that is not randomised, and ignored for one that must not be.
"""

from typing import final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True)
class ExecDraws:
    """What the kernel draws at random for a program, and what follows from it."""

    def __init__(self) -> None:
        # In bytes: how far down the area for mappings and the stack are moved, how
        # far up a position-independent program and the heap, how far down the stack pointer.
        self.mmap_rnd: int = 0
        self.stack_rnd: int = 0
        self.exec_rnd: int = 0
        self.brk_rnd: int = 0
        self.sp_rnd: int = 0
        # Where the stack pointer begins, bytes, if that is known; 0: it follows from `sp_rnd`.
        self.start_stack: i64 = 0
        # Where older kernels try to put the vdso, beside the stack; 0: the area for mappings.
        self.vdso_addr: int = 0
        # The heap is randomised too (kernel.randomize_va_space is 2).
        self.randomize_brk: bool = True
