# SPDX-License-Identifier: GPL-2.0-or-later
"""A call: what it is by its name, where its range is, and how it goes to another process."""

import pickle

import pytest

from vmalab.calls.call import Call, TruncatedStr
from vmalab.calls.table import OTHER, row_of
from vmalab.linux.include.uapi.prctl import PR_SET_NAME, PR_SET_VMA


def test_call_survives_pickling() -> None:
    call = Call(7, "openat", (1, 2**64 - 1, 0, 0, 0, 0), {1: TruncatedStr("/a")}, {"x": [1]}, 3, 2)
    call.stack = ["main"]
    other = pickle.loads(pickle.dumps(call))
    names = ("tid", "name", "args", "mem", "out", "line", "entry_line", "time", "ret", "ret_text")
    for name in (*names, "ret_mem", "abi", "lenient", "stack"):
        assert getattr(other, name) == getattr(call, name)
    assert other.mem is not None
    assert type(other.mem[1]) is TruncatedStr


@pytest.mark.parametrize("name", ["mmap2", "old_mmap"])
def test_call_of_a_32_bit_program_is_the_kernels_and_keeps_its_spelling(name: str) -> None:
    call = Call(1, name)
    for one in (call, pickle.loads(pickle.dumps(call))):
        assert (one.name, one.spelling) == ("mmap", name)
        assert one.row is row_of("mmap")


def test_call_without_a_row() -> None:
    call = Call(1, "getpid")
    assert (call.name, call.spelling) == ("getpid", "getpid")
    assert call.row is OTHER


def test_a_renamed_call_is_another() -> None:
    call = Call(1, "syscall_0x1ce")
    call.rename("mseal")
    assert (call.name, call.spelling) == ("mseal", "mseal")
    assert call.row is row_of("mseal")


@pytest.mark.parametrize(
    ("name", "first", "at"),
    [
        ("munmap", 0x1000, 0),
        ("mremap", 0x1000, -1),
        ("prctl", PR_SET_VMA, 2),
        ("prctl", PR_SET_NAME, -1),
        ("read", 0, -1),
    ],
    ids=["first", "two ranges", "named", "another option", "no memory"],
)
def test_where_the_range_of_a_call_is(name: str, first: int, at: int) -> None:
    assert Call(1, name, (first, 0, 0, 0, 0, 0)).range_at == at
