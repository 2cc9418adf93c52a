# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc/PID/maps says of an address space, and the words of smaps' VmFlags.

Mirrors fs/proc/task_mmu.c (v6.18).
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_PKEY_MASK,
    VM_PKEY_SHIFT,
)
from vmalab.linux.include.page import PAGE_SHIFT, SZ_4G, TASK_SIZE_5LEVEL
from vmalab.linux.include.proc_maps import maps_line, vma_perms
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi

NO_DEV: Final = "00:00"
VSYSCALL_LINE: Final = maps_line(
    0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, "--xp", 0, NO_DEV, 0, "[vsyscall]"
)
VSYSCALL_LETTERS: Final = ("ex",)


def vma_is_initial_heap(vma: Vma) -> bool:
    """Tell whether a VMA overlaps, or on older kernels touches, what start_brk and brk bound."""
    mm = vma.vm_mm
    if not mm.features.heap_name_needs_overlap:
        return vma.vm_start <= mm.brk and vma.vm_end >= mm.start_brk
    return vma.vm_start < mm.brk and vma.vm_end > mm.start_brk


def vma_is_initial_stack(vma: Vma) -> bool:
    """Tell whether a VMA contains, or ends at, the address at which the program's stack began."""
    start_stack = vma.vm_mm.start_stack
    return vma.vm_start <= start_stack <= vma.vm_end


def vma_name(vma: Vma) -> str:
    """Return what stands for a VMA in the last column of maps, "" for nothing.

    Kernel: get_vma_name().
    """
    file = vma.vm_file
    anon_name = vma.anon_name
    if file is not None:
        if anon_name is not None:
            return f"[anon_shmem:{anon_name}]"
        return file.path.replace("\n", "\\012")
    ops = vma.vm_ops
    if ops is not None and ops.label != "":
        return ops.label
    if vma_is_initial_heap(vma):
        return "[heap]"
    if vma_is_initial_stack(vma):
        return "[stack]"
    return "" if anon_name is None else f"[anon:{anon_name}]"


def vma_pgoff_shown(vma: Vma) -> int:
    """Return the offset that maps shows, in bytes: 0 for a VMA without a file.

    It may take all of 64 bits, and has no sign.
    """
    return 0 if vma.vm_file is None else int(vma.vm_pgoff) << PAGE_SHIFT


def vma_dev(vma: Vma) -> str:
    """Return the device of a VMA's file, as maps shows it."""
    file = vma.vm_file
    return NO_DEV if file is None else file.inode.dev


def vma_ino(vma: Vma) -> int:
    """Return the number of the inode of a VMA's file: 0 without a file, -1 when it is not known."""
    file = vma.vm_file
    return 0 if file is None else file.inode.ino


def show_map_vma(vma: Vma) -> str:
    """Return the line of /proc/PID/maps, without its newline; an unknown inode shows as 0."""
    return maps_line(
        vma.vm_start,
        vma.vm_end,
        vma_perms(vma.vm_flags),
        vma_pgoff_shown(vma),
        vma_dev(vma),
        max(vma_ino(vma), 0),
        vma_name(vma),
    )


def vma_pkey_shown(vma: Vma) -> i64:
    """Return the protection key that smaps shows."""
    return (vma.vm_flags & VM_PKEY_MASK) >> VM_PKEY_SHIFT


def mm_vmas(mm: Mm) -> list[Vma]:
    """Return all VMAs, lowest first."""
    vmas: list[Vma] = []
    vmi = Vmi(mm, 0)
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        vmas.append(vma)
        vma = vmi.find(TASK_SIZE_5LEVEL)
    return vmas


def mm_lines(mm: Mm) -> list[str]:
    """Return the lines of /proc/PID/maps, of a 64-bit process the vsyscall page's last."""
    lines: list[str] = []
    for vma in mm_vmas(mm):
        lines.append(show_map_vma(vma))
    if mm.task_size > SZ_4G:
        lines.append(VSYSCALL_LINE)
    return lines
