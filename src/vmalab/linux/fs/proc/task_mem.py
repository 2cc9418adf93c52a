# SPDX-License-Identifier: GPL-2.0-or-later
"""The Vm* and Rss* lines of /proc/PID/status, and which of them cannot be known.

Mirrors task_mem() of fs/proc/task_mmu.c (v6.18).
"""

from typing import final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.proc.smaps import UNKNOWN, smap_gather_stats
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import VM_HUGETLB
from vmalab.linux.include.page import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, ULONG_MAX
from vmalab.linux.types.mm_types import Mm


@final
@mypyc_attr(native_class=True)
class MmRss:
    """Resident pages by kind, or UNKNOWN."""

    def __init__(self) -> None:
        self.anon: i64 = 0
        self.file: i64 = 0
        self.shmem: i64 = 0
        self.hugetlb: i64 = 0

    def total(self) -> i64:
        """Return all but huge pages, which do not count."""
        if UNKNOWN in (self.anon, self.file, self.shmem):
            return UNKNOWN
        return self.anon + self.file + self.shmem


def mm_rss(mm: Mm) -> MmRss:
    """Count the resident pages of an address space (`get_mm_rss`)."""
    rss = MmRss()
    for vma in mm_vmas(mm):
        mss = smap_gather_stats(vma)
        if vma.vm_flags & VM_HUGETLB != 0:
            rss.hugetlb = UNKNOWN
        if mss.anonymous == UNKNOWN:
            rss.anon = UNKNOWN
        elif rss.anon != UNKNOWN:
            rss.anon += mss.anonymous >> PAGE_SHIFT
        file = vma.vm_file
        pages: i64 = UNKNOWN
        if mss.resident != UNKNOWN and mss.anonymous != UNKNOWN:
            pages = (mss.resident - mss.anonymous) >> PAGE_SHIFT
        elif file is None and vma.vm_ops is None:
            pages = 0
        if file is not None and file.f_op.is_shmem:
            rss.shmem = UNKNOWN if UNKNOWN in (pages, rss.shmem) else rss.shmem + pages
        else:
            rss.file = UNKNOWN if UNKNOWN in (pages, rss.file) else rss.file + pages
    return rss


def mm_status(mm: Mm) -> dict[str, int]:
    """Return the Vm* and Rss* lines of /proc/PID/status in their order, in kB.

    -1: cannot be known here.

    VmLck wraps as the kernel's unsigned counter does.  The pages are known of a process whose every
    access is (`PageTables.complete`), the most that it ever had only while none brought others.
    """
    # Unsigned: without any code the difference wraps.
    code = (
        int(((mm.end_code + PAGE_SIZE - 1) & PAGE_MASK) - (mm.start_code & PAGE_MASK)) & ULONG_MAX
    )
    text = min(code, int(mm.exec_vm << PAGE_SHIFT))
    tables = mm.page_tables
    rss = mm_rss(mm)
    known = tables.complete and not tables.aged
    hiwater = max(tables.hiwater_rss, tables.nr_rss()) if known and tables.exact else UNKNOWN
    return {
        "VmPeak": max(mm.total_vm, mm.hiwater_vm) << 2,
        "VmSize": mm.total_vm << 2,
        "VmLck": int(mm.locked_vm << 2) & ULONG_MAX,
        "VmPin": mm.pinned_vm << 2,
        "VmHWM": in_kb(hiwater),
        "VmRSS": in_kb(rss.total()),
        "RssAnon": in_kb(rss.anon),
        "RssFile": in_kb(rss.file),
        "RssShmem": in_kb(rss.shmem),
        "VmData": mm.data_vm << 2,
        "VmStk": mm.stack_vm << 2,
        "VmExe": text >> 10,
        "VmLib": (int(mm.exec_vm << PAGE_SHIFT) - text) >> 10,
        "VmPTE": tables.tables.nr_tables() << 2 if tables.complete else UNKNOWN,
        "VmSwap": 0 if known else UNKNOWN,
        "HugetlbPages": in_kb(rss.hugetlb),
    }


def in_kb(pages: i64) -> i64:
    """Return a number of pages in kB, when it is one."""
    return UNKNOWN if pages == UNKNOWN else pages << 2
