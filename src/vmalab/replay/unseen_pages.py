# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds where pages that no call made decided what a userfaultfd's request answered.

Which pages of a process were touched, and which a file has in memory, is in no log. A request that
fills, moves or continues pages tells it: the model takes it over, and makes the request again.
"""

from typing import Final

from vmalab.calls.call import Call
from vmalab.linux.include.page import PAGE_MASK
from vmalab.linux.include.uapi.errno import EAGAIN, EBUSY, EEXIST, EFAULT, ENOENT
from vmalab.linux.include.uapi.userfaultfd import (
    UFFDIO_CONTINUE,
    UFFDIO_COPY,
    UFFDIO_MOVE,
    UFFDIO_POISON,
    UFFDIO_ZEROPAGE,
)
from vmalab.linux.mm.filemap import filemap_fault
from vmalab.linux.mm.page_tables import PTE_ANON
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.types.mm_types import Vma
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.replay.attempt import Attempt
from vmalab.targets.model.model import ModelTarget

# By request, what it answers when pages are missing that it needs, and what when some are there
# that it would make, or are in use.
_MISSING: Final = {UFFDIO_CONTINUE: -EFAULT, UFFDIO_MOVE: -ENOENT}
_PRESENT: Final = {
    UFFDIO_CONTINUE: (-EEXIST, -EAGAIN),
    UFFDIO_COPY: (-EEXIST, -EAGAIN),
    UFFDIO_MOVE: (-EEXIST, -EAGAIN, -EBUSY),
    UFFDIO_POISON: (-EEXIST, -EAGAIN),
    UFFDIO_ZEROPAGE: (-EEXIST, -EAGAIN),
}


def learns_of_pages(target: ModelTarget, attempt: Attempt) -> bool:
    """Return whether a request's answer shows pages that the model does not know of.

    That pages are gone which the model has is no such answer: they do not vanish unseen.
    """
    call, mm = attempt.call, attempt.mm
    request = call.args[1]
    if call.name != "ioctl" or request not in _PRESENT or mm.page_tables.complete:
        return False
    missing = _MISSING.get(request, 0)
    if attempt.predicted != 0:
        possible = missing != 0 and attempt.predicted == missing
        if not possible or call.ret not in (0, *_PRESENT[request]):
            return False
    elif call.ret not in _PRESENT[request]:
        return False
    if call.ret == 0:
        _supply(attempt)
        target.apply(call)
    return True


def is_of_file(call: Call) -> bool:
    """Return whether a request is about what a file has in memory, not about touched memory."""
    return call.args[1] == UFFDIO_CONTINUE


def _supply(attempt: Attempt) -> None:
    """Let the pages be there that the request must have found."""
    call, mm = attempt.call, attempt.mm
    argument = None if call.mem is None else call.mem.get(2)
    if not isinstance(argument, dict):
        return
    span = argument.get("range", argument)
    start = argument.get("src") if call.args[1] == UFFDIO_MOVE else span.get("start")
    length = span.get("len")
    if not isinstance(start, int) or not isinstance(length, int) or start & ~PAGE_MASK:
        return
    vma = vma_lookup(mm, start) if 0 < start < mm.task_size else None
    if vma is None or not 0 < length <= vma.vm_end - start:
        return
    if call.args[1] == UFFDIO_CONTINUE:
        filemap_fault(vma, start, start + length, True)
    else:
        _touch(vma, start, start + length)


def _touch(vma: Vma, start: int, end: int) -> None:
    """Let a program have written to all of a range."""
    if anon_vma_prepare(vma) == 0:
        vma.vm_mm.page_tables.set(start, end, PTE_ANON)
