# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of 32-bit programs, as strace would print them."""

import ctypes
import os
import struct
from collections.abc import Iterator

import pytest

from vmalab.calls.symbols import SYSCALL_OF_NUMBER
from vmalab.recording.tracer.abi32 import NAMES, call_of, result_of
from vmalab.recording.tracer.memory import Memory
from vmalab.recording.tracer.stops import TRACED


@pytest.fixture
def memory() -> Iterator[Memory]:
    """This process's own memory."""
    own = Memory(os.getpid())
    yield own
    own.close()


@pytest.mark.parametrize(
    ("number", "args", "expected"),
    [
        (192, (0, 4096, 3, 0x22, 0xFFFFFFFF, 5), ("mmap2", (0, 4096, 3, 0x22, 0xFFFFFFFF, 0x5000))),
        (194, (3, 0x1000, 1, 0, 0, 0), ("ftruncate64", (3, 0x100001000))),
        (324, (3, 0, 1, 2, 3, 4), ("fallocate", (3, 0, 0x200000001, 0x400000003))),
        (120, (0x11, 0, 1, 2, 3, 0), ("clone", (0x11, 0, 1, 3, 2))),
        (221, (3, 0, 7, 0, 0, 0), ("fcntl64", (3, 0, 7, 0, 0, 0))),
        (117, (21, 5, 0x1000, 0x7000, 0x20000, 0), ("shmat", (5, 0x20000, 0x1000, 0, 0, 0x7000))),
        (117, (22, 0, 0, 0, 0x20000, 0), ("shmdt", (0x20000,))),
        (117, (23, 1, 2, 3, 0, 0), ("shmget", (1, 2, 3))),
        (117, (24, 1, 2, 0, 4, 0), ("shmctl", (1, 2, 4))),
        (117, (2, 1, 2, 3, 4, 5), None),
        (221, (3, 5, 7, 0, 0, 0), None),
        (54, (1, 0x5401, 0, 0, 0, 0), None),
        (3, (0, 0, 0, 0, 0, 0), None),
    ],
)
def test_arguments(
    memory: Memory,
    number: int,
    args: tuple[int, ...],
    expected: tuple[str, tuple[int, ...]] | None,
) -> None:
    assert call_of(number, args, memory) == expected


def test_results(memory: Memory) -> None:
    assert result_of(192, (0,) * 6, 0xF7FAC000, memory) == 0xF7FAC000
    assert result_of(192, (0,) * 6, -0x8054000, memory) == 0xF7FAC000
    assert result_of(192, (0,) * 6, -12, memory) == -12
    assert result_of(192, (0,) * 6, -512, memory) == -512


def test_arguments_in_memory(memory: Memory) -> None:
    """mmap of old takes a pointer to its arguments; such a pointer is one of 32 bits here too."""
    buffer = ctypes.create_string_buffer(struct.pack("<6I", 0, 4096, 3, 0x22, 0xFFFFFFFF, 0x2000))
    address = ctypes.addressof(buffer)
    found = call_of(90, (address, 0, 0, 0, 0, 0), memory)
    words = (0, 4096, 3, 0x22, 0xFFFFFFFF, 0x2000) if address < 1 << 32 else (0,) * 6
    assert found == ("old_mmap", words)


def test_every_traced_call_has_a_number() -> None:
    """Those that only one ABI has are left out, and setgroups with a list of 16-bit ids."""
    shared = TRACED & set(SYSCALL_OF_NUMBER.values()) - {"mmap", "accept", "setgroups"}
    assert shared - set(NAMES.values()) == set()
