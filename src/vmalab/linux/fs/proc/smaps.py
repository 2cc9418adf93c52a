# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc/PID/smaps says of a VMA's pages, and where that cannot be known.

Mirrors the page-walking part of fs/proc/task_mmu.c (v6.18).  A model has no page cache, so
these are unknown, and shown as "?": what else maps a file's pages, whether they are dirty or were
used, and how many of them a read brought in besides the one that it asked for; the pages of a
process whose accesses nobody told; what sharing with a fork's other side comes to; where huge pages
may have been used; and what became of pages that were advised to be cold or free.  Nothing is ever
swapped out.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.proc.task_mmu import (
    VSYSCALL_LETTERS,
    VSYSCALL_LINE,
    mm_vmas,
    show_map_vma,
    vma_pkey_shown,
)
from vmalab.linux.include.mm_flags import (
    VM_HUGEPAGE,
    VM_HUGETLB,
    VM_LOCKED,
    VM_MERGEABLE,
    VM_NOHUGEPAGE,
    VM_PFNMAP,
)
from vmalab.linux.include.page import PAGE_SIZE, PMD_SIZE, SZ_4G
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.mm.hugetlb import huge_page_size
from vmalab.linux.mm.memory import file_limit, thp_fault_suitable
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_FILE
from vmalab.linux.types.mm_types import Mm, Vma

# What stands for a number that nobody can know here.
UNKNOWN: Final = -1


@final
@mypyc_attr(native_class=True)
class MemSizeStats:
    """struct mem_size_stats: bytes of each kind, or UNKNOWN."""

    def __init__(self) -> None:
        self.resident: i64 = 0
        self.shared_clean: i64 = 0
        self.shared_dirty: i64 = 0
        self.private_clean: i64 = 0
        self.private_dirty: i64 = 0
        self.referenced: i64 = 0
        self.anonymous: i64 = 0
        self.lazyfree: i64 = 0
        self.anonymous_thp: i64 = 0
        self.shmem_thp: i64 = 0
        self.file_thp: i64 = 0
        self.swap: i64 = 0
        self.shared_hugetlb: i64 = 0
        self.private_hugetlb: i64 = 0
        self.ksm: i64 = 0
        self.pss: i64 = 0
        self.pss_dirty: i64 = 0
        self.pss_locked: i64 = 0
        self.swap_pss: i64 = 0

    def forget_use(self) -> None:
        """Nobody knows who else has the pages, or what was done with them."""
        self.shared_clean, self.shared_dirty = UNKNOWN, UNKNOWN
        self.private_clean, self.private_dirty = UNKNOWN, UNKNOWN
        self.pss, self.pss_dirty, self.pss_locked = UNKNOWN, UNKNOWN, UNKNOWN

    def forget_pages(self) -> None:
        """Nobody knows which pages there are, beyond what the VMA can have at all."""
        self.forget_use()
        self.resident, self.referenced, self.anonymous = UNKNOWN, UNKNOWN, UNKNOWN
        self.lazyfree, self.ksm = UNKNOWN, UNKNOWN
        self.anonymous_thp, self.shmem_thp, self.file_thp = UNKNOWN, UNKNOWN, UNKNOWN


def holds_huge_page(vma: Vma) -> bool:
    """Tell whether a whole aligned huge page fits into a VMA."""
    return ((vma.vm_start + PMD_SIZE - 1) & -PMD_SIZE) + PMD_SIZE <= vma.vm_end


