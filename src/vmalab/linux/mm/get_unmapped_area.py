# SPDX-License-Identifier: GPL-2.0-or-later
"""Choosing the address of a mapping: hints, layouts, alignment to huge pages.

Mirrors __get_unmapped_area() of mm/mmap.c and arch/x86/kernel/sys_x86_64.c (v6.18).  Addresses and
lengths are bytes and below 2^57 here; callers have dealt with unsigned wrap-around.
"""

from mypy_extensions import i64

from vmalab.linux.arch.x86.mmap import mmap_legacy_base, task_size_32
from vmalab.linux.include.mm_flags import VM_SHADOW_STACK
from vmalab.linux.include.page import (
    DEFAULT_MAP_WINDOW,
    LONG_MAX,
    MAP_32BIT_BEGIN,
    MAP_32BIT_END,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    PMD_SIZE,
    SZ_4G,
    ULONG_MAX,
)
from vmalab.linux.include.uapi.capability import CAP_SYS_RAWIO
from vmalab.linux.include.uapi.errno import EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.mman import MAP_32BIT, MAP_ABOVE4G, MAP_FIXED, MAP_SHARED
from vmalab.linux.mm.hugetlb import huge_page_size
from vmalab.linux.mm.refusal import REFUSED_MIN_ADDR, REFUSED_RANGE
from vmalab.linux.mm.vma.state import UnmappedAreaInfo
from vmalab.linux.mm.vma.unmapped_area import vm_start_gap, vm_unmapped_area
from vmalab.linux.types.file import (
    PLACE_DRIVER,
    PLACE_HUGETLB,
    PLACE_IO_URING,
    PLACE_SHMEM,
    PLACE_THP,
    File,
)
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import find_vma


def is_private_zero(mm: Mm, placement: i64, flags: i64) -> bool:
    """Tell whether a mapping of /dev/zero is one that is placed like anonymous memory."""
    if placement != PLACE_DRIVER or flags & MAP_SHARED != 0:
        return False
    return mm.features.private_zero_is_thp_aligned


def get_unmapped_area(
    mm: Mm, file: File | None, addr: i64, length: i64, pgoff: i64, flags: i64, vm_flags: i64
) -> i64:
    """Return the address for a mapping of `length` bytes with hint `addr`, or -errno.

    Errors: ENOMEM (too long, no hole, beyond the address space), EINVAL (MAP_FIXED, unaligned),
    EPERM (below vm.mmap_min_addr without CAP_SYS_RAWIO).  Kernel: __get_unmapped_area().
    """
    if length > mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, length, mm.task_size)
    placement: i64 = -1
    if file is not None:
        placement = file.f_op.placement
    else:
        pgoff = 0
        if flags & MAP_SHARED != 0:
            placement = PLACE_SHMEM
    thp = mm.config.transparent_hugepage
    whole = (addr == 0 and length & (PMD_SIZE - 1) == 0) or mm.config.thp_aligns_any_length
    aligns = file is None and whole and mm.features.thp_aligns_anonymous
    if placement == PLACE_HUGETLB:
        size = huge_page_size(file)
        if (length | (addr if flags & MAP_FIXED != 0 else 0)) & (size - 1) != 0:
            return mm.refusal.blame(
                EINVAL, "length", "length and fixed address must be multiples of the huge page size"
            )
        addr = (addr + size - 1) & -size
        result = mm_get_unmapped_area(mm, file, addr, length, pgoff, flags, 0)
    elif placement == PLACE_IO_URING and file is not None:
        # Rings are not put where the caller says.
        if addr != 0:
            return mm.refusal.blame(
                EINVAL, "addr", "an io_uring chooses the address of its rings itself"
            )
        if not file.f_op.has_region(file, pgoff):
            errno = EINVAL if mm.features.io_uring_bad_region_is_einval else ENOMEM
            return mm.refusal.blame(errno, "offset", "the io_uring has no such ring")
        result = mm_get_unmapped_area(mm, None, 0, length, 0, flags | MAP_SHARED, 0)
    elif placement == PLACE_SHMEM:
        result = shmem_get_unmapped_area(mm, file, addr, length, pgoff, flags)
    elif placement == PLACE_DRIVER and file is not None and flags & MAP_SHARED != 0:
        # A segment is placed as its own file, a shared /dev/zero as anonymous memory.
        own = file if file.f_op.is_shmem else None
        result = shmem_get_unmapped_area(mm, own, addr, length, pgoff, flags)
    elif thp and (placement == PLACE_THP or aligns or is_private_zero(mm, placement, flags)):
        result = thp_get_unmapped_area(mm, file, addr, length, pgoff, flags, vm_flags)
    else:
        result = mm_get_unmapped_area(mm, file, addr, length, pgoff, flags, vm_flags)
    if result < 0:
        return result
    if result > mm.task_size - length:
        return mm.refuse(ENOMEM, REFUSED_RANGE, result + length, mm.task_size)
    if result & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "addr", "MAP_FIXED at an address that is not page-aligned")
    if result < mm.config.dac_mmap_min_addr:
        owner = mm.owner
        if owner is not None and not owner.capable(CAP_SYS_RAWIO):
            lowest: i64 = mm.config.dac_mmap_min_addr
            return mm.refuse(EPERM, REFUSED_MIN_ADDR, result, lowest)
    return result


