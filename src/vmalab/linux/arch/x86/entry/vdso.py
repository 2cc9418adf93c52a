# SPDX-License-Identifier: GPL-2.0-or-later
"""Mapping the kernel's own library into a new program: [vvar], [vvar_vclock], [vdso].

Mirrors arch/x86/entry/vdso/vma.c (v6.18).
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.fs.exec import SpecialMappingOps
from vmalab.linux.include.mm_flags import (
    VM_DONTDUMP,
    VM_EXEC,
    VM_IO,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_MIXEDMAP,
    VM_PFNMAP,
    VM_READ,
)
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.mm.get_unmapped_area import get_unmapped_area
from vmalab.linux.mm.vma.link import install_special_mapping
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.types.mm_types import Mm

# Bytes.
VVAR_SIZE: Final = 16384
VVAR_VCLOCK_SIZE: Final = 8192

VVAR_FLAGS: Final = VM_READ | VM_MAYREAD | VM_DONTDUMP
VCLOCK_FLAGS: Final = VVAR_FLAGS | VM_IO | VM_PFNMAP
VDSO_FLAGS: Final = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC

# What maps shows of it.
VDSO_NAMES: Final = ("[vdso]", "[vvar]", "[vvar_vclock]")


def map_vdso(mm: Mm, size: i64, hint: i64) -> i64:
    """Map a vdso of `size` bytes above its data: 0, or -ENOMEM with nothing mapped.

        |vvar|vvar_vclock|vdso|     the middle one only where the kernel keeps it apart

    `hint` is where to try, 0: anywhere.  Kernel: map_vdso().
    """
    vclock_size: i64 = VVAR_VCLOCK_SIZE if mm.features.vvar_vclock else 0
    data_size = VVAR_SIZE + vclock_size
    addr = get_unmapped_area(mm, None, hint, size + data_size, 0, 0, 0)
    if addr < 0:
        return addr
    text = addr + data_size
    if install(mm, text, size, VDSO_FLAGS, "[vdso]") != 0:
        return -ENOMEM
    if install(mm, addr, VVAR_SIZE, vvar_flags(mm), "[vvar]") != 0:
        do_munmap(mm, text, size, None)
        return -ENOMEM
    if vclock_size != 0:
        if install(mm, addr + VVAR_SIZE, vclock_size, VCLOCK_FLAGS, "[vvar_vclock]") != 0:
            do_munmap(mm, text, size, None)
            do_munmap(mm, addr, VVAR_SIZE, None)
            return -ENOMEM
    return 0


def vvar_flags(mm: Mm) -> i64:
    """Return the flags of [vvar], whose pages have become the kernel's ordinary ones."""
    flags: i64 = VVAR_FLAGS | (VM_MIXEDMAP if mm.features.vvar_is_mixed else VM_PFNMAP)
    return flags if mm.features.vvar_is_no_io else flags | VM_IO


def install(mm: Mm, addr: i64, size: i64, vm_flags: i64, label: str) -> i64:
    """Map one of the parts, by the name that maps shows: 0 or -ENOMEM."""
    vma = install_special_mapping(mm, addr, size, vm_flags, SpecialMappingOps(label), None)
    return -ENOMEM if vma is None else 0
