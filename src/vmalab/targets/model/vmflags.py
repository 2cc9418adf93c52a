# SPDX-License-Identifier: GPL-2.0-or-later
"""VmFlags words and permissions of a recording as VM_* bits, and back."""

from typing import Final

from vmalab.calls.snapshot import VmaLine
from vmalab.linux.include.mm_flags import (
    VM_EXEC,
    VM_FLAG_LETTERS,
    VM_LOCKONFAULT,
    VM_MAYSHARE,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)
from vmalab.linux.include.proc_maps import VM_FLAG_OF_LETTERS, vm_flags_of_perms

# Kernels before 6.12 have no letters for VM_LOCKONFAULT, and for no other flag of theirs.
_BIT_OF: Final[dict[str, int]] = {
    "??": VM_LOCKONFAULT,
    **VM_FLAG_OF_LETTERS,
}

# All bits that VmFlags shows; protection keys are shown apart.
SHOWN: Final[int] = sum(VM_FLAG_LETTERS)
# All that a line without VmFlags tells.
PERMISSIONS: Final = VM_READ | VM_WRITE | VM_EXEC | VM_MAYSHARE
# A word that no flag of this kernel has: it equals nothing.
UNKNOWN_WORD: Final = 1 << 62

_known: dict[tuple[str, ...], int] = {}


def bits_of_words(words: tuple[str, ...]) -> int:
    """Return the bits of VmFlags words.

    `UNKNOWN_WORD` among them when there is one that is not known.
    """
    bits = _known.get(words)
    if bits is None:
        bits = 0
        for word in words:
            bits |= _BIT_OF.get(word, UNKNOWN_WORD)
        if len(_known) > 4096:
            _known.clear()
        _known[words] = bits
    return bits


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