def mm_get_unmapped_area(
    mm: Mm, file: File | None, addr: i64, length: i64, pgoff: i64, flags: i64, vm_flags: i64
) -> i64:
    """Return the address by the mm's own layout, top-down or bottom-up."""
    if mm.topdown:
        return arch_get_unmapped_area_topdown(mm, file, addr, length, pgoff, flags, vm_flags)
    return arch_get_unmapped_area(mm, file, addr, length, pgoff, flags, vm_flags)


def in_32bit_syscall(mm: Mm) -> bool:
    """Tell whether the call at hand is one of i386: any of a 32-bit program."""
    owner = mm.owner
    return mm.task_size <= SZ_4G or (owner is not None and owner.in_32bit_syscall)


def compat_size(mm: Mm) -> i64:
    """Return where the addresses end that a 32-bit call is given, bytes."""
    owner = mm.owner
    return mm.task_size if mm.task_size <= SZ_4G or owner is None else task_size_32(owner)


def compat_base(mm: Mm) -> i64:
    """Return below which address a 32-bit call maps."""
    if mm.task_size <= SZ_4G:
        return mm.mmap_base
    return mm.mmap_compat_base if mm.mmap_compat_base != 0 else compat_size(mm)


def compat_legacy_base(mm: Mm) -> i64:
    """Return above which address a 32-bit call maps, with the legacy layout."""
    if mm.task_size <= SZ_4G:
        return mm.mmap_legacy_base
    if mm.mmap_compat_legacy_base != 0:
        return mm.mmap_compat_legacy_base
    return mmap_legacy_base(0, compat_size(mm))


def hint_fits(mm: Mm, addr: i64, length: i64) -> bool:
    """Tell whether nothing is mapped, and no guard gap lies, in `[addr, addr + length)`."""
    vma = find_vma(mm, addr)
    return vma is None or addr + length <= vm_start_gap(vma, mm.config.stack_guard_gap)


def arch_get_unmapped_area(
    mm: Mm, file: File | None, addr: i64, length: i64, pgoff: i64, flags: i64, vm_flags: i64
) -> i64:
    """Return the lowest address from the legacy base, or within MAP_32BIT's window, upwards."""
    if flags & MAP_FIXED != 0:
        return addr
    begin, end = mm.mmap_legacy_base, mm.task_size
    if in_32bit_syscall(mm):
        begin, end = compat_legacy_base(mm), compat_size(mm)
    elif flags & MAP_32BIT != 0:
        begin, end = MAP_32BIT_BEGIN, MAP_32BIT_END
    elif mm.task_size > DEFAULT_MAP_WINDOW and addr <= DEFAULT_MAP_WINDOW:
        end = DEFAULT_MAP_WINDOW
    if length > end:
        return mm.refuse(ENOMEM, REFUSED_RANGE, length, end)
    if addr != 0:
        addr = (addr + PAGE_SIZE - 1) & PAGE_MASK
        if end - length >= addr and hint_fits(mm, addr, length):
            return addr
    info = UnmappedAreaInfo(length, begin, end)
    place_in_hole(info, file, pgoff, vm_flags)
    return vm_unmapped_area(mm, info)


def arch_get_unmapped_area_topdown(
    mm: Mm, file: File | None, addr: i64, length: i64, pgoff: i64, flags: i64, vm_flags: i64
) -> i64:
    """Return the highest address below mmap_base; when there is none, the lowest anywhere."""
    if length > mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, length, mm.task_size)
    if flags & MAP_FIXED != 0:
        return addr
    compat = in_32bit_syscall(mm)
    hint = addr
    if compat or flags & MAP_32BIT == 0:
        if addr != 0:
            addr &= PAGE_MASK
            if mmap_address_hint_valid(mm, addr, length) and hint_fits(mm, addr, length):
                return addr
        low: i64 = PAGE_SIZE
        if flags & MAP_ABOVE4G != 0 and not compat:
            low = SZ_4G
        high = compat_base(mm) if compat else mm.mmap_base
        if addr > DEFAULT_MAP_WINDOW and not compat:
            high += mm.task_size - DEFAULT_MAP_WINDOW
        info = UnmappedAreaInfo(length, low, high)
        info.topdown = True
        place_in_hole(info, file, pgoff, vm_flags)
        addr = vm_unmapped_area(mm, info)
        if addr >= 0:
            return addr
    return arch_get_unmapped_area(mm, file, hint, length, pgoff, flags, 0)


