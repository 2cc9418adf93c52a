# SPDX-License-Identifier: GPL-2.0-or-later
"""What the monitor of a userfaultfd brings: copied pages, zero pages, a file's own, lost ones.

Mirrors the filling half of mm/userfaultfd.c (v7.3).
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.mm_flags import VM_HUGETLB, VM_SHARED, VM_UFFD_WP
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE, ULONG_MAX
from vmalab.linux.include.uapi.errno import (
    EAGAIN,
    EEXIST,
    EFAULT,
    EINVAL,
    ENOENT,
    ENOMEM,
    ENOSYS,
    ESRCH,
)
from vmalab.linux.include.uapi.userfaultfd import (
    UFFDIO_CONTINUE_MODE_DONTWAKE,
    UFFDIO_CONTINUE_MODE_WP,
    UFFDIO_COPY_MODE_DONTWAKE,
    UFFDIO_COPY_MODE_WP,
    UFFDIO_POISON_MODE_DONTWAKE,
    UFFDIO_ZEROPAGE_MODE_DONTWAKE,
)
from vmalab.linux.mm.filemap import filemap_fault, first_cached, first_uncached
from vmalab.linux.mm.hugetlb import huge_page_size, hugetlb_fault
from vmalab.linux.mm.memory import file_limit
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_FILE, PTE_GUARD, PTE_POISON, PTE_ZERO
from vmalab.linux.mm.shmem import vma_is_shmem
from vmalab.linux.mm.usercopy import user_range_ok
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.types.mm_types import Mm, Vma, linear_page_index, vma_is_anonymous
from vmalab.linux.types.vma_iterator import vma_lookup

# Why nothing can be done with a userfaultfd that is open still.
GONE: Final = "the process that it watches has ended"
# What a range is filled with.
FILL_COPY: Final = 0
FILL_ZERO: Final = 1
FILL_CONTINUE: Final = 2
FILL_POISON: Final = 3


def mfill_atomic(
    mm: Mm, start: i64, length: i64, what: int, source: FillSource | None, protect: bool
) -> i64:
    """Fill the pages of `[start, start + length)` that are missing: the bytes filled, or -errno.

    `source`: for FILL_COPY, what is copied.
    Errors: ENOENT (not one registered VMA), EINVAL (a kind of memory that cannot be filled, or is
    not registered for write protection), EEXIST (the first page is there, or no huge page is left),
    EFAULT (beyond the file's end, a source that cannot be read, no page of the file), ENOMEM.
    """
    if mm.mm_users == 0:
        return mm.refusal.blame(ESRCH, "fd", GONE)
    vma = vma_lookup(mm, start)
    if vma is None:
        return mm.refusal.blame(ENOENT, "range", "the range is not within one registered mapping")
    private = vma.vm_flags & VM_SHARED == 0
    first = mm.features.userfaultfd_prepares_first
    if first and private and anon_vma_prepare(vma) != 0:
        return -ENOMEM
    if vma.vm_end < start + length or vma.vm_userfaultfd_ctx is None:
        return mm.refusal.blame(ENOENT, "range", "the range is not within one registered mapping")
    if protect and vma.vm_flags & VM_UFFD_WP == 0:
        return mm.refusal.blame(
            EINVAL, "mode", "the mapping is not registered for write protection"
        )
    if vma.vm_flags & VM_HUGETLB != 0:
        return mfill_atomic_hugetlb(vma, start, length, what)
    shmem = vma_is_shmem(vma)
    if not shmem and (what == FILL_CONTINUE or not vma_is_anonymous(vma)):
        return mm.refusal.blame(
            EINVAL, "range", "the mapping is of a kind that cannot be filled so"
        )
    if private and anon_vma_prepare(vma) != 0:
        return -ENOMEM
    # A page that is copied may be of the file that gets it, so they go one by one.
    step = length if source is None else PAGE_SIZE
    done: i64 = 0
    error: i64 = 0
    position = start
    while error == 0 and done < length:
        position = start + done
        stop = FillStop(min(position + step, start + length))
        if source is not None:
            stop.at_page(position, copy_error(vma, position, source, int(done)))
        stop_at_file(vma, stop, position, what)
        stop_at_present(vma, stop, position, what)
        if stop.end > position:
            install(vma, position, stop.end, what, protect)
        done += stop.end - position
        error = stop.error
    return done if done != 0 else refuse_fill(mm, error, position)


def refuse_fill(mm: Mm, error: i64, place: i64) -> i64:
    """Note why the first page cannot be filled: the error."""
    if error == -EEXIST:
        return mm.refusal.blame_at(EEXIST, "range", "there is a page already", place)
    why = "the source cannot be read, or the file ends before the page"
    return mm.refusal.blame_at(-error, "range", why, place)


@final
@mypyc_attr(native_class=True)
class FillSource:
    """Where a monitor copies from: an address of its own address space."""

    def __init__(self, mm: Mm, addr: int) -> None:
        self.mm: Mm = mm
        self.addr: int = addr


@final
@mypyc_attr(native_class=True)
class FillStop:
    """How far a range can be filled, and the errno at that place; who comes first wins a tie."""

    def __init__(self, end: i64) -> None:
        self.end: i64 = end
        self.error: i64 = 0

    def at(self, place: i64, error: i64) -> None:
        """It ends at `place` with an errno, unless it did before."""
        if place < self.end:
            self.end, self.error = place, error

    def at_page(self, place: i64, error: i64) -> None:
        """It ends at `place` if there is an error."""
        if error != 0:
            self.at(place, error)


def copy_error(vma: Vma, place: i64, source: FillSource, done: int) -> i64:
    """Return what copying a page to `place` fails with before it is put there: 0, ENOMEM or EFAULT.

    The source is read, and so touched, after the page is had.
    """
    beyond = vma.vm_file is not None and vma_is_shmem(vma) and file_limit(vma) <= place
    if beyond and beyond_end(vma, FILL_COPY) == -ENOMEM:
        return -ENOMEM
    addr = source.addr + done
    task_size: int = source.mm.task_size
    readable = addr + PAGE_SIZE <= task_size and user_range_ok(source.mm, addr, PAGE_SIZE, False)
    return 0 if readable else -EFAULT


def stop_at_file(vma: Vma, stop: FillStop, start: i64, what: int) -> None:
    """Stop at the end of the file, at a page that it has, or (CONTINUE) at one that it has not."""
    file = vma.vm_file
    if file is None:
        return
    if vma_is_anonymous(vma):
        # /dev/zero, whose size is 0.
        if not vma.vm_mm.features.userfaultfd_copies_to_zero or what == FILL_ZERO:
            stop.at(start, -EFAULT)
        return
    stop.at(max(file_limit(vma), start), beyond_end(vma, what))
    if stop.end == start:
        return
    mapping = file.inode.i_mapping
    first, last = linear_page_index(vma, start), linear_page_index(vma, stop.end) - 1
    if what == FILL_CONTINUE:
        stop.at(start + ((first_uncached(mapping, first, last) - first) << PAGE_SHIFT), -EFAULT)
    elif what != FILL_POISON and vma.vm_flags & VM_SHARED != 0:
        stop.at(start + ((first_cached(mapping, first, last) - first) << PAGE_SHIFT), -EEXIST)


def beyond_end(vma: Vma, what: int) -> i64:
    """Return the errno of filling a place beyond the end of the file."""
    features = vma.vm_mm.features
    if what == FILL_CONTINUE and features.userfaultfd_einval_past_end:
        return -EINVAL
    shared = vma.vm_flags & VM_SHARED != 0
    if shared and what in (FILL_COPY, FILL_ZERO) and features.userfaultfd_beyond_end_is_enomem:
        return -ENOMEM
    return -EFAULT


def stop_at_present(vma: Vma, stop: FillStop, start: i64, what: int) -> None:
    """Stop at the first entry that is there; only a copy may replace the marker of a protection."""
    tables = vma.vm_mm.page_tables
    shared_zero = what == FILL_ZERO and vma.vm_flags & VM_SHARED != 0
    replaces = what in (FILL_COPY, FILL_CONTINUE) or shared_zero
    guards = vma.vm_mm.features.userfaultfd_fills_over_guards
    for first, _, kind in tables.ranges(start, stop.end):
        if not replaces or not (kind == PTE_POISON or (guards and kind == PTE_GUARD)):
            stop.at(first, -EEXIST)
            break
    if not replaces:
        stop.at(tables.uffd.first(start, stop.end), -EEXIST)


def install(vma: Vma, start: i64, end: i64, what: int, protect: bool) -> None:
    """Let the pages of `[start, end)` be there."""
    tables = vma.vm_mm.page_tables
    private = vma.vm_flags & VM_SHARED == 0
    kind = PTE_FILE
    if what == FILL_POISON:
        kind = PTE_POISON
    elif what == FILL_ZERO and private:
        kind = PTE_ZERO
    elif what == FILL_COPY and private:
        kind = PTE_ANON
    elif what != FILL_CONTINUE:
        filemap_fault(vma, start, end, True)
    tables.set(start, end, kind)
    if protect:
        tables.uffd.set(start, end)
    else:
        tables.uffd.clear(start, end)


def mfill_atomic_hugetlb(vma: Vma, start: i64, length: i64, what: int) -> i64:
    """Fill huge pages: the bytes, EINVAL (zero pages, alignment) or EEXIST; only copies work."""
    mask = huge_page_size(vma.vm_file) - 1
    if what == FILL_ZERO or (start | length) & mask != 0:
        return vma.vm_mm.refusal.blame(EINVAL, "range", "zero pages, or a part, of huge pages")
    if vma.vm_flags & VM_SHARED == 0 and anon_vma_prepare(vma) != 0:
        return -ENOMEM
    if what != FILL_COPY:
        return vma.vm_mm.refusal.blame(ENOSYS, "request", "the kernel does not fill huge pages so")
    # A page that cannot be had counts as one that is there.
    if hugetlb_fault(vma, start, start + length, True) != 0:
        return vma.vm_mm.refusal.blame(
            EEXIST, "range", "there is a page already, or no huge page is left"
        )
    return length


def filled(mm: Mm, wanted: int, got: i64) -> int:
    """What an ioctl answers that filled `got` of `wanted` bytes: 0, EAGAIN for a part, -errno."""
    if got < 0:
        return got
    if got == wanted:
        return 0
    return mm.refusal.blame(EAGAIN, "range", "only a part of the range was done")


def userfaultfd_copy(mm: Mm, dst: int, source: FillSource, length: int, mode: int) -> int:
    """UFFDIO_COPY into a valid range: 0, EINVAL (mode, source) and `mfill_atomic`'s errors."""
    src = source.addr
    task_size: int = mm.task_size
    config = mm.config
    inside = src + length <= task_size
    if not inside and (config.features.userfaultfd_checks_source or src + length > ULONG_MAX):
        return mm.refusal.blame(
            EINVAL, "src", "the source ends beyond the end of the address space"
        )
    if src < config.mmap_min_addr and config.features.userfaultfd_lowest_address:
        return mm.refusal.blame(EINVAL, "src", "below vm.mmap_min_addr")
    if mode & ~(UFFDIO_COPY_MODE_DONTWAKE | UFFDIO_COPY_MODE_WP) != 0:
        return mm.refusal.blame(EINVAL, "mode", "unknown flag")
    protect = mode & UFFDIO_COPY_MODE_WP != 0
    return filled(mm, length, mfill_atomic(mm, dst, length, FILL_COPY, source, protect))


def userfaultfd_zeropage(mm: Mm, start: int, length: int, mode: int) -> int:
    """UFFDIO_ZEROPAGE in a valid range: 0, EINVAL (mode), and `mfill_atomic`'s errors."""
    if mode & ~UFFDIO_ZEROPAGE_MODE_DONTWAKE != 0:
        return mm.refusal.blame(EINVAL, "mode", "unknown flag")
    return filled(mm, length, mfill_atomic(mm, start, length, FILL_ZERO, None, False))


def userfaultfd_continue(mm: Mm, start: int, length: int, mode: int) -> int:
    """UFFDIO_CONTINUE in a valid range: map what the file has; EINVAL (mode), `mfill_atomic`'s."""
    allowed = UFFDIO_CONTINUE_MODE_DONTWAKE
    if mm.features.userfaultfd_move_and_poison:
        allowed |= UFFDIO_CONTINUE_MODE_WP
    if mode & ~allowed != 0:
        return mm.refusal.blame(EINVAL, "mode", "unknown flag")
    protect = mode & UFFDIO_CONTINUE_MODE_WP != 0
    return filled(mm, length, mfill_atomic(mm, start, length, FILL_CONTINUE, None, protect))


def userfaultfd_poison(mm: Mm, start: int, length: int, mode: int) -> int:
    """UFFDIO_POISON in a valid range: 0, EINVAL (mode), and `mfill_atomic`'s errors."""
    if mode & ~UFFDIO_POISON_MODE_DONTWAKE != 0:
        return mm.refusal.blame(EINVAL, "mode", "unknown flag")
    return filled(mm, length, mfill_atomic(mm, start, length, FILL_POISON, None, False))
