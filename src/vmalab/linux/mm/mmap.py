# SPDX-License-Identifier: GPL-2.0-or-later
"""mmap, munmap and remap_file_pages: from a caller's arguments to a mapping.

Mirrors mm/mmap.c (v6.18).  The fronts of the calls take plain ints as an unsigned 64-bit register
holds them, and deal with wrap-around before anything becomes an address.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.fs.hugetlbfs import hugetlb_file_setup
from vmalab.linux.include.config import OVERCOMMIT_NEVER
from vmalab.linux.include.mm_flags import (
    VM_DENYWRITE,
    VM_DONTDUMP,
    VM_DROPPABLE,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NOHUGEPAGE,
    VM_NORESERVE,
    VM_PKEY_SHIFT,
    VM_READ,
    VM_SHARED,
    VM_SYNC,
    VM_WIPEONFORK,
    VM_WRITE,
)
from vmalab.linux.include.page import (
    LONG_MAX,
    MAX_ERRNO,
    PAGE_MASK,
    PAGE_SHIFT,
    PAGE_SIZE,
    ULONG_MAX,
    exceeds_ulong,
    page_align_ulong,
)
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EAGAIN,
    EBADF,
    EEXIST,
    EINVAL,
    ENODEV,
    ENOMEM,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
)
from vmalab.linux.include.uapi.mman import (
    MAP_32BIT,
    MAP_ABOVE4G,
    MAP_ANONYMOUS,
    MAP_DENYWRITE,
    MAP_DROPPABLE,
    MAP_EXECUTABLE,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGE_1GB,
    MAP_HUGE_2MB,
    MAP_HUGE_MASK,
    MAP_HUGE_SHIFT,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_STACK,
    MAP_SYNC,
    MAP_TYPE,
    MAP_UNINITIALIZED,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.include.uapi.personality import READ_IMPLIES_EXEC
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.mm.accounting import mlock_future_ok
from vmalab.linux.mm.get_unmapped_area import get_unmapped_area
from vmalab.linux.mm.gup import mm_populate
from vmalab.linux.mm.hugetlb import huge_page_size, hugetlb_files
from vmalab.linux.mm.hugetlb_pool import hstate_sizelog
from vmalab.linux.mm.memfd import memfd_check_seals_mmap
from vmalab.linux.mm.pkeys import execute_only_pkey
from vmalab.linux.mm.refusal import (
    REFUSED_LENGTH,
    REFUSED_MAP_COUNT,
    REFUSED_MEMLOCK,
    REFUSED_OCCUPIED,
    REFUSED_RANGE,
)
from vmalab.linux.mm.vma.mmap_region import mmap_region
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, I_REG, File
from vmalab.linux.types.files import fget
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma_intersection, vma_lookup

# The flags that a shared mapping may have beside MAP_SHARED_VALIDATE.
LEGACY_MAP_MASK: Final = (
    MAP_SHARED
    | MAP_PRIVATE
    | MAP_FIXED
    | MAP_ANONYMOUS
    | MAP_DENYWRITE
    | MAP_EXECUTABLE
    | MAP_UNINITIALIZED
    | MAP_GROWSDOWN
    | MAP_LOCKED
    | MAP_NORESERVE
    | MAP_POPULATE
    | MAP_NONBLOCK
    | MAP_STACK
    | MAP_HUGETLB
    | MAP_32BIT
    | MAP_ABOVE4G
    | MAP_HUGE_2MB
    | MAP_HUGE_1GB
)
MAX_LFS_FILESIZE: Final = 0x7FFFFFFFFFFFFFFF
# How descriptors of sockets are called: by the call that made them, or by /proc.
SOCKETS: Final = ("socket", "accept")


def ksys_mmap(
    task: Task, addr: int, length: int, prot: int, flags: int, fd: int, offset: int
) -> int:
    """mmap(2): the address or a negative errno.

    Arguments are unsigned 64-bit; `offset` is in bytes.  Errors: EINVAL (offset not page aligned,
    descriptor does not fit MAP_HUGETLB), EBADF, and those of `do_mmap`.
    """
    if offset & ~PAGE_MASK != 0:
        return task.machine.kernel.refusal.blame(
            EINVAL, "offset", "not a multiple of the page size"
        )
    # The kernel alone may ask for it, when it maps a program.
    flags &= ~MAP_DENYWRITE
    file: File | None = None
    if flags & MAP_ANONYMOUS == 0:
        file = fget(task.files, fd & 0xFFFFFFFF)
        if file is None:
            return task.machine.kernel.refusal.blame(
                EBADF, "fd", "not an open descriptor, and MAP_ANONYMOUS is not set"
            )
        if file.f_op.is_hugetlb:
            length = huge_page_align(length, huge_page_size(file))
            return mmap_huge_pages(task, file, addr, length, prot, flags, offset >> PAGE_SHIFT)
        if flags & MAP_HUGETLB != 0:
            return task.machine.kernel.refusal.blame(
                EINVAL, "flags", "MAP_HUGETLB with a file that is not of huge pages"
            )
    elif flags & MAP_HUGETLB != 0:
        h = hstate_sizelog(task.machine.hstates, flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK)
        if h is None:
            return task.machine.kernel.refusal.blame(EINVAL, "flags", "no huge pages of that size")
        length = huge_page_align(length, h.size)
        file = hugetlb_file_setup(h, length)
        result = mmap_huge_pages(task, file, addr, length, prot, flags, offset >> PAGE_SHIFT)
        task.machine.seam.fput(file)
        return result
    return vm_mmap_pgoff(task, file, addr, length, prot, flags, offset >> PAGE_SHIFT)


def mmap_huge_pages(
    task: Task, file: File, addr: int, length: int, prot: int, flags: int, pgoff: int
) -> int:
    """Map a file of huge pages; those that it replaces keep their part of the pool meanwhile.

    The last reference to a file is dropped as a call returns (`____fput`), so what the file has
    reserved is not there for the mapping that takes its place.
    """
    mm, seam = task.mm, task.machine.seam
    replaced: list[File] = []
    if mm is not None and flags & MAP_FIXED != 0 and addr + length <= mm.task_size:
        replaced = hugetlb_files(mm, addr, addr + length)
    for old in replaced:
        seam.get_file(old)
    result = vm_mmap_pgoff(task, file, addr, length, prot, flags, pgoff)
    for old in replaced:
        seam.fput(old)
    return result


def huge_page_align(length: int, size: int) -> int:
    """Round a length in bytes up to huge pages of `size` bytes, as C's unsigned long does."""
    return (length + size - 1) & ULONG_MAX & ~(size - 1)


