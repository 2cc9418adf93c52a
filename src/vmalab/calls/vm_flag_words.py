# SPDX-License-Identifier: GPL-2.0-or-later
"""VmFlags words of a map as VM_* bits."""

from typing import Final

from vmalab.linux.include.mm_flags import VM_FLAG_LETTERS, VM_LOCKONFAULT
from vmalab.linux.include.proc_maps import VM_FLAG_OF_LETTERS

# Kernels before 6.12 have no letters for VM_LOCKONFAULT, and for no other flag of theirs.
_BIT_OF: Final[dict[str, int]] = {
    "??": VM_LOCKONFAULT,
    **VM_FLAG_OF_LETTERS,
}

# All bits that VmFlags shows; protection keys are shown apart.
SHOWN: Final[int] = sum(VM_FLAG_LETTERS)
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