def place_in_hole(info: UnmappedAreaInfo, file: File | None, pgoff: i64, vm_flags: i64) -> None:
    """Set the alignment and the gap below that the mapping needs within a hole."""
    if file is not None and file.f_op.placement == PLACE_HUGETLB:
        info.align_mask = huge_page_size(file) - PAGE_SIZE
        return
    info.align_offset = pgoff << PAGE_SHIFT
    if vm_flags & VM_SHADOW_STACK != 0:
        info.start_gap = PAGE_SIZE


def mmap_address_hint_valid(mm: Mm, addr: i64, length: i64) -> bool:
    """Tell whether a hint lies in the address space and not across the 47-bit boundary."""
    if mm.task_size - length < addr:
        return False
    return (addr > DEFAULT_MAP_WINDOW) == (addr + length > DEFAULT_MAP_WINDOW)


def loff_t(value: int) -> int:
    """Return a number as a loff_t holds it: 64 bits with a sign."""
    value &= ULONG_MAX
    return value - ULONG_MAX - 1 if value > LONG_MAX else value


def far_offset_fits(pgoff: int, length: int) -> bool:
    """Tell whether 2 MiB seem to fit where offsets, or what they are rounded up to, overflow.

    Kernel: _thp_get_unmapped_area().
    """
    off = loff_t(pgoff << PAGE_SHIFT)
    end, aligned = loff_t(off + length), loff_t((off + PMD_SIZE - 1) & -PMD_SIZE)
    if end <= aligned or (end - aligned) & ULONG_MAX < PMD_SIZE:
        return False
    return (off & ULONG_MAX) + length + PMD_SIZE <= ULONG_MAX


def thp_get_unmapped_area(
    mm: Mm, file: File | None, addr: i64, length: i64, pgoff: i64, flags: i64, vm_flags: i64
) -> i64:
    """An address at which huge pages of the mapping are aligned, if 2 MiB of them fit at all.

    A hole longer by 2 MiB is sought, and the mapping placed in it.
    Kernel: thp_get_unmapped_area_vmflags().
    """
    if pgoff > (LONG_MAX - 2 * PMD_SIZE - length) >> PAGE_SHIFT:
        offset: i64 = loff_t(pgoff << PAGE_SHIFT)
        fits = far_offset_fits(pgoff, length)
    else:
        offset = pgoff << PAGE_SHIFT
        fits = offset + length - ((offset + PMD_SIZE - 1) & -PMD_SIZE) >= PMD_SIZE
    if fits and not in_32bit_syscall(mm):
        found = mm_get_unmapped_area(mm, file, addr, length + PMD_SIZE, pgoff, flags, vm_flags)
        if found >= 0:
            if found == addr:
                return addr
            shift = (offset - found) & (PMD_SIZE - 1)
            if mm.topdown and shift == 0:
                return found + PMD_SIZE
            return found + shift
    return mm_get_unmapped_area(mm, file, addr, length, pgoff, flags, vm_flags)


def shmem_alignment(mm: Mm, file: File | None) -> i64:
    """Return to how many bytes a shmem mapping is aligned; 0: to a page, as any other.

    A file goes by its mount's huge=, one of the kernel's own mount by shmem_enabled; shared
    anonymous memory (no file) by the largest size that is on.
    """
    config = mm.config
    if not config.transparent_hugepage or config.shmem_enabled == "deny":
        return 0
    if config.shmem_enabled == "force":
        return PMD_SIZE
    sb = None if file is None else file.inode.i_sb
    huge = config.shmem_enabled if sb is None else sb.huge
    if file is not None:
        return 0 if huge == "never" else PMD_SIZE
    largest = 0
    for size in config.shmem_sizes:
        largest = max(largest, size)
    if huge != "never":
        for size in config.shmem_inherit_sizes:
            largest = max(largest, size)
        # With no size on at all, the huge page of a table it is.
        largest = PMD_SIZE if largest == 0 else largest
    return largest


def shmem_get_unmapped_area(
    mm: Mm, file: File | None, addr: i64, length: i64, pgoff: i64, flags: i64
) -> i64:
    """Return an address for a shmem mapping, aligned when shmem may use huge pages.

    Kernel: shmem_get_unmapped_area().
    """
    found = mm_get_unmapped_area(mm, file, addr, length, pgoff, flags, 0)
    if found < 0 or flags & MAP_FIXED != 0 or found == addr:
        return found
    size = shmem_alignment(mm, file)
    if size == 0 or length < size:
        return found
    offset = (pgoff << PAGE_SHIFT) & (size - 1)
    if (offset != 0 and offset + length < 2 * size) or found & (size - 1) == offset:
        return found
    inflated = length + size - PAGE_SIZE
    if inflated > mm.task_size:
        return found
    base = mm_get_unmapped_area(mm, None, addr, inflated, 0, flags, 0)
    if base < 0:
        return found
    inside = base & (size - 1)
    base += offset - inside
    if inside > offset:
        base += size
    return found if base > mm.task_size - length else base