def vm_mmap_pgoff(
    task: Task, file: File | None, addr: int, length: int, prot: int, flags: int, pgoff: int
) -> int:
    """Map, then populate what the flags ask for: the address or a negative errno."""
    mm = task.mm
    if mm is None:
        return -ENOMEM
    result = do_mmap(mm, file, addr, length, prot, flags, 0, pgoff, None)
    if result >= 0 and populates(mm, flags):
        mm_populate(mm, result, page_align_ulong(length))
    return result


def vm_mmap(
    task: Task, file: File | None, addr: int, length: int, prot: int, flags: int, offset: int
) -> int:
    """mmap for the kernel's own use: the address or a negative errno; `offset` in bytes.

    Errors: EINVAL (offset not page aligned, or beyond any file), and those of `vm_mmap_pgoff`.
    """
    if offset + page_align_ulong(length) > ULONG_MAX or offset & ~PAGE_MASK != 0:
        return -EINVAL
    return vm_mmap_pgoff(task, file, addr, length, prot, flags, offset >> PAGE_SHIFT)


def populates(mm: Mm, flags: int) -> bool:
    """Tell whether a new mapping is faulted in at once: MAP_POPULATE, or locked pages."""
    if flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE:
        return True
    return flags & MAP_LOCKED != 0 or mm.def_flags & VM_LOCKED != 0


