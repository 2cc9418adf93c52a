# SPDX-License-Identifier: GPL-2.0-or-later
"""The VM_* flags of a VMA, their groups, and the two-letter names that smaps prints.

The bits are those of include/linux/mm.h (6.18).  All fit in 63 bits.
"""

from typing import Final

from mypy_extensions import i64

VM_NONE: Final = 0x0
VM_READ: Final = 0x1
VM_WRITE: Final = 0x2
VM_EXEC: Final = 0x4
VM_SHARED: Final = 0x8
VM_MAYREAD: Final = 0x10
VM_MAYWRITE: Final = 0x20
VM_MAYEXEC: Final = 0x40
VM_MAYSHARE: Final = 0x80
VM_GROWSDOWN: Final = 0x100
VM_UFFD_MISSING: Final = 0x200
VM_PFNMAP: Final = 0x400
VM_MAYBE_GUARD: Final = 0x800
VM_UFFD_WP: Final = 0x1000
VM_LOCKED: Final = 0x2000
VM_IO: Final = 0x4000
VM_SEQ_READ: Final = 0x8000
VM_RAND_READ: Final = 0x10000
VM_DONTCOPY: Final = 0x20000
VM_DONTEXPAND: Final = 0x40000
VM_LOCKONFAULT: Final = 0x80000
VM_ACCOUNT: Final = 0x100000
VM_NORESERVE: Final = 0x200000
VM_HUGETLB: Final = 0x400000
VM_SYNC: Final = 0x800000
VM_ARCH_1: Final = 0x1000000
VM_WIPEONFORK: Final = 0x2000000
VM_DONTDUMP: Final = 0x4000000
VM_SOFTDIRTY: Final = 0x8000000
VM_MIXEDMAP: Final = 0x10000000
VM_HUGEPAGE: Final = 0x20000000
VM_NOHUGEPAGE: Final = 0x40000000
VM_MERGEABLE: Final = 0x80000000
VM_PKEY_SHIFT: Final = 32
VM_PKEY_MASK: Final = 0xF00000000
VM_SHADOW_STACK: Final = 0x2000000000
VM_DROPPABLE: Final = 0x10000000000
VM_UFFD_MINOR: Final = 0x20000000000
# Bit 63 in 6.12: what reads flags out of a kernel's memory translates it.
VM_SEALED: Final = 0x40000000000
# Of 7.3.
VM_UFFD_RWP: Final = 0x80000000000
# Of kernels before 5.15, whose bit 11 it was; ours is VM_MAYBE_GUARD of later ones.
VM_DENYWRITE: Final = 0x100000000000

VM_ACCESS_FLAGS: Final = 0x7
VM_MAY_FLAGS: Final = 0x70
VM_LOCKED_MASK: Final = 0x82000
# VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP: never merged with anything.
VM_SPECIAL: Final = 0x10044400
VM_STARTGAP_FLAGS: Final = 0x2000000100
VM_UFFD_MASK: Final = 0xA0000001200
# VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
VM_DATA_DEFAULT_FLAGS: Final = 0x73
# VM_GROWSDOWN | VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT
VM_STACK_FLAGS: Final = 0x100173
# VM_RAND_READ | VM_SEQ_READ: marks the stack while exec still moves it.
VM_STACK_INCOMPLETE_SETUP: Final = 0x18000
# What a merge ignores in the comparison and keeps in the result (VM_SOFTDIRTY | VM_MAYBE_GUARD).
VM_STICKY: Final = 0x8000800

# Bit number -> the letters of smaps' VmFlags; protection keys (32 to 36) are printed apart.
VM_FLAG_LETTERS: Final = {
    VM_READ: "rd",
    VM_WRITE: "wr",
    VM_EXEC: "ex",
    VM_SHARED: "sh",
    VM_MAYREAD: "mr",
    VM_MAYWRITE: "mw",
    VM_MAYEXEC: "me",
    VM_MAYSHARE: "ms",
    VM_GROWSDOWN: "gd",
    VM_UFFD_MISSING: "um",
    VM_PFNMAP: "pf",
    VM_MAYBE_GUARD: "gu",
    VM_UFFD_WP: "uw",
    VM_LOCKED: "lo",
    VM_IO: "io",
    VM_SEQ_READ: "sr",
    VM_RAND_READ: "rr",
    VM_DONTCOPY: "dc",
    VM_DONTEXPAND: "de",
    VM_LOCKONFAULT: "lf",
    VM_ACCOUNT: "ac",
    VM_NORESERVE: "nr",
    VM_HUGETLB: "ht",
    VM_SYNC: "sf",
    VM_ARCH_1: "ar",
    VM_WIPEONFORK: "wf",
    VM_DONTDUMP: "dd",
    VM_SOFTDIRTY: "sd",
    VM_MIXEDMAP: "mm",
    VM_HUGEPAGE: "hg",
    VM_NOHUGEPAGE: "nh",
    VM_MERGEABLE: "mg",
    VM_SHADOW_STACK: "ss",
    VM_DROPPABLE: "dp",
    VM_UFFD_MINOR: "ui",
    VM_SEALED: "sl",
    VM_UFFD_RWP: "ur",
    VM_DENYWRITE: "dw",
}


def is_exec_mapping(vm_flags: i64) -> bool:
    """Tell whether pages of such a VMA count as exec_vm: executable, neither writable nor stack."""
    return vm_flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN) == VM_EXEC


def is_stack_mapping(vm_flags: i64) -> bool:
    """Tell whether pages of such a VMA count as stack_vm."""
    return vm_flags & (VM_GROWSDOWN | VM_SHADOW_STACK) != 0


def is_data_mapping(vm_flags: i64) -> bool:
    """Tell whether pages of such a VMA count as data_vm: private, writable, no stack."""
    return vm_flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) == VM_WRITE
