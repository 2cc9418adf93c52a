# SPDX-License-Identifier: GPL-2.0-or-later
"""VmFlags words and permissions of a recording as VM_* bits, and back."""

from typing import Final

from vmalab.calls.snapshot import VmaLine
from vmalab.calls.vm_flag_words import UNKNOWN_WORD, bits_of_words
from vmalab.linux.include.mm_flags import (
    VM_EXEC,
    VM_MAYSHARE,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from vmalab.linux.include.proc_maps import vm_flags_of_perms

# All that a line without VmFlags tells.
PERMISSIONS: Final = VM_READ | VM_WRITE | VM_EXEC | VM_MAYSHARE


def bits_of_line(line: VmaLine) -> int:
    """Return the bits of a recorded line: all that are shown, or those of its permissions alone."""
    if line.flags is None:
        return vm_flags_of_perms(line.perms)
    return bits_of_words(line.flags)


def flags_to_restore(line: VmaLine) -> int:
    """Return the VM_* bits to give a VMA that is made from a line.

    Guesses what permissions leave out.
    """
    bits = bits_of_line(line) & ~UNKNOWN_WORD
    if line.flags is not None:
        return bits | line.pkey << 32
    shared = bits & VM_MAYSHARE != 0
    bits |= 0x70
    if shared:
        bits |= VM_SHARED
    return bits