def do_mmap(
    mm: Mm,
    file: File | None,
    addr: int,
    length: int,
    prot: int,
    flags: int,
    vm_flags: int,
    pgoff: int,
    uf: list[object] | None,
) -> i64:
    """Check the request, choose its address and map it: the address or a negative errno.

    `length` in bytes, `pgoff` in pages, both unsigned 64-bit.  Errors: EINVAL (length 0, MAP_FIXED
    address not aligned, bad type or combination), ENOMEM (length wraps, vm.max_map_count, no place,
    limits), EOVERFLOW (beyond the largest file), EEXIST (MAP_FIXED_NOREPLACE), EPERM (MAP_LOCKED
    without the right, seals, noexec), EAGAIN (RLIMIT_MEMLOCK), EACCES (the file's mode), ENODEV
    (the file cannot be mapped), EOPNOTSUPP (MAP_SHARED_VALIDATE with unknown flags).
    Kernel: do_mmap().
    """
    if length == 0:
        return mm.refusal.blame(EINVAL, "length", "must not be 0")
    owner = mm.owner
    if prot & PROT_READ != 0 and owner is not None and owner.personality & READ_IMPLIES_EXEC != 0:
        if file is None or not file.noexec:
            prot |= PROT_EXEC
    if flags & MAP_FIXED_NOREPLACE != 0:
        flags |= MAP_FIXED
    if flags & MAP_FIXED == 0:
        addr = round_hint_to_min(addr, mm.config.mmap_min_addr)
    length = page_align_ulong(length)
    if length == 0:
        return mm.refuse(ENOMEM, REFUSED_LENGTH, 0, 0)
    if exceeds_ulong(pgoff + (length >> PAGE_SHIFT)):
        return mm.refusal.blame(
            EOVERFLOW, "offset", "offset and length reach beyond the largest file"
        )
    allowed: i64 = mm.config.max_map_count
    if mm.map_count > allowed:
        return mm.refuse(ENOMEM, REFUSED_MAP_COUNT, mm.map_count, allowed)
    pkey = execute_only_pkey(mm) if prot == PROT_EXEC else 0
    vm_flags |= calc_vm_prot_bits(prot, pkey) | calc_vm_flag_bits(mm, flags) | mm.def_flags
    vm_flags |= VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
    if length > mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, min(length, MAX_LFS_FILESIZE), mm.task_size)
    # From here on every value but the page offset is below 2^57.
    place = get_unmapped_area_ulong(mm, file, addr, length, pgoff, flags, vm_flags)
    if place < 0:
        return place
    if flags & MAP_FIXED_NOREPLACE != 0:
        taken = find_vma_intersection(mm, place, place + length)
        if taken is not None:
            return mm.refuse_at(EEXIST, REFUSED_OCCUPIED, taken.vm_start)
    if flags & MAP_LOCKED != 0 and owner is not None and not can_do_mlock(owner):
        return mm.refuse(EPERM, REFUSED_MEMLOCK, 1, 0)
    if not mlock_future_ok(mm, vm_flags, length):
        return -EAGAIN
    if file is not None:
        flagged = file_vm_flags(mm, file, prot, flags, vm_flags, length, pgoff)
    else:
        flagged = anonymous_vm_flags(mm, flags, vm_flags)
        pgoff = 0
        if flags & MAP_TYPE != MAP_SHARED:
            pgoff = place >> PAGE_SHIFT
    if flagged < 0:
        return flagged
    if flags & MAP_NORESERVE != 0:
        hugetlb = file is not None and file.f_op.is_hugetlb
        if mm.config.overcommit_memory != OVERCOMMIT_NEVER or hugetlb:
            flagged |= VM_NORESERVE
    return mmap_region(mm, file, place, length, flagged, pgoff, uf)


def round_hint_to_min(hint: int, mmap_min_addr: int) -> int:
    """Return a hint rounded down to its page, and up to the lowest address that may be mapped."""
    hint &= PAGE_MASK
    return (mmap_min_addr + PAGE_SIZE - 1) & PAGE_MASK if 0 < hint < mmap_min_addr else hint


def get_unmapped_area_ulong(
    mm: Mm, file: File | None, addr: int, length: int, pgoff: int, flags: int, vm_flags: int
) -> i64:
    """`get_unmapped_area` for an address that may not fit the engine's integers."""
    if file is not None and file.f_op.is_hugetlb:
        size: int = huge_page_size(file)
        if (length | (addr if flags & MAP_FIXED != 0 else 0)) & (size - 1) != 0:
            return mm.refusal.blame(
                EINVAL, "length", "length and fixed address must be multiples of the huge page size"
            )
        # A hint that wraps around is none.
        addr = (addr + size - 1) & ULONG_MAX & ~(size - 1)
    task_size: int = mm.task_size
    if addr > task_size:
        if flags & MAP_FIXED != 0:
            # An address that looks like an errno is taken for one.
            if addr > ULONG_MAX - MAX_ERRNO:
                errno: i64 = ULONG_MAX + 1 - addr
                return mm.refusal.blame(errno, "addr", "beyond the end of the address space")
            return mm.refuse(ENOMEM, REFUSED_RANGE, MAX_LFS_FILESIZE, mm.task_size)
        # Any hint beyond the end is as good as another: it is ignored, but for widening the window.
        addr = mm.task_size
    if pgoff > MAX_LFS_FILESIZE >> PAGE_SHIFT:
        pgoff &= MAX_LFS_FILESIZE >> PAGE_SHIFT
    if flags >> 62 != 0:
        # Bit 63 means nothing to a search.
        flags &= LONG_MAX
    return get_unmapped_area(mm, file, addr, length, pgoff, flags, vm_flags)


