# SPDX-License-Identifier: GPL-2.0-or-later
"""The stack of a thread that enters a call: its registers, and a copy of the top of its memory.

Where its functions return to is found out later, when there is time for tables.
"""

from typing import Final

from vmalab.recording.events import layout as at
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, R3, R4, R5, R6, R7, R8, R9
from vmalab.recording.events.programs.writer import (
    SLOT_COUNT,
    SLOT_ONE,
    SLOT_TASK,
    Writer,
)
from vmalab.recording.events.wanted import COMPAT_BASE

_PAGE: Final = 4096
# Nanoseconds in which stacks are counted.
_WINDOW: Final = 100_000_000
_USER_STACK: Final = 1 << 8
_SP: Final = at.STACK_REGS + 8 * at.STACK_REG_NAMES.index("sp")


def stack(w: Writer, room: int) -> None:
    """Write out the stack. R7: the call's number, kept; R9: kept. room: a map to put it into."""
    done, copied, enough = w.fresh("stackless"), w.fresh("copied"), w.fresh("enough")
    w.jump_if(R7, ">=", COMPAT_BASE, done)
    # Nothing else runs this program on the same CPU meanwhile.
    w.call(functions.CPU)
    w.set(FP, SLOT_ONE, 0)
    w.store(FP, SLOT_ONE, R0, 4)
    w.lookup(room, SLOT_ONE, done)
    w.store(FP, SLOT_TASK, R9)
    w.copy(R7, R0)
    if w.maps.stack_rate:
        _count(w, enough)
    w.op("add", R7, at.STACK_RECORD)
    w.head(R7, 0, at.STACK)
    w.load(R1, R6, 0)
    for index, name in enumerate(at.STACK_REG_NAMES):
        w.load(R2, R1, w.btf.offset("pt_regs", name))
        w.store(R7, at.STACK_REGS + 8 * index, R2)
    w.copy(R1, R6)
    w.copy(R2, R7)
    w.op("add", R2, at.STACK_CHAIN)
    w.mov(R3, 8 * at.STACK_CHAIN_MOST)
    w.mov(R4, _USER_STACK)
    w.call(functions.STACK)
    w.store(R7, at.STACK_CHAIN_SIZE, R0)
    _height(w)
    # R9: bytes that have been copied, page by page: one that is not there ends the copy.
    w.load(R1, R7, _SP)
    w.op("and", R1, _PAGE - 1)
    w.mov(R9, _PAGE)
    w.op_with("sub", R9, R1)
    w.load(R3, R7, _SP)
    w.copy(R1, R7)
    w.op("add", R1, at.STACK_DATA)
    w.copy(R2, R9)
    w.call(functions.READ_USER)
    empty = w.fresh("empty")
    w.jump_if(R0, "!=", 0, empty)
    for _ in range(at.STACK_ROOM // _PAGE - 1):
        w.load(R1, FP, SLOT_COUNT)
        w.jump_if_reg(R9, ">=", R1, copied)
        w.load(R3, R7, _SP)
        w.op_with("add", R3, R9)
        w.copy(R1, R7)
        w.op("add", R1, at.STACK_DATA)
        w.op_with("add", R1, R9)
        w.mov(R2, _PAGE)
        w.call(functions.READ_USER)
        w.jump_if(R0, "!=", 0, copied)
        w.op("add", R9, _PAGE)
    w.jump(copied)
    w.label(empty)
    w.mov(R9, 0)
    w.label(copied)
    _output(w)
    w.load(R9, FP, SLOT_TASK)
    w.label(enough)
    w.load(R7, R8, at.WORD, 4)
    w.label(done)


def _count(w: Writer, enough: str) -> None:
    """Count the stacks of a CPU; go to a label when it has had as many as it may by now."""
    counting = w.fresh("counting")
    w.call(functions.KTIME)
    w.load(R1, R7, at.STACK_SINCE)
    w.copy(R2, R0)
    w.op_with("sub", R2, R1)
    w.jump_if(R2, "<", _WINDOW, counting)
    w.store(R7, at.STACK_SINCE, R0)
    w.set(R7, at.STACK_COUNT, 0)
    w.label(counting)
    w.load(R1, R7, at.STACK_COUNT)
    w.jump_if(R1, ">=", max(1, w.maps.stack_rate * _WINDOW // 10**9), enough)
    w.op("add", R1, 1)
    w.store(R7, at.STACK_COUNT, R1)


def _height(w: Writer) -> None:
    """Note how much of the stack counts: up to where it began, as far as that is known."""
    known = w.fresh("known")
    w.call(functions.CURRENT)
    w.copy(R3, R0)
    w.load(R2, R7, _SP)
    # A thread has its own variables above its stack, the first one the program's arguments.
    w.load(R1, R3, w.btf.offset("task_struct", "thread.fsbase"))
    w.op_with("sub", R1, R2)
    w.jump_if(R1, "<=", at.STACK_MOST, known)
    w.load(R1, R3, w.btf.offset("task_struct", "mm"))
    w.load(R1, R1, w.btf.offset("mm_struct", "start_stack"))
    w.op_with("sub", R1, R2)
    w.jump_if(R1, "<=", at.STACK_MOST, known)
    w.mov(R1, at.STACK_MOST)
    w.label(known)
    w.store(FP, SLOT_COUNT, R1)


def _output(w: Writer) -> None:
    """Write out the record in R7, with as much of the R9 bytes as counts."""
    whole = w.fresh("whole")
    w.load(R1, FP, SLOT_COUNT)
    # What the verifier knows of it is lost on the way.
    w.op("and", R1, at.STACK_MOST)
    w.jump_if_reg(R9, "<=", R1, whole)
    w.copy(R9, R1)
    w.label(whole)
    w.store(R7, at.WORD, R9, 4)
    w.copy(R5, R9)
    w.op("add", R5, at.STACK_DATA)
    w.output_sized(R7, 0)