def smap_gather_stats(vma: Vma) -> MemSizeStats:
    """Return the numbers of one VMA.  Kernel: smap_gather_stats()."""
    mss = MemSizeStats()
    if vma.vm_flags & VM_HUGETLB != 0:
        mss.shared_hugetlb, mss.private_hugetlb = UNKNOWN, UNKNOWN
        return mss
    if vma.vm_flags & VM_PFNMAP != 0:
        # Such pages belong to nobody.
        return mss
    tables = vma.vm_mm.page_tables
    if not tables.complete:
        mss.forget_pages()
        forget_impossible(vma, mss)
        return mss
    anon: i64 = 0
    cached: i64 = 0
    huge = False
    for first, last, kind in tables.ranges(vma.vm_start, vma.vm_end):
        if kind == PTE_ANON:
            anon += last - first
            huge = huge or may_be_huge(vma, first, last)
        elif kind == PTE_FILE:
            cached += last - first
    if anon + cached == 0:
        return mss
    known = file_pages_known(vma, anon, cached)
    if tables.aged or huge or not known:
        mss.forget_pages()
        forget_impossible(vma, mss)
        if not tables.aged and not huge:
            mss.anonymous = anon
        return mss
    account_known(vma, mss, anon, cached)
    return mss


def may_be_huge(vma: Vma, start: i64, end: i64) -> bool:
    """Tell whether a fault in `[start, end)` may have brought a huge page."""
    if vma.vm_ops is not None or not holds_huge_page(vma):
        return False
    addr = start & -PMD_SIZE
    while addr < end:
        if thp_fault_suitable(vma, addr):
            return True
        addr += PMD_SIZE
    return False


def file_pages_known(vma: Vma, anon: i64, cached: i64) -> bool:
    """Tell whether the file's pages here are just those that were asked for.

    Reading one brings its neighbours, as far as they are cached; but not more than all there are.
    Pages that were put there when the VMA was made have no neighbours.
    """
    ops = vma.vm_ops
    if cached == 0 or ops is None or not ops.has_fault or ops.label != "":
        return True
    return anon + cached == file_limit(vma) - vma.vm_start


def forget_impossible(vma: Vma, mss: MemSizeStats) -> None:
    """Take back what is unknown of pages but cannot be other than 0."""
    if not holds_huge_page(vma):
        mss.anonymous_thp, mss.shmem_thp, mss.file_thp = 0, 0, 0
    elif vma.vm_file is None:
        mss.shmem_thp, mss.file_thp = 0, 0
    elif vma.vm_file.f_op.is_shmem:
        mss.file_thp = 0
    else:
        mss.shmem_thp = 0
    if vma.vm_flags & VM_MERGEABLE == 0:
        mss.ksm = 0
    if vma.vm_flags & VM_LOCKED == 0:
        mss.pss_locked = 0
    if not vma.vm_mm.page_tables.aged:
        mss.lazyfree = 0


def account_known(vma: Vma, mss: MemSizeStats, anon: i64, cached: i64) -> None:
    """The numbers of a VMA with so many bytes of anonymous and of file pages.

    An anonymous page that nobody shares was written to, by whom it belongs to.
    """
    mss.resident = anon + cached
    mss.anonymous = anon
    if cached != 0 or vma.vm_mm.page_tables.shared:
        mss.forget_use()
        mss.referenced = UNKNOWN
    else:
        mss.private_dirty, mss.referenced = anon, anon
        mss.pss, mss.pss_dirty = anon, anon
        if vma.vm_flags & VM_LOCKED != 0:
            mss.pss_locked = anon
    if vma.vm_flags & VM_LOCKED == 0:
        mss.pss_locked = 0
    if vma.vm_flags & VM_MERGEABLE != 0 and anon != 0:
        mss.ksm = UNKNOWN
    if cached != 0 and holds_huge_page(vma):
        mss.shmem_thp, mss.file_thp = UNKNOWN, UNKNOWN


def vma_kernel_pagesize(vma: Vma) -> i64:
    """Return the size of the pages that back a VMA, in bytes."""
    return huge_page_size(vma.vm_file) if vma.vm_flags & VM_HUGETLB != 0 else PAGE_SIZE