def calc_vm_prot_bits(prot: int, pkey: int) -> int:
    """VM_* flags for PROT_* bits and a protection key (`calc_vm_prot_bits`)."""
    return prot & (PROT_READ | PROT_WRITE | PROT_EXEC) | pkey << VM_PKEY_SHIFT


def calc_vm_flag_bits(mm: Mm, flags: int) -> int:
    """VM_* flags for MAP_* flags (`calc_vm_flag_bits`)."""
    vm_flags = 0
    if flags & MAP_GROWSDOWN != 0:
        vm_flags |= VM_GROWSDOWN
    if flags & MAP_LOCKED != 0:
        vm_flags |= VM_LOCKED
    if flags & MAP_DENYWRITE != 0 and mm.features.exec_denies_writing:
        vm_flags |= VM_DENYWRITE
    if flags & MAP_SYNC != 0:
        vm_flags |= VM_SYNC
    if flags & MAP_STACK != 0 and mm.config.transparent_hugepage:
        vm_flags |= VM_NOHUGEPAGE if mm.features.map_stack_sets_nohugepage else 0
    return vm_flags


def can_do_mlock(task: Task) -> bool:
    """Tell whether a task may lock any memory at all."""
    return task.signal.rlim_cur[RLIMIT_MEMLOCK] != 0 or task.capable(CAP_IPC_LOCK)


def file_mmap_pages_max(file: File) -> i64:
    """Return how many whole pages a file can have: devices, pipes and folders have no end.

    Kernel: file_mmap_size_max(), in bytes.
    """
    if file.inode.kind == I_REG or file.path.startswith(SOCKETS):
        return MAX_LFS_FILESIZE >> PAGE_SHIFT
    return ULONG_MAX >> PAGE_SHIFT


def file_vm_flags(
    mm: Mm,
    file: File,
    prot: int,
    flags: int,
    vm_flags: int,
    length: i64,
    pgoff: int,
) -> i64:
    """Return the VM_* flags of a file's mapping, or the errno with which it is refused."""
    # remap_file_pages takes any offset, of 64 bits.
    last: int = file_mmap_pages_max(file) - (length >> PAGE_SHIFT)
    if pgoff > last:
        return mm.refusal.blame(
            EOVERFLOW, "offset", "offset and length reach beyond the largest file"
        )
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED:
        flags &= LEGACY_MAP_MASK
    if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
        allowed = LEGACY_MAP_MASK | (MAP_SYNC if file.f_op.supports_sync else 0)
        # MAP_SHARED_VALIDATE is MAP_SHARED and MAP_PRIVATE together, so its own bits pass.
        if flags & ~allowed != 0:
            return mm.refusal.blame(
                EOPNOTSUPP,
                "flags",
                "MAP_SHARED_VALIDATE with a flag that the file does not support",
            )
        if prot & PROT_WRITE != 0 and file.f_mode & FMODE_WRITE == 0:
            return mm.refusal.blame(
                EACCES, "fd", "not open for writing, as MAP_SHARED with PROT_WRITE needs"
            )
        if file.inode.append and file.f_mode & FMODE_WRITE != 0:
            return mm.refusal.blame(
                EACCES, "fd", "an append-only file, which cannot be mapped shared"
            )
        vm_flags |= VM_SHARED | VM_MAYSHARE
        if file.f_mode & FMODE_WRITE == 0:
            vm_flags &= ~(VM_MAYWRITE | VM_SHARED)
    elif kind != MAP_PRIVATE:
        return mm.refusal.blame(EINVAL, "flags", "neither MAP_SHARED nor MAP_PRIVATE")
    if file.f_mode & FMODE_READ == 0:
        return mm.refusal.blame(EACCES, "fd", "not open for reading, as every mapping needs")
    if file.noexec:
        if vm_flags & VM_EXEC != 0:
            return mm.refusal.blame(
                EPERM, "prot", "PROT_EXEC of a file on a file system mounted noexec"
            )
        vm_flags &= ~VM_MAYEXEC
    if not file.f_op.can_mmap:
        return mm.refusal.blame(ENODEV, "fd", "a file that cannot be mapped")
    if vm_flags & VM_GROWSDOWN != 0:
        return mm.refusal.blame(EINVAL, "flags", "MAP_GROWSDOWN needs private anonymous memory")
    return memfd_check_seals_mmap(mm, file, vm_flags)


