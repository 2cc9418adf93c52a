# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls a tree's program makes, and the reasons for those that it does not."""

import pytest

from vmalab.calls.call import Call
from vmalab.linux.include.uapi import mman as m
from vmalab.targets.tree.scope import CALLS, admits, lacks

ANON = m.MAP_PRIVATE | m.MAP_ANONYMOUS


def mmap(flags: int, length: int = 4096) -> Call:
    return Call(1, "mmap", (0, length, 3, flags, 2**64 - 1, 0))


def test_the_calls_are_those_of_the_programs_table() -> None:
    assert {"mmap", "mremap", "mseal", "prlimit64", "exit"} <= CALLS
    assert "mbind" not in CALLS


def test_plain_memory_is_in_scope() -> None:
    assert lacks(mmap(ANON)) == ""


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (mmap(ANON | m.MAP_32BIT), "32-bit"),
        (mmap(ANON | m.MAP_HUGETLB), "huge pages"),
        (mmap(ANON, (1 << 47) - 4096), "whole address space"),
        (Call(1, "madvise", (0, 4096, m.MADV_GUARD_INSTALL, 0, 0, 0)), "no pages"),
        (Call(1, "mremap", (0x40000000, 4096, 8192, 5, 0x1000, 0)), "hints below"),
        (Call(1, "fcntl", (3, 1, 0, 0, 0, 0)), "nothing but seals"),
        (Call(1, "mbind", (0, 4096, 0, 0, 0, 0)), "none of the calls"),
        (Call(1, "prctl", (0x1234, 0, 0, 0, 0, 0)), "option of prctl"),
    ],
    ids=["32-bit", "hugetlb", "vast", "guard", "hint", "fcntl", "mbind", "prctl"],
)
def test_what_is_out_of_scope_has_a_reason(call: Call, why: str) -> None:
    assert why in lacks(call)


def test_streams_of_userfaultfd_touch_no_memory() -> None:
    touching = Call(1, "madvise", (0, 4096, m.MADV_POPULATE_WRITE, 0, 0, 0))
    assert admits("dense", touching)
    assert not admits("uffd", touching)
    assert not admits("dense", Call(1, "userfaultfd"))
    assert admits("uffd", Call(1, "userfaultfd"))
