# SPDX-License-Identifier: GPL-2.0-or-later
"""Assertions of memory management, and the dumps that come with one that fails.

Mirrors mm/debug.c and include/linux/mmdebug.h.  VM_WARN_ON_VMA looks only where the kernel has
`debug_vm` (CONFIG_DEBUG_VM).  A warning goes one way: the core calls it with what should not be, it
adds the dump of the address space and the VMA, and hands both to the seam's hook `warn_on`.
"""

from __future__ import annotations

from typing import Final

from vmalab.linux.include.page import LONG_MAX
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.lib.maple_tree import Mas
from vmalab.linux.types.mm_types import Mm, Vma

# VMAs that a dump shows at most, from the place of interest on.
DUMP_VMAS: Final = 16


def flag_text(vm_flags: int) -> str:
    """Return the names of flags as smaps has them, and their number."""
    return f"{vm_flags:#x} ({' '.join(vm_flag_letters(vm_flags))})"


def dump_vma(vma: Vma | None) -> str:
    """Return one VMA, all that decides what becomes of it, on a line (`dump_vma`)."""
    if vma is None:
        return "none"
    text = f"{vma.vm_start:x}-{vma.vm_end:x} pgoff {vma.vm_pgoff:x} flags {flag_text(vma.vm_flags)}"
    if vma.vm_file is not None:
        text += f" file {vma.vm_file.path}"
    if vma.anon_vma is not None:
        text += f" anon_vma of {len(vma.anon_vma_chain)} links"
    if vma.vm_policy is not None:
        text += f" policy {vma.vm_policy.mode}:{vma.vm_policy.nodes:x}"
    if vma.vm_userfaultfd_ctx is not None:
        text += " userfaultfd"
    if vma.anon_name is not None:
        text += f" name {vma.anon_name}"
    return text if vma.attached else text + " detached"


def dump_mm(mm: Mm, addr: int = 0) -> str:
    """Return the counters of an address space, and its VMAs from `addr` (bytes) on (`dump_mm`)."""
    lines = [
        f"mm map_count {mm.map_count} total_vm {mm.total_vm} locked_vm {mm.locked_vm} "
        f"data_vm {mm.data_vm} exec_vm {mm.exec_vm} stack_vm {mm.stack_vm}",
        f"mm brk {mm.start_brk:x}-{mm.brk:x} mmap_base {mm.mmap_base:x} "
        f"task_size {mm.task_size:x} def_flags {flag_text(mm.def_flags)}",
    ]
    mas = Mas(mm.mm_mt)
    mas.set(addr)
    vma = _next_vma(mas)
    while vma is not None and len(lines) < 2 + DUMP_VMAS:
        lines.append("  " + dump_vma(vma))
        vma = _next_vma(mas)
    if vma is not None:
        lines.append("  ...")
    return "\n".join(lines)


def _next_vma(mas: Mas) -> Vma | None:
    """Return the VMA at or above the position."""
    from vmalab.linux.types.mm_types import Vma

    entry = mas.find(LONG_MAX)
    return entry if isinstance(entry, Vma) else None


def VM_WARN_ON_VMA(condition: bool, vma: Vma, what: str) -> bool:
    """VM_WARN_ON with a dump of the VMA."""
    mm = vma.vm_mm
    if condition and mm.kernel.debug_vm:
        mm.seam.warn_on(mm, f"{what}\nvma {dump_vma(vma)}\n{dump_mm(mm, int(vma.vm_start))}")
    return condition
