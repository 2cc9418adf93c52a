# SPDX-License-Identifier: GPL-2.0-or-later
"""A line of a memory map prints exactly as the kernel prints it, and comes back from its text."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.snapshot import VmaLine
from vmalab.recording.readers.maps import parse_range

FULL = VmaLine(1, 2, "rw-p", 3, "fe:00", 4, "/x", ("rd", "wr"), 5, 6, 7)
LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
LINES = {
    "file": f"7fd42701e000-7fd427044000 r--p 00000000 fe:00 339380                     {LIBC}",
    "nameless": "7fd42789f000-7fd4278a1000 rw-p 00000000 00:00 0 ",
    "low": "0041f000-00420000 rw-p 0001e000 fe:00 12345                              /gold",
    "vsyscall": "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0"
    "                  [vsyscall]",
    "deleted": "7f0000000000-7f0000001000 rw-s 00000000 00:01 5                          "
    "/memfd:x (deleted)",
    "long offset": "7f0000000000-7f0000001000 rw-s ffffffffff000 00:01 5                     "
    "/dev/zero (deleted)",
    "long head": "ffffffffff600000-ffffffffff601000 rw-s fffffffffffff000 00:01 "
    "123456789012345  /x y",
}


@pytest.mark.parametrize("kind", LINES)
def test_text_is_the_line_that_was_read(kind: str) -> None:
    assert parse_range(LINES[kind]).text == LINES[kind]


def test_name_stands_in_column_73() -> None:
    assert LINES["file"].index(LIBC) == 73
    assert parse_range(LINES["file"]).name == LIBC


def test_name_stands_one_space_behind_a_longer_head() -> None:
    vma = parse_range(LINES["long head"])
    assert vma.name == "/x y"
    assert vma.inode == 123456789012345


def test_size_and_identity() -> None:
    vma = parse_range(LINES["file"])
    assert vma.size == 0x26000
    assert vma.identity == ("fe:00", 339380)


def test_sizes_of_memory_are_not_compared() -> None:
    one = VmaLine(0x1000, 0x2000, "rw-p", 0, "00:00", 0, "", rss=4096, anonymous=4096)
    two = VmaLine(0x1000, 0x2000, "rw-p", 0, "00:00", 0, "")
    assert one == two


@given(
    start=st.integers(0, 2**64 - 2),
    perms=st.tuples(*map(st.sampled_from, ("r-", "w-", "x-", "ps"))).map("".join),
    pgoff=st.integers(0, 2**64 - 1),
    inode=st.integers(0, 2**64 - 1),
    name=st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), max_size=20),
)
def test_every_line_comes_back_from_its_text(
    start: int, perms: str, pgoff: int, inode: int, name: str
) -> None:
    vma = VmaLine(start, start + 1, perms, pgoff, "fe:01", inode, name)
    assert parse_range(vma.text) == vma


def test_a_line_reaches_another_process_whole() -> None:
    other = pickle.loads(pickle.dumps(FULL))
    assert other == FULL
    assert (other.rss, other.anonymous) == (6, 7)
