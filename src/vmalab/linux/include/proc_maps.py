# SPDX-License-Identifier: GPL-2.0-or-later
"""How /proc/PID/maps and smaps write a VMA: its line, its permissions, the words of VmFlags.

Source: Documentation/filesystems/proc.rst.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_EXEC,
    VM_FLAG_LETTERS,
    VM_LOCKONFAULT,
    VM_MAYSHARE,
    VM_PKEY_MASK,
    VM_READ,
    VM_WRITE,
)

# What stands before a name is padded to this width, and a space follows.
NAME_WIDTH: Final = 72
VM_FLAG_OF_LETTERS: Final[dict[str, int]] = {
    letters: flag for flag, letters in VM_FLAG_LETTERS.items()
}


def maps_line(start: int, end: int, perms: str, pgoff: int, dev: str, ino: int, name: str) -> str:
    """Return a line of /proc/PID/maps without its newline.  pgoff: in bytes.

    A line without a name ends in the space behind its inode.
    """
    head = f"{start:08x}-{end:08x} {perms} {pgoff:08x} {dev} {ino} "
    return head if name == "" else head.ljust(NAME_WIDTH) + " " + name


def vma_perms(vm_flags: i64) -> str:
    """Return the four letters of the access rights, such as "rw-p"."""
    return (
        ("r" if vm_flags & VM_READ != 0 else "-")
        + ("w" if vm_flags & VM_WRITE != 0 else "-")
        + ("x" if vm_flags & VM_EXEC != 0 else "-")
        + ("s" if vm_flags & VM_MAYSHARE != 0 else "p")
    )


def vm_flags_of_perms(perms: str) -> int:
    """Return the flags that "rw-p" shows; a shared mapping has VM_MAYSHARE."""
    vm_flags = VM_READ if perms[0] == "r" else 0
    vm_flags |= VM_WRITE if perms[1] == "w" else 0
    vm_flags |= VM_EXEC if perms[2] == "x" else 0
    return vm_flags | VM_MAYSHARE if perms[3] == "s" else vm_flags


def vm_flag_letters(vm_flags: i64, names_lockonfault: bool = True) -> tuple[str, ...]:
    """Return the words of VmFlags; a bit without a name is "??", a protection key not shown."""
    words: list[str] = []
    rest = vm_flags & ~VM_PKEY_MASK
    while rest != 0:
        bit = rest & -rest
        unnamed = bit == VM_LOCKONFAULT and not names_lockonfault
        words.append("??" if unnamed else VM_FLAG_LETTERS.get(bit, "??"))
        rest &= rest - 1
    return tuple(words)
