# SPDX-License-Identifier: GPL-2.0-or-later
"""Page faults that give a process a page of its own, or let its stack grow."""

from typing import Final

from vmalab.recording.events import layout as at
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R6, R7, R8
from vmalab.recording.events.programs.writer import RECORD, BpfProgram, Writer

_MM_ANONPAGES: Final = 1
_PF_EXITING: Final = 4


def fault_record(w: Writer, kind: int) -> None:
    """Write out a fault at the address in R7."""
    w.head(FP, RECORD, kind)
    w.set(FP, RECORD + at.WORD, 0, 4)
    w.store(FP, RECORD + at.FAULT_ADDRESS, R7)
    w.output(FP, RECORD, at.FAULT_SIZE)


def page_fault(w: Writer, tracepoint: str) -> BpfProgram:
    """A page fault begins: its address is kept until it is seen what came of it."""
    w.start()
    w.load(R7, R6, 0)
    w.copy(R1, R7)
    w.op("rsh", R1, 56)
    w.jump_if(R1, "!=", 0, "out")
    # A thread that has ended still writes to its memory, and must not be taken for a new one.
    w.call(functions.CURRENT)
    w.load(R1, R0, w.btf.offset("task_struct", "flags"), 4)
    w.op("and", R1, _PF_EXITING)
    w.jump_if(R1, "!=", 0, "out")
    w.find("out")
    w.store(R8, at.FAULT, R7)
    return w.program(tracepoint, tracepoint)


def own_page(w: Writer) -> BpfProgram:
    """The count of a process's own pages changes: its fault has made one, if there is one."""
    w.start()
    w.load(R1, R6, 8, 4)
    w.jump_if(R1, "!=", _MM_ANONPAGES, "out")
    w.find_known()
    w.load(R7, R8, at.FAULT)
    w.jump_if(R7, "==", 0, "out")
    w.in_own_memory(0)
    fault_record(w, at.WRITTEN)
    w.set(R8, at.FAULT, 0)
    return w.program("own_page", "rss_stat")
