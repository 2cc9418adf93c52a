# SPDX-License-Identifier: GPL-2.0-or-later
"""Mapping the segments of an ELF file, each with the zeros that follow its part of the file.

Mirrors elf_load() and elf_map() of fs/binfmt_elf.c (v6.18).  Sums of addresses that a file may
choose wrap around as the kernel's unsigned longs do; they are plain ints here, and become addresses
only once the kernel would have found them to be such.
"""

from vmalab.linux.fs.elf import ElfFile, ElfPhdr
from vmalab.linux.include.page import MAX_ERRNO, PAGE_MASK, PAGE_SIZE, ULONG_MAX, page_align_ulong
from vmalab.linux.include.uapi.elf import PF_R, PF_W, PF_X, PT_LOAD
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL
from vmalab.linux.include.uapi.mman import MAP_DENYWRITE, PROT_EXEC, PROT_READ, PROT_WRITE
from vmalab.linux.mm.brk import vm_brk_flags
from vmalab.linux.mm.mmap import vm_mmap
from vmalab.linux.mm.usercopy import copy_to_user
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task


def wrap(value: int) -> int:
    """Return a sum as C's unsigned long holds it."""
    return value & ULONG_MAX


def page_start(addr: int) -> int:
    """Return the page of an address (`ELF_PAGESTART`)."""
    return addr & (ULONG_MAX - (PAGE_SIZE - 1))


def bad_addr(mm: Mm, addr: int) -> bool:
    """Tell whether a result is no address of the program: an errno, or beyond its end."""
    return not 0 <= addr < mm.task_size


def address_error(addr: int) -> int:
    """Return the errno for such a result: itself, or EINVAL for an address beyond the end."""
    return addr if -MAX_ERRNO <= addr < 0 else -EINVAL


def total_mapping_size(elf: ElfFile) -> int:
    """Return bytes from the first to the last page that is to be loaded, 0 when none is."""
    low, high = ULONG_MAX, 0
    loads = False
    for phdr in elf.phdrs:
        if phdr.p_type == PT_LOAD:
            low = min(low, page_start(phdr.p_vaddr))
            high = max(high, wrap(phdr.p_vaddr + phdr.p_memsz))
            loads = True
    return wrap(high - low) if loads else 0


def maximum_alignment(elf: ElfFile) -> int:
    """The largest power of two among the alignments of what is to be loaded, in whole pages."""
    alignment = 0
    for phdr in elf.phdrs:
        if phdr.p_type == PT_LOAD and phdr.p_align & (phdr.p_align - 1) == 0:
            alignment = max(alignment, phdr.p_align)
    return page_align_ulong(alignment)


def elf_prot(phdr: ElfPhdr) -> int:
    """PROT_* of a segment."""
    flags = phdr.p_flags
    return (
        (PROT_READ if flags & PF_R != 0 else 0)
        | (PROT_WRITE if flags & PF_W != 0 else 0)
        | (PROT_EXEC if flags & PF_X != 0 else 0)
    )


def elf_load(
    task: Task, mm: Mm, file: File, addr: int, phdr: ElfPhdr, flags: int, total_size: int
) -> int:
    """Map a segment at `addr`, zeros beyond its part of the file: its first page or -errno.

    The rest of the last page of the file's part is cleared, which touches it; what cannot be
    written need not be.  Kernel: elf_load().
    """
    prot = elf_prot(phdr)
    within = phdr.p_vaddr & ~PAGE_MASK
    if phdr.p_filesz != 0:
        start = elf_map(task, mm, file, addr, phdr, flags, total_size)
        if bad_addr(mm, start) or phdr.p_memsz <= phdr.p_filesz:
            return start
        zero_start = wrap(start + within + phdr.p_filesz)
        rest = -zero_start & ~PAGE_MASK
        if rest != 0 and not copy_to_user(mm, zero_start, rest) and prot & PROT_WRITE != 0:
            return -EFAULT
    else:
        start = zero_start = page_start(addr)
        if phdr.p_memsz == 0:
            return start
    zero_end = page_align_ulong(wrap(start + within + phdr.p_memsz))
    zero_start = page_align_ulong(zero_start)
    size = wrap(zero_end - zero_start)
    err = int(vm_brk_flags(mm, zero_start, size, prot & PROT_EXEC != 0))
    return err if err != 0 else start


def elf_map(
    task: Task, mm: Mm, file: File, addr: int, phdr: ElfPhdr, flags: int, total_size: int
) -> int:
    """Map a segment's part of the file: its first page, or -errno.

    With `total_size` as much is mapped at first, so that the rest of the program is sure to fit
    behind it.  Kernel: elf_map().
    """
    within = phdr.p_vaddr & ~PAGE_MASK
    size = page_align_ulong(wrap(phdr.p_filesz + within))
    offset = wrap(phdr.p_offset - within)
    addr = page_start(addr)
    if size == 0:
        return addr
    prot = elf_prot(phdr)
    flags |= MAP_DENYWRITE
    if total_size == 0:
        return vm_mmap(task, file, addr, size, prot, flags, offset)
    total_size = page_align_ulong(total_size)
    result = vm_mmap(task, file, addr, total_size, prot, flags, offset)
    if not bad_addr(mm, result):
        vm_munmap(mm, wrap(result + size), wrap(total_size - size))
    return result


def vm_munmap(mm: Mm, addr: int, length: int) -> None:
    """Unmap a range that a file's headers may have made up; nothing happens when there is none."""
    if addr <= mm.task_size and length <= mm.task_size:
        do_munmap(mm, addr, length, None)


def segment_is_too_large(mm: Mm, addr: int, phdr: ElfPhdr) -> bool:
    """Tell whether a segment at `addr` reaches beyond the address space, or lacks memory."""
    return (
        bad_addr(mm, addr)
        or phdr.p_filesz > phdr.p_memsz
        or phdr.p_memsz > mm.task_size
        or mm.task_size - phdr.p_memsz < addr
    )
