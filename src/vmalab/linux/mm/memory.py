# SPDX-License-Identifier: GPL-2.0-or-later
"""Page tables and faults, as far as VMAs depend on them.

What is kept of a page is its kind, by ranges: that decides which later calls fault, whether a VMA
has an anon_vma, and where guard markers stand.  No page has contents.
"""

from __future__ import annotations

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import (
    VM_HUGEPAGE,
    VM_MAYBE_GUARD,
    VM_MIXEDMAP,
    VM_NOHUGEPAGE,
    VM_PFNMAP,
    VM_SHARED,
    VM_UFFD_MINOR,
    VM_UFFD_MISSING,
    VM_UFFD_RWP,
    VM_UFFD_WP,
)
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE, PMD_SIZE
from vmalab.linux.include.uapi.errno import EFAULT, EHWPOISON
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_RWP_ASYNC,
    UFFD_FEATURE_SIGBUS,
    UFFD_FEATURE_WP_ASYNC,
)
from vmalab.linux.mm.filemap import (
    FAULT_AROUND_BYTES,
    cached_ranges,
    fault_around_window,
    filemap_fault,
    first_cached,
    first_uncached,
)
from vmalab.linux.mm.hugetlb import hugetlb_fault, is_vm_hugetlb_page
from vmalab.linux.mm.page_tables import (
    PTE_ANON,
    PTE_FILE,
    PTE_GUARD,
    PTE_POISON,
    PTE_ZERO,
    PageTables,
)
from vmalab.linux.mm.shmem import vma_is_shmem
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Mm, Vma, linear_page_index, vma_pages


def thp_fault_suitable(vma: Vma, addr: i64) -> bool:
    """Tell whether a fault at `addr` tries a huge page: they are on, and 2 MiB fit in the VMA."""
    config = vma.vm_mm.config
    if vma.vm_flags & VM_NOHUGEPAGE != 0 or vma.vm_mm.thp_disable:
        return False
    if config.thp_enabled == "never":
        return False
    if config.thp_enabled == "madvise" and vma.vm_flags & VM_HUGEPAGE == 0:
        return False
    start = addr & -PMD_SIZE
    return start >= vma.vm_start and start + PMD_SIZE <= vma.vm_end


def fault_range(vma: Vma, start: i64, end: i64, write: bool) -> i64:
    """Touch every page of `[start, end)` of one VMA: 0 or -errno, pages before the error stay.

    Errors: EFAULT (a guard marker, beyond the end of the file, userfaultfd's SIGBUS), ENOMEM,
    EHWPOISON (a page that a userfaultfd has declared lost).
    Kernel: handle_mm_fault() for each page.
    """
    if is_vm_hugetlb_page(vma):
        return hugetlb_fault(vma, start, end, write)
    marks = vma.vm_mm.page_tables.uffd
    if vma.vm_flags & (VM_UFFD_WP | VM_UFFD_RWP) == 0:
        if marks.empty():
            return fault_pages(vma, start, end, write)
        return fault_left_marks(vma, start, end, write)
    if vma.vm_flags & VM_UFFD_RWP == 0 and not write:
        return fault_pages(vma, start, end, write)
    if uffd_resolves(vma):
        return fault_resolving(vma, start, end, write)
    protected = marks.first_closed(start, end)
    error = fault_pages(vma, start, protected, write)
    if error != 0 or protected == end:
        return error
    # A page that is not there comes first, and has the bit of the marker in its place.
    if len(vma.vm_mm.page_tables.ranges(protected, protected + PAGE_SIZE)) == 0:
        error = fault_pages(vma, protected, protected + PAGE_SIZE, write)
    return error if error != 0 else -EFAULT


def fault_left_marks(vma: Vma, start: i64, end: i64, write: bool) -> i64:
    """`fault_range` where protected pages are registered for that no more: 0 or -errno.

    A marker is dropped as soon as a fault comes to it.  A page that can be written where it is
    becomes writable and keeps the bit; the copy of another has none.
    """
    marks = vma.vm_mm.page_tables.uffd
    position = start
    for first, last in marks.ranges(start, end):
        error = fault_pages(vma, position, first, write) if position < first else 0
        if error != 0:
            return error
        here = vma.vm_mm.page_tables.ranges(first, last)
        error = fault_pages(vma, first, last, write)
        if error == 0:
            settle_marks(vma, first, last, here, write)
        else:
            # Page by page, to see how far it came.
            at: i64 = first
            while fault_pages(vma, at, at + PAGE_SIZE, write) == 0:
                at += PAGE_SIZE
            settle_marks(vma, first, at, here, write)
            settle_marks(vma, at, at + PAGE_SIZE, here, False)
            return error
        position = last
    return fault_pages(vma, position, end, write) if position < end else 0