def thp_eligible(vma: Vma) -> int:
    """Return what smaps shows of huge pages: 1 when the VMA may get some, 0, or UNKNOWN.

    Shared memory may by the settings of its mount.  Files never do: no kernel supported here has
    CONFIG_READ_ONLY_THP_FOR_FS.  Kernel: thp_vma_allowable_orders().
    """
    mm, config = vma.vm_mm, vma.vm_mm.config
    if not config.transparent_hugepage or vma.vm_flags & VM_NOHUGEPAGE != 0 or mm.thp_disable:
        return 0
    advised = vma.vm_flags & VM_HUGEPAGE != 0
    if mm.thp_disable_except_advised and not advised:
        return 0
    if not holds_huge_page(vma):
        return 0
    file = vma.vm_file
    if vma.vm_ops is None:
        if config.thp_enabled == "always":
            return 1
        return 1 if config.thp_enabled == "madvise" and advised else 0
    if file is None or not file.f_op.is_shmem:
        return 0
    if config.shmem_enabled in ("never", "deny"):
        return 0
    return UNKNOWN


def kilobytes(value: i64) -> str:
    """Return a number of bytes as smaps shows it, without its unit."""
    return "?" if value == UNKNOWN else f"{value >> 10}"


def field(name: str, value: i64) -> str:
    """Return a line of smaps with a size."""
    return f"{name + ':':<16}{kilobytes(value):>8} kB"


def mss_lines(mss: MemSizeStats) -> list[str]:
    """Return the lines of the sizes of pages.  Kernel: __show_smap()."""
    return [
        field("Rss", mss.resident),
        field("Pss", mss.pss),
        field("Pss_Dirty", mss.pss_dirty),
        field("Shared_Clean", mss.shared_clean),
        field("Shared_Dirty", mss.shared_dirty),
        field("Private_Clean", mss.private_clean),
        field("Private_Dirty", mss.private_dirty),
        field("Referenced", mss.referenced),
        field("Anonymous", mss.anonymous),
        field("KSM", mss.ksm),
        field("LazyFree", mss.lazyfree),
        field("AnonHugePages", mss.anonymous_thp),
        field("ShmemPmdMapped", mss.shmem_thp),
        field("FilePmdMapped", mss.file_thp),
        field("Shared_Hugetlb", mss.shared_hugetlb),
        f"Private_Hugetlb: {kilobytes(mss.private_hugetlb):>7} kB",
        field("Swap", mss.swap),
        field("SwapPss", mss.swap_pss),
        field("Locked", mss.pss_locked),
    ]


def show_smap(vma: Vma) -> list[str]:
    """Return the lines of smaps for one VMA, each without its newline.  Kernel: show_smap()."""
    config = vma.vm_mm.config
    size = vma_kernel_pagesize(vma)
    eligible = thp_eligible(vma)
    lines = [
        show_map_vma(vma),
        field("Size", vma.vm_end - vma.vm_start),
        field("KernelPageSize", size),
        field("MMUPageSize", size),
        *mss_lines(smap_gather_stats(vma)),
        f"THPeligible:    {'?' if eligible == UNKNOWN else str(eligible):>8}",
    ]
    if config.pkeys:
        lines.append(f"ProtectionKey:  {vma_pkey_shown(vma):>8}")
    words = vm_flag_letters(vma.vm_flags, config.features.smaps_names_lockonfault)
    lines.append(vmflags_line(words))
    return lines


def vmflags_line(words: tuple[str, ...]) -> str:
    """Return the line of the flags, each word with a space behind it."""
    return "VmFlags: " + "".join([word + " " for word in words])


def vsyscall_lines(mm: Mm) -> list[str]:
    """Return the lines of smaps for the page of vsyscall, which is no VMA of the program."""
    lines = [
        VSYSCALL_LINE,
        field("Size", PAGE_SIZE),
        field("KernelPageSize", PAGE_SIZE),
        field("MMUPageSize", PAGE_SIZE),
        *mss_lines(MemSizeStats()),
        f"THPeligible:    {'0':>8}",
    ]
    if mm.config.pkeys:
        lines.append(f"ProtectionKey:  {'0':>8}")
    lines.append(vmflags_line(VSYSCALL_LETTERS))
    return lines


def smaps_lines(mm: Mm) -> list[str]:
    """Return the lines of /proc/PID/smaps, of a 64-bit process the vsyscall page's last."""
    lines: list[str] = []
    for vma in mm_vmas(mm):
        lines += show_smap(vma)
    if mm.task_size > SZ_4G:
        lines += vsyscall_lines(mm)
    return lines
