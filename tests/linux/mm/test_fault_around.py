# SPDX-License-Identifier: GPL-2.0-or-later
"""Which pages a read of shared memory maps, as Linux 6.1, 6.12, 6.18 and 7.3 did when asked.

A page that is mapped is told by UFFDIO_CONTINUE, which answers EEXIST there, EFAULT where the file
has no page, and 0 where it has one that is not mapped.
"""

import pytest

from vmalab.linux.include.uapi.errno import EEXIST, EFAULT
from vmalab.linux.include.uapi.mman import MADV_POPULATE_READ, MADV_POPULATE_WRITE
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFD_FEATURE_SIGBUS,
    UFFDIO_API,
    UFFDIO_CONTINUE,
    UFFDIO_REGISTER,
    UFFDIO_REGISTER_MODE_MINOR,
)
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

MINUS_1 = 2**64 - 1
POINTER = 1 << 63
PAGE = 4096
WHOLE, PLACE = 0x50000000, 0x60000000
ALL = ((0, 600),)
SHOWN = {-EEXIST: "#", 0: ".", -EFAULT: " "}

# Pages from a multiple of 2 MiB to the VMA's start; the pages that are read, from there on; the
# file's page at the VMA's start; the file's pages in memory; the pages that are mapped then.
CASES = [
    (0, (0, 1), 0, ALL, "################........................"),
    (0, (17, 18), 0, ALL, "................################........"),
    (4, (0, 1), 4, ALL, "################........................"),
    (4, (11, 12), 4, ALL, "################........................"),
    (4, (12, 13), 4, ALL, "............################............"),
    (9, (0, 1), 9, ALL, "################........................"),
    (500, (11, 12), 500, ALL, "############............................"),
    (503, (0, 1), 503, ALL, "#########..............................."),
    (4, (0, 14), 7, ALL, "################........................"),
    (4, (0, 8), 4, ((12, 14), (16, 26)), "##########  ####......                  "),
    (4, (2, 3), 7, ((0, 9), (15, 600)), "###     ########........................"),
]


@pytest.mark.parametrize(("start", "read", "pgoff", "cached", "mapped"), CASES)
@pytest.mark.parametrize("flags", [0x11, 0x12], ids=["shared", "private"])
def test_what_a_read_maps(
    task: Task,
    flags: int,
    start: int,
    read: tuple[int, int],
    pgoff: int,
    cached: tuple[tuple[int, int], ...],
    mapped: str,
) -> None:
    fd = do_syscall(task, "memfd_create", POINTER, 0, mem={0: "x"})
    assert do_syscall(task, "ftruncate", fd, 600 * PAGE) == 0
    assert do_syscall(task, "mmap", WHOLE, 600 * PAGE, 3, 0x11, fd, 0) == WHOLE
    for first, last in cached:
        place, length = WHOLE + first * PAGE, (last - first) * PAGE
        assert do_syscall(task, "madvise", place, length, MADV_POPULATE_WRITE) == 0
    low = PLACE + start * PAGE
    assert do_syscall(task, "mmap", low, 40 * PAGE, 3, flags, fd, pgoff * PAGE) == low
    place, length = low + read[0] * PAGE, (read[1] - read[0]) * PAGE
    assert do_syscall(task, "madvise", place, length, MADV_POPULATE_READ) == 0
    assert shown(task, low) == mapped


def shown(task: Task, low: int) -> str:
    """What UFFDIO_CONTINUE answers for each of forty pages from `low` on."""
    fd = do_syscall(task, "userfaultfd", 1)
    api = {"api": UFFD_API, "features": UFFD_FEATURE_SIGBUS}
    assert do_syscall(task, "ioctl", fd, UFFDIO_API, POINTER, mem={2: api}) == 0
    whole = {"range": {"start": low, "len": 40 * PAGE}, "mode": UFFDIO_REGISTER_MODE_MINOR}
    assert do_syscall(task, "ioctl", fd, UFFDIO_REGISTER, POINTER, mem={2: whole}) == 0
    answers = ""
    for page in range(40):
        one = {"range": {"start": low + page * PAGE, "len": PAGE}, "mode": 0}
        answers += SHOWN[do_syscall(task, "ioctl", fd, UFFDIO_CONTINUE, POINTER, mem={2: one})]
    return answers