def settle_marks(
    vma: Vma, start: i64, end: i64, pages: list[tuple[int, int, int]], write: bool
) -> None:
    """What becomes of marks in `[start, end)` at faults. pages: those that were there before."""
    marks = vma.vm_mm.page_tables.uffd
    shared = vma.vm_flags & VM_SHARED != 0
    position = start
    for first, last, kind in pages:
        if last <= start or first >= end:
            continue
        low, high = max(first, start), min(last, end)
        marks.clear(position, low)
        if write and (shared or kind == PTE_ANON):
            marks.open(low, high)
        elif write:
            marks.clear(low, high)
        position = high
    marks.clear(position, end)


def fault_resolving(vma: Vma, start: i64, end: i64, write: bool) -> i64:
    """`fault_range` where pages that are touched are protected no more: 0 or -errno."""
    marks = vma.vm_mm.page_tables.uffd
    error = fault_pages(vma, start, end, write)
    if error == 0:
        marks.clear(start, end)
        return 0
    # Page by page, to see how far it came.
    position = marks.first(start, end)
    while position < end and fault_pages(vma, start, position + PAGE_SIZE, write) == 0:
        marks.clear(position, position + PAGE_SIZE)
        position = marks.first(position, end)
    return error


def uffd_resolves(vma: Vma) -> bool:
    """Tell whether faults at protected pages of a VMA are resolved, by themselves or a monitor."""
    ctx = vma.vm_userfaultfd_ctx
    if ctx is None:
        return False
    if ctx.features & UFFD_FEATURE_SIGBUS == 0:
        return True
    rwp = vma.vm_flags & VM_UFFD_RWP != 0
    return ctx.features & (UFFD_FEATURE_RWP_ASYNC if rwp else UFFD_FEATURE_WP_ASYNC) != 0


def fault_pages(vma: Vma, start: i64, end: i64, write: bool) -> i64:
    """`fault_range` where no page is protected by a userfaultfd."""
    error: i64 = 0
    limit = file_limit(vma)
    if limit < end:
        end, error = max(limit, start), -EFAULT
    tables = vma.vm_mm.page_tables
    position = start
    for first, last, kind in tables.ranges(start, end):
        if first > position:
            err = fault_missing(vma, position, first, write)
            if err != 0:
                return err
        if kind == PTE_GUARD:
            return -EFAULT
        if kind == PTE_POISON:
            return -EHWPOISON
        if write and kind != PTE_ANON and vma.vm_flags & VM_SHARED == 0:
            err = anon_vma_prepare(vma)
            if err != 0:
                return err
            tables.set(first, last, PTE_ANON)
        elif write:
            tables.forked.clear(first, last)
        position = last
    if position < end:
        err = fault_missing(vma, position, end, write)
        if err != 0:
            return err
    if error != 0 and write and vma.vm_flags & VM_SHARED == 0:
        # A copy of the page beyond the end is prepared before the file has none.
        err = anon_vma_prepare(vma)
        if err != 0:
            return err
    return error


def fault_missing(vma: Vma, start: i64, end: i64, write: bool) -> i64:
    """Fault in `[start, end)`, none of whose pages is there: 0 or -errno."""
    ops = vma.vm_ops
    if ops is not None and not ops.has_fault:
        return -EFAULT
    tables = vma.vm_mm.page_tables
    private = vma.vm_flags & VM_SHARED == 0
    if private and (write or (vma.vm_ops is None and reads_prepare_anon_vma(vma, start, end))):
        err = anon_vma_prepare(vma)
        if err != 0:
            return err
    handed_over: i64 = 0
    if vma.vm_flags & (VM_UFFD_MISSING | VM_UFFD_MINOR) != 0:
        # Only now that the anon_vma is made; who would wait for the monitor gets a signal instead.
        first = first_handed_over(vma, start, end)
        if first < end:
            end, handed_over = first, -EFAULT
    if not write and vma_is_shmem(vma):
        fault_around(vma, start, end if handed_over == 0 else end + PAGE_SIZE)
    if start == end:
        return handed_over
    if vma.vm_file is not None:
        filemap_fault(vma, start, end, write)
    if vma.vm_ops is None:
        tables.exact = tables.exact and not reads_prepare_anon_vma(vma, start, end)
    elif not write:
        tables.exact = False
    if private and write:
        tables.set(start, end, PTE_ANON)
    else:
        tables.set(start, end, PTE_ZERO if vma.vm_ops is None else PTE_FILE)
    return handed_over