def anonymous_vm_flags(mm: Mm, flags: int, vm_flags: int) -> i64:
    """Return the VM_* flags of an anonymous mapping, or the errno with which it is refused."""
    kind = flags & MAP_TYPE
    grows = vm_flags & VM_GROWSDOWN != 0
    if kind == MAP_PRIVATE:
        return vm_flags
    if kind == MAP_SHARED:
        if grows:
            return mm.refusal.blame(EINVAL, "flags", "MAP_GROWSDOWN needs private anonymous memory")
        return vm_flags | VM_SHARED | VM_MAYSHARE
    if kind == MAP_DROPPABLE and mm.features.map_droppable:
        if flags & (MAP_LOCKED | MAP_HUGETLB) != 0 or grows:
            return mm.refusal.blame(
                EINVAL, "flags", "MAP_DROPPABLE with MAP_LOCKED, MAP_HUGETLB or MAP_GROWSDOWN"
            )
        return vm_flags | VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP
    return mm.refusal.blame(EINVAL, "flags", "neither MAP_SHARED nor MAP_PRIVATE")


def ksys_munmap(task: Task, addr: int, length: int) -> int:
    """munmap(2): 0 or a negative errno, see `do_vmi_munmap`."""
    mm = task.mm
    if mm is None:
        return -EINVAL
    if addr > mm.task_size:
        return mm.refusal.blame(EINVAL, "addr", "beyond the end of the address space")
    if length > mm.task_size:
        return mm.refusal.blame(EINVAL, "length", "longer than the address space")
    return do_munmap(mm, addr, length, None)


def ksys_remap_file_pages(
    task: Task, start: int, size: int, prot: int, pgoff: int, flags: int
) -> int:
    """remap_file_pages(2), emulated by a new mapping: 0 or a negative errno.

    Errors: EINVAL (prot not 0, wrap-around, not one run of alike VMAs of one shared file), and
    those of `do_mmap`.  Kernel: remap_file_pages().
    """
    mm = task.mm
    start &= PAGE_MASK
    size &= PAGE_MASK
    if mm is None:
        return -EINVAL
    if prot != 0:
        return mm.refusal.blame(EINVAL, "prot", "must be 0")
    if start + size > ULONG_MAX:
        return mm.refusal.blame(
            EINVAL, "size", "address and size wrap around the end of the address space"
        )
    if size == 0:
        return mm.refusal.blame(EINVAL, "size", "less than a page")
    if pgoff + (size >> PAGE_SHIFT) > ULONG_MAX:
        return mm.refusal.blame(EINVAL, "pgoff", "page offset and size wrap around")
    if start >= mm.task_size:
        return mm.refusal.blame(EINVAL, "addr", "beyond the end of the address space")
    vma = vma_lookup(mm, start)
    end = start + size
    # Past the address space there is no VMA, and such an end may be no i64.
    reached = vma is not None and end <= mm.task_size and alike_to(mm, vma, end)
    if vma is None or vma.vm_flags & VM_SHARED == 0 or not reached:
        return mm.refusal.blame(EINVAL, "addr", "not within one run of shared mappings of one file")
    prot = vma.vm_flags & (VM_READ | VM_WRITE | VM_EXEC)
    flags = flags & MAP_NONBLOCK | MAP_SHARED | MAP_FIXED | MAP_POPULATE
    if vma.vm_flags & VM_LOCKED != 0:
        flags |= MAP_LOCKED
    file = vma.vm_file
    if file is None:
        return mm.refusal.blame(EINVAL, "addr", "not a mapping of a file")
    mm.seam.get_file(file)
    result = do_mmap(mm, file, start, size, prot, flags, 0, pgoff, None)
    mm.seam.fput(file)
    if result < 0:
        mm.refusal.rename("fd", "addr")
        mm.refusal.rename("length", "size")
        mm.refusal.rename("offset", "pgoff")
        return result
    if populates(mm, flags):
        mm_populate(mm, result, size)
    return 0


def alike_to(mm: Mm, vma: Vma, end: int) -> bool:
    """Tell whether VMAs without a hole, of one file and with the same flags, reach up to `end`."""
    last = vma
    while last.vm_end < end:
        following = vma_lookup(mm, last.vm_end)
        if following is None or following.vm_file is not vma.vm_file:
            return False
        if following.vm_flags != vma.vm_flags:
            return False
        last = following
    return True
