# SPDX-License-Identifier: GPL-2.0-or-later
"""mincore: which pages of a range are in memory, as far as that is known here.

Mirrors mm/mincore.c (v6.18).  Whether a caller may know of a file's pages is not asked: one who may
not is told that all are there.
"""

from mypy_extensions import i64

from vmalab.linux.include.page import LONG_MAX, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, is_pointer_unknown
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM
from vmalab.linux.lib.xarray import XA_NONE
from vmalab.linux.mm.page_tables import PTE_GUARD
from vmalab.linux.mm.refusal import REFUSED_HOLE, REFUSED_RANGE
from vmalab.linux.mm.usercopy import access_ok, copy_to_user
from vmalab.linux.types.file import FileAddressSpace
from vmalab.linux.types.mm_types import Mm, linear_page_index
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup


def mincore_cached(
    mapping: FileAddressSpace, first: i64, last: i64, told: bytearray, offset: i64
) -> None:
    """Tell of those of a file's pages `first` to `last` (inclusive) that the page cache has.

    The answer for page `first` is byte `offset` of `told`.
    """
    pages = mapping.i_pages
    at = pages.find(first, last)
    while at != XA_NONE:
        end = min(pages.last_of(at), last) + 1
        low, high = int(at - first + offset), int(end - first + offset)
        told[low:high] = b"\1" * (high - low)
        at = pages.find(end, last)


def mincore_range(mm: Mm, start: i64, end: i64) -> bytearray:
    """Return what mincore tells of each page of `[start, end)` (bytes): 1 when it is in memory.

    That is a page of the process's own, or one of the file's that is cached; where a guard stands,
    only the latter counts.  Stops at a hole.
    """
    told = bytearray()
    position = start
    while position < end:
        vma = vma_lookup(mm, position)
        if vma is None:
            return told
        limit = min(vma.vm_end, end)
        offset = len(told)
        told += bytes(int(limit - position) >> PAGE_SHIFT)
        file = vma.vm_file
        if file is not None:
            index = linear_page_index(vma, position)
            last = linear_page_index(vma, limit) - 1
            mincore_cached(file.inode.i_mapping, index, last, told, offset)
        for first, past, kind in mm.page_tables.ranges(position, limit):
            if kind != PTE_GUARD:
                low, high = first - int(position) >> PAGE_SHIFT, past - int(position) >> PAGE_SHIFT
                told[offset + low : offset + high] = b"\1" * (high - low)
        position = limit
    return told


def ksys_mincore(task: Task, start: int, length: int, vec: int) -> int:
    """mincore(2): 0, EINVAL (alignment), ENOMEM (a hole, no user address), EFAULT (vec).

    Which error comes first depends on the order of holes and of what the result cannot be told of.
    """
    mm = task.mm
    if mm is None:
        return -EINVAL
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "addr", "not a multiple of the page size")
    if start + length > mm.task_size:
        return mm.refuse(ENOMEM, REFUSED_RANGE, min(start + length, LONG_MAX), mm.task_size)
    pages = (length + PAGE_SIZE - 1) >> PAGE_SHIFT
    if not access_ok(mm, vec, pages):
        return mm.refusal.blame(EFAULT, "vec", "outside the address space")
    position = start
    while pages > 0:
        vma = vma_lookup(mm, position)
        if vma is None:
            return mm.refuse_at(ENOMEM, REFUSED_HOLE, position)
        # VMA by VMA: the kernel's steps of one page of answers make no difference within one.
        told = min(pages, int(vma.vm_end - position) >> PAGE_SHIFT)
        if not copy_to_user(mm, vec, told):
            return mm.refusal.blame(EFAULT, "vec", "the result cannot be written there")
        if not is_pointer_unknown(vec):
            vec += told
        pages -= told
        position += told << PAGE_SHIFT
    return 0
