# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumping a merge proposal when what is taken for granted of it does not hold.

Mirrors `dump_vmg` of mm/debug.c and VM_WARN_ON_VMG of include/linux/mmdebug.h.
"""

from typing import Final

from vmalab.linux.mm.vma.state import Vmg
from vmalab.linux.mm.vma_internal import dump_mm, dump_vma, flag_text

MERGE_STATES: Final = ("start", "nomerge", "error_nomem", "success")


def dump_vmg(vmg: Vmg) -> str:
    """Return a merge proposal: its range, its neighbours, its options and what became of it."""
    options = [
        name
        for name, on in (
            ("just_expand", vmg.just_expand),
            ("give_up_on_oom", vmg.give_up_on_oom),
            ("adjust_middle_start", vmg.adjust_middle_start),
            ("adjust_next_start", vmg.adjust_next_start),
            ("remove_middle", vmg.remove_middle),
            ("remove_next", vmg.remove_next),
        )
        if on
    ]
    return "\n".join(
        (
            f"vmg {vmg.start:x}-{vmg.end:x} pgoff {vmg.pgoff:x} flags {flag_text(vmg.vm_flags)} "
            f"state {MERGE_STATES[vmg.state]} {' '.join(options)}".rstrip(),
            f"  vmi at {vmg.vmi.addr():x}-{vmg.vmi.end():x}",
            f"  prev   {dump_vma(vmg.prev)}",
            f"  middle {dump_vma(vmg.middle)}",
            f"  next   {dump_vma(vmg.next)}",
            f"  target {dump_vma(vmg.target)}",
        )
    )


def VM_WARN_ON_VMG(condition: bool, vmg: Vmg, what: str) -> bool:
    """VM_WARN_ON with a dump of the merge proposal."""
    mm = vmg.mm
    if condition and mm.kernel.debug_vm:
        mm.seam.warn_on(mm, f"{what}\n{dump_vmg(vmg)}\n{dump_mm(mm)}")
    return condition
