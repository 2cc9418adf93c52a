# SPDX-License-Identifier: GPL-2.0-or-later
"""A log names files by path, a map shows what they are: device and inode, from then on."""

from collections.abc import Callable

import pytest

from vmalab.calls.map_line import LineEnd, map_line
from vmalab.calls.snapshot import VmaLine
from vmalab.linux.fs.hugetlbfs import hugetlb_fops, hugetlb_inode
from vmalab.linux.mm.hugetlb_pool import HState
from vmalab.linux.types.file import FMODE_READ, File
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.targets.model.identity import Identities, difference_of
from vmalab.targets.model.model import ModelTarget

from .conftest import FREE, apply, follow


def shown(ino: int, start: int = FREE + 0x1000, name: str = "/x", dev: str = "fe:00") -> VmaLine:
    return VmaLine(start, start + 4096, "r--p", 0, dev, ino, name, ("rd", "mr", "mw", "me"))


@pytest.fixture
def difference(target: ModelTarget, mm: Mm) -> Callable[[VmaLine], str]:
    """What differs between a line and the VMA at its start."""

    def compare(line: VmaLine) -> str:
        vma = vma_lookup(mm, line.start)
        assert vma is not None
        return difference_of(vma, map_line(line), target.identities, False)

    return compare


def test_file_is_what_it_was_first_shown_to_be(
    target: ModelTarget, difference: Callable[[VmaLine], str]
) -> None:
    follow(target, "openat", 3, 2**64 - 100, 0, 0, mem={1: "/x"})
    assert apply(target, "mmap", 0, 4096, 1, 2, 3, 0) == FREE + 0x1000
    assert difference(shown(7)) == ""
    assert difference(shown(7, name="/x (deleted)")) == ""
    assert difference(shown(8)) == "file"
    assert difference(shown(0, dev="00:00", name="")) == "file"


def test_path_that_got_another_inode(
    target: ModelTarget, difference: Callable[[VmaLine], str]
) -> None:
    """Opened again, the same name may be another file by now."""
    for fd, ino, start in ((3, 7, FREE + 0x1000), (4, 9, FREE)):
        follow(target, "openat", fd, 2**64 - 100, 0, 0, mem={1: "/x"})
        assert apply(target, "mmap", 0, 4096, 1, 2, fd, 0) == start
        assert difference(shown(ino, start)) == ""
    assert difference(shown(7, FREE + 0x1000)) == ""
    assert difference(shown(7, FREE)) == "file"


def test_two_names_of_one_inode(target: ModelTarget, difference: Callable[[VmaLine], str]) -> None:
    for fd, path, start in ((3, "/x", FREE + 0x1000), (4, "/y", FREE)):
        follow(target, "openat", fd, 2**64 - 100, 0, 0, mem={1: path})
        apply(target, "mmap", 0, 4096, 1, 2, fd, 0)
        assert difference(shown(7, start, path)) == ""


def test_what_the_kernel_makes_is_new(
    target: ModelTarget, difference: Callable[[VmaLine], str]
) -> None:
    """Two shared anonymous mappings are never the same object."""
    shared = ("rd", "wr", "sh", "mr", "mw", "me", "ms")
    for start in (FREE + 0x1000, FREE):
        assert apply(target, "mmap", 0, 4096, 3, 0x21, 2**64 - 1, 0) == start
        line = VmaLine(start, start + 4096, "rw-s", 0, "00:01", 5, "/dev/zero (deleted)", shared)
        assert difference(line) == ("" if start == FREE + 0x1000 else "file")


def test_segments_made_before_their_pool_was_shown_are_of_it() -> None:
    """The first line tells the pool's device, for all of them; a number is a segment's own."""
    pool, identities = HState(2 << 20, 4, "00:21"), Identities()
    segments = []
    for number in range(3):
        inode = hugetlb_inode(pool, 2 << 20, True)
        inode.ino = number
        segments.append(File(inode, "/SYSV00000000 (deleted)", FMODE_READ, hugetlb_fops))
    first, second, third = segments

    def is_shown(file: File, ino: int, dev: str) -> bool:
        return identities.same(file, LineEnd(dev, ino, "/SYSV00000000 (deleted)", None))

    assert is_shown(first, 0, "00:11")
    assert is_shown(second, 1, "00:11")
    assert not is_shown(third, 2, "00:12")
    assert not is_shown(third, 1, "00:11")
    assert is_shown(third, 2, "00:11")
