# SPDX-License-Identifier: GPL-2.0-or-later
"""Page faults that give a process a page of its own, or let its stack grow."""

from typing import Final

from vmalab.recording.events import layout as at
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, R3, R6, R7, R8, R9
from vmalab.recording.events.bpf.btf import KIND_FUNC, Btf, NoSuchType
from vmalab.recording.events.programs.writer import RECORD, SLOT_ITERATOR, BpfProgram, Writer

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
    """The count of a process's own pages changes: its fault has made one, if there is one.

    What counts is the first page of a VMA. When faults follow one another in an address space that
    nobody has locked meanwhile, the bounds of their VMA are kept, and no others there are noted.
    """
    w.start()
    w.load(R1, R6, 8, 4)
    w.jump_if(R1, "!=", _MM_ANONPAGES, "out")
    w.find_known()
    w.load(R7, R8, at.FAULT)
    w.jump_if(R7, "==", 0, "out")
    w.in_own_memory(0)
    w.set(R8, at.FAULT, 0)
    sequence = _sequence(w.btf)
    if sequence:
        # Nobody changes the VMA while the fault lasts, so it is as it was at the same number.
        w.load(R9, R1, sequence, 4)
        w.load(R1, R8, at.KNOWN_SEQUENCE)
        w.jump_if_reg(R1, "!=", R9, "unknown")
        w.load(R1, R8, at.KNOWN_END)
        w.jump_if(R1, "==", 0, "bounds")
        w.jump_if_reg(R7, ">=", R1, "other")
        w.load(R1, R8, at.KNOWN_START)
        w.jump_if_reg(R7, ">=", R1, "out")
        w.label("other")
        w.label("bounds")
        _keep_bounds(w)
        w.jump("record")
        w.label("unknown")
        w.store(R8, at.KNOWN_SEQUENCE, R9)
        w.set(R8, at.KNOWN_END, 0)
        w.label("record")
    fault_record(w, at.WRITTEN)
    return w.program("own_page", "rss_stat")


def _sequence(btf: Btf) -> int:
    """Return where an address space counts its changes, 0 where it does not (before Linux 6.4)."""
    for path in ("mm_lock_seq.sequence", "mm_lock_seq"):
        try:
            return btf.offset("mm_struct", path)
        except NoSuchType:
            continue
    return 0


def _keep_bounds(w: Writer) -> None:
    """Keep the bounds of the VMA at the address in R7, if the kernel has the time to look."""
    w.call(functions.CURRENT)
    w.copy(R2, R0)
    w.copy(R3, R7)
    w.copy(R1, FP)
    w.op("add", R1, SLOT_ITERATOR)
    w.call_kernel(w.btf.number(KIND_FUNC, "bpf_iter_task_vma_new"))
    w.copy(R1, FP)
    w.op("add", R1, SLOT_ITERATOR)
    w.call_kernel(w.btf.number(KIND_FUNC, "bpf_iter_task_vma_next"))
    w.jump_if(R0, "==", 0, "busy")
    for offset, member in ((at.KNOWN_START, "vm_start"), (at.KNOWN_END, "vm_end")):
        w.load(R1, R0, w.btf.offset("vm_area_struct", member))
        w.store(R8, offset, R1)
    w.label("busy")
    w.copy(R1, FP)
    w.op("add", R1, SLOT_ITERATOR)
    w.call_kernel(w.btf.number(KIND_FUNC, "bpf_iter_task_vma_destroy"))