def fault_around(vma: Vma, start: i64, end: i64) -> None:
    """Map the pages that shared memory has already near those of `[start, end)`, which is read.

    Each fault looks around itself; in between that is within the range, so the first and the last
    64 KiB are enough, and the last only if a page of it has not come with the first.
    """
    if vma.vm_flags & (VM_UFFD_WP | VM_UFFD_RWP | VM_UFFD_MINOR) != 0:
        return
    second = (start & -FAULT_AROUND_BYTES) + FAULT_AROUND_BYTES
    look_around(vma, start, min(end, second))
    if second < end:
        look_around(vma, (end - 1) & -FAULT_AROUND_BYTES, end)


def look_around(vma: Vma, start: i64, end: i64) -> None:
    """Carry out the fault of the first page of `[start, end)` that is not mapped, if any."""
    tables = vma.vm_mm.page_tables
    missing = start
    for first, last, _ in tables.ranges(start, end):
        if missing < first:
            break
        missing = last
    if missing >= end:
        return
    low, high = fault_around_window(vma, missing)
    for first, last in cached_ranges(vma, low, high):
        position: i64 = first
        for mapped, upto, _ in tables.ranges(first, last):
            map_unmarked(tables, position, mapped)
            position = upto
        map_unmarked(tables, position, last)


def map_unmarked(tables: PageTables, start: i64, end: i64) -> None:
    """Map pages of a file in `[start, end)`, where none are, but where markers are."""
    position = start
    for first, last in tables.uffd.ranges(start, end):
        if position < first:
            tables.set(position, first, PTE_FILE)
        position = last
    if position < end:
        tables.set(position, end, PTE_FILE)


def first_handed_over(vma: Vma, start: i64, end: i64) -> i64:
    """Return the first address in `[start, end)` whose fault a userfaultfd takes, or `end`.

    Of shmem a page that the file has is not missing, whoever brought it: that fault is minor.
    """
    flags = vma.vm_flags
    file = vma.vm_file
    if not vma_is_shmem(vma) or file is None:
        return start if flags & VM_UFFD_MISSING != 0 else end
    mapping = file.inode.i_mapping
    first, last = linear_page_index(vma, start), linear_page_index(vma, end) - 1
    found = last + 1
    if flags & VM_UFFD_MISSING != 0:
        found = first_uncached(mapping, first, last)
    if flags & VM_UFFD_MINOR != 0:
        found = min(found, first_cached(mapping, first, last))
    return start + ((found - first) << PAGE_SHIFT)


def reads_prepare_anon_vma(vma: Vma, start: i64, end: i64) -> bool:
    """Tell whether a mere read in the range prepares an anon_vma, as the huge-page path does.

    Where the lowest 2 MiB that a fault can be in do not fit into the VMA, no others do.
    """
    first = max(start, (vma.vm_start + PMD_SIZE - 1) & -PMD_SIZE) & -PMD_SIZE
    return first < end and thp_fault_suitable(vma, first)


def file_limit(vma: Vma) -> i64:
    """The address at which a VMA's file ends, or the VMA's end when the file has no known one."""
    file: File | None = vma.vm_file
    if file is None or vma.vm_ops is None or file.inode.size < 0:
        return vma.vm_end
    pages = (file.inode.size + PAGE_SIZE - 1) >> PAGE_SHIFT
    if pages <= vma.vm_pgoff:
        return vma.vm_start
    # Pages are compared, not addresses: a file may end beyond all of them.
    if pages - vma.vm_pgoff >= vma_pages(vma):
        return vma.vm_end
    return vma.vm_start + ((pages - vma.vm_pgoff) << PAGE_SHIFT)


def vma_needs_copy(dst_vma: Vma, src_vma: Vma) -> bool:
    """Tell whether a child gets a VMA's pages at once: faults could not find all of them again."""
    if dst_vma.vm_flags & (VM_UFFD_WP | VM_UFFD_RWP) != 0:
        return True
    if src_vma.vm_flags & (VM_PFNMAP | VM_MIXEDMAP | VM_MAYBE_GUARD) != 0:
        return True
    return src_vma.anon_vma is not None


def copy_page_range(dst: Mm, dst_vma: Vma, src_vma: Vma) -> None:
    """Copy a VMA's pages, guard markers and tables at fork, where they are needed."""
    if not vma_needs_copy(dst_vma, src_vma):
        return
    src, tables = src_vma.vm_mm.page_tables, dst.page_tables
    for first, last, kind in src.ranges(src_vma.vm_start, src_vma.vm_end):
        tables.set(first, last, kind)
        if kind == PTE_ANON:
            src.shared = tables.shared = True
            src.forked.set(first, last)
            tables.forked.set(first, last)
            src.uffd.close(first, last)
    if dst_vma.vm_flags & (VM_UFFD_WP | VM_UFFD_RWP) != 0:
        tables.uffd.copy(src.uffd, src_vma.vm_start, src_vma.vm_end)
    tables.tables.copy(src.tables, src_vma.vm_start, src_vma.vm_end)
