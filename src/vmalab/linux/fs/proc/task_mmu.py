# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc/PID/maps says of an address space, and the words of smaps' VmFlags.

Mirrors fs/proc/task_mmu.c (v6.18).
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_EXEC,
    VM_FLAG_LETTERS,
    VM_LOCKONFAULT,
    VM_MAYSHARE,
    VM_PKEY_MASK,
    VM_PKEY_SHIFT,
    VM_READ,
    VM_WRITE,
)
from vmalab.linux.include.page import PAGE_SHIFT, SZ_4G, TASK_SIZE_5LEVEL
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi

# What stands before a name is padded to this width.
NAME_WIDTH: Final = 72
NO_DEV: Final = "00:00"
VSYSCALL_LINE: Final = (
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]"
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
    """What stands for a VMA in the last column of maps, "" for nothing.  Kernel: get_vma_name()."""
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


def vma_perms(vm_flags: i64) -> str:
    """Return the four letters of the access rights, such as "rw-p"."""
    return (
        ("r" if vm_flags & VM_READ != 0 else "-")
        + ("w" if vm_flags & VM_WRITE != 0 else "-")
        + ("x" if vm_flags & VM_EXEC != 0 else "-")
        + ("s" if vm_flags & VM_MAYSHARE != 0 else "p")
    )


def vma_pgoff_shown(vma: Vma) -> i64:
    """Return the offset that maps shows, in bytes: 0 for a VMA without a file."""
    return 0 if vma.vm_file is None else vma.vm_pgoff << PAGE_SHIFT


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
    where = f"{vma.vm_start:08x}-{vma.vm_end:08x} {vma_perms(vma.vm_flags)}"
    head = f"{where} {vma_pgoff_shown(vma):08x} {vma_dev(vma)} {max(vma_ino(vma), 0)} "
    name = vma_name(vma)
    return head if name == "" else head.ljust(NAME_WIDTH) + " " + name


def vm_flag_letters(vm_flags: i64, names_lockonfault: bool = True) -> tuple[str, ...]:
    """The words of smaps' VmFlags; a bit without a name is "??", a protection key not shown."""
    words: list[str] = []
    rest = vm_flags & ~VM_PKEY_MASK
    while rest != 0:
        bit = rest & -rest
        unnamed = bit == VM_LOCKONFAULT and not names_lockonfault
        words.append("??" if unnamed else VM_FLAG_LETTERS.get(bit, "??"))
        rest &= rest - 1
    return tuple(words)


def vm_flags_of_letters(words: tuple[str, ...]) -> i64:
    """Return the flags that VmFlags words stand for; -1 when one is unknown."""
    vm_flags: i64 = 0
    for word in words:
        bit: i64 = 0
        for known, letters in VM_FLAG_LETTERS.items():
            if letters == word:
                bit = known
        if bit == 0:
            return -1
        vm_flags |= bit
    return vm_flags


def vma_pkey_shown(vma: Vma) -> i64:
    """Return the protection key that smaps shows."""
    return (vma.vm_flags & VM_PKEY_MASK) >> VM_PKEY_SHIFT


def vma_tuple(vma: Vma) -> tuple[int, int, int, int, File | None, str]:
    """(start, end, VM_* flags, offset in bytes, file, name): what a comparison with a record needs.

    Whether two VMAs show the same file is whether their files have the same inode.
    """
    return (
        vma.vm_start,
        vma.vm_end,
        vma.vm_flags,
        vma_pgoff_shown(vma),
        vma.vm_file,
        vma_name(vma),
    )


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
