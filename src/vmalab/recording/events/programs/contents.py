# SPDX-License-Identifier: GPL-2.0-or-later
"""What arguments of calls point to."""

from vmalab.recording.events import layout as at
from vmalab.recording.events import wanted
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, R3, R4, R5, R7, R8, R9
from vmalab.recording.events.programs.writer import SLOT_COUNT, Writer


def contents(w: Writer, slot: int, *, at_exit: bool) -> None:
    """Write out what an argument points to. R9: what is wanted of the call."""
    done = w.fresh("done")
    place = 8 + 8 * slot
    # Which argument, counted from 1; how its size is known; when; and the size.
    w.load(R1, R9, place, 1)
    w.jump_if(R1, "==", 0, done)
    if not at_exit:
        w.load(R2, R9, place + 2, 1)
        w.jump_if(R2, "!=", 0, done)
    any_command = w.fresh("any")
    w.load(R2, R9, place + 6, 2)
    w.jump_if(R2, "==", 0, any_command)
    w.load(R3, R8, at.ARGS, 2)
    w.jump_if_reg(R2, "!=", R3, done)
    w.label(any_command)
    _argument(w, R7, R1)
    w.jump_if(R7, "==", 0, done)
    w.store(R8, at.BUFFER + at.ADDRESS, R7)
    w.head(R8, at.BUFFER, at.CONTENTS)
    _sizes(w, place, done)
    text, got, unread = w.fresh("text"), w.fresh("got"), w.fresh("unread")
    # R4: the size; R5: how.
    w.jump_if(R5, "==", wanted.STRING, text)
    w.store(FP, SLOT_COUNT, R4)
    w.copy(R2, R4)
    w.copy(R1, R8)
    w.op("add", R1, at.BUFFER + at.DATA)
    w.copy(R3, R7)
    w.call(functions.READ_USER)
    w.jump_if(R0, "!=", 0, unread)
    w.load(R0, FP, SLOT_COUNT)
    w.jump(got)
    w.label(text)
    w.copy(R1, R8)
    w.op("add", R1, at.BUFFER + at.DATA)
    w.mov(R2, at.MAX_DATA)
    w.copy(R3, R7)
    w.call(functions.READ_USER_STR)
    w.jump_if(R0, "s<", 0, unread)
    w.label(got)
    w.store(R8, at.BUFFER + at.WORD, R0, 4)
    w.copy(R5, R0)
    w.op("and", R5, 2 * at.MAX_DATA - 1)
    w.jump_if(R5, ">", at.MAX_DATA, done)
    w.op("add", R5, at.DATA)
    w.output_sized(R8, at.BUFFER)
    w.jump(done)
    w.label(unread)
    w.load(R1, R8, at.FLAGS, 4)
    w.op("or", R1, at.UNREAD)
    w.store(R8, at.FLAGS, R1, 4)
    w.label(done)


def _argument(w: Writer, dst: int, index: int) -> None:
    """dst = an argument of the call, by its index in a register, which counts from 1."""
    done = w.fresh("argument")
    w.mov(dst, 0)
    for number in range(6):
        following = w.fresh("not")
        w.jump_if(index, "!=", number + 1, following)
        w.load(dst, R8, at.ARGS + 8 * number)
        w.jump(done)
        w.label(following)
    w.label(done)


def _sizes(w: Writer, place: int, done: str) -> None:
    """R4 = bytes to be read, R5 = how that is known."""
    ready, fixed = w.fresh("ready"), w.fresh("fixed")
    w.load(R5, R9, place + 1, 1)
    w.load(R4, R9, place + 4, 2)
    w.jump_if(R5, "==", wanted.STRING, ready)
    w.jump_if(R5, "==", wanted.FIXED, fixed)
    w.load(R1, R9, place + 3, 1)
    _argument(w, R2, R1)
    bits, command, counted = w.fresh("bits"), w.fresh("command"), w.fresh("counted")
    w.jump_if(R5, "==", wanted.BITS, bits)
    w.jump_if(R5, "==", wanted.COMMAND, command)
    # A count of things of R4 bytes each.
    w.jump_if(R2, ">", at.MAX_DATA, done)
    w.op_with("mul", R4, R2)
    w.jump(counted)
    w.label(bits)
    w.jump_if(R2, ">", 8 * at.MAX_DATA, done)
    w.copy(R4, R2)
    w.op("add", R4, 62)
    w.op("rsh", R4, 6)
    w.op("lsh", R4, 3)
    w.jump(counted)
    w.label(command)
    w.copy(R4, R2)
    w.op("rsh", R4, 16)
    w.op("and", R4, 0x3FFF)
    w.label(counted)
    w.label(fixed)
    w.jump_if(R4, "==", 0, done)
    w.jump_if(R4, ">", at.MAX_DATA, done)
    w.label(ready)
