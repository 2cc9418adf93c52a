# SPDX-License-Identifier: GPL-2.0-or-later
"""What a range of addresses looks like to a reader of the map: kind, permissions, name, flags."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from vmalab.linux.fs.proc.task_mmu import vma_is_initial_heap, vma_is_initial_stack, vma_name
from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_MAYSHARE,
)
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.linux.types.mm_types import Vma

# What a range is for, as far as the map shows it.
NO_ACCESS: Final = "no access"
HEAP: Final = "heap"
STACK: Final = "stack"
SHARED: Final = "shared"
CODE: Final = "code"
FILE: Final = "file"
SPECIAL: Final = "special"
ANONYMOUS: Final = "anonymous"
MIXED: Final = "mixed"
KINDS: Final = (NO_ACCESS, HEAP, STACK, ANONYMOUS, SHARED, FILE, CODE, SPECIAL, MIXED)

# Letters of VmFlags that a call chose beside the permissions: the map tells ranges apart by them.
_TOLD: Final = frozenset(
    [
        "lo",
        "lf",
        "hg",
        "nh",
        "mg",
        "sr",
        "rr",
        "dc",
        "wf",
        "dd",
        "ht",
        "nr",
        "sl",
        "gu",
        "um",
        "uw",
        "ui",
        "ur",
        "dp",
        "ss",
        "sf",
    ]
)

Look = tuple[str, str, str, str]


def kind_of(vma: Vma) -> str:
    """Return the kind of a VMA; whoever may not be accessed at all is `NO_ACCESS` first of all."""
    flags = vma.vm_flags
    if flags & VM_ACCESS_FLAGS == 0:
        return NO_ACCESS
    if flags & VM_MAYSHARE != 0:
        return SHARED
    if vma.vm_file is not None:
        return CODE if flags & VM_EXEC != 0 else FILE
    if vma.vm_ops is not None:
        return SPECIAL
    if flags & VM_GROWSDOWN != 0 or vma_is_initial_stack(vma):
        return STACK
    return HEAP if vma_is_initial_heap(vma) else ANONYMOUS


def look_of(vma: Vma) -> Look:
    """(kind, permissions, name, flags): what a range looks like to a reader of the map."""
    perms, flags = _words(vma.vm_flags)
    return kind_of(vma), perms, vma_name(vma), flags


@lru_cache(maxsize=4096)
def _words(vm_flags: int) -> tuple[str, str]:
    """Return the permissions, and the letters of what else a call chose."""
    return vma_perms(vm_flags), told_flags(vm_flag_letters(vm_flags))


def told_flags(letters: Iterable[str]) -> str:
    """Return the letters of VmFlags that a map tells ranges apart by."""
    return " ".join(word for word in letters if word in _TOLD)
