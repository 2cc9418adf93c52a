# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls a recorder takes an interest in, by their numbers and commands."""

import pytest

from vmalab.calls.symbols import SYSCALL_OF_NUMBER
from vmalab.linux.include.uapi import fcntl, prctl, unistd
from vmalab.recording.tracer.stops import BY_COMMAND, ORDERED, TRACED, TRACED_NUMBERS, is_traced

NOTHING = (0,) * 6


@pytest.mark.parametrize("name", sorted(ORDERED - BY_COMMAND.keys() - {"mmap2", "old_mmap"}))
def test_what_changes_memory_is_recorded_whatever_its_arguments(name: str) -> None:
    (number,) = (number for number, known in SYSCALL_OF_NUMBER.items() if known == name)
    assert name in TRACED
    assert is_traced(number, NOTHING)


@pytest.mark.parametrize(
    ("number", "index", "command", "expected"),
    [
        (unistd.NR_fcntl, 1, fcntl.F_SETFD, True),
        (unistd.NR_fcntl, 1, fcntl.F_GETFD, False),
        (unistd.NR_fcntl, 1, fcntl.F_SETFD | 1 << 32, True),
        (unistd.NR_prctl, 0, prctl.PR_SET_VMA, True),
        (unistd.NR_prctl, 0, 1, False),
        (unistd.NR_prctl, 0, prctl.PR_SET_KEEPCAPS, True),
        (unistd.NR_prctl, 0, prctl.PR_CAPBSET_READ, False),
        (unistd.NR_ioctl, 1, 0xC018AA3F, True),
        (unistd.NR_ioctl, 1, 0x5401, False),
    ],
)
def test_calls_with_commands_by_their_command(
    number: int, index: int, command: int, expected: bool
) -> None:
    args = (*NOTHING[:index], command, *NOTHING[index + 1 :])
    assert is_traced(number, args) is expected


def test_reads_writes_and_sleeps_are_of_no_interest() -> None:
    assert TRACED_NUMBERS.isdisjoint((unistd.NR_read, unistd.NR_write, unistd.NR_futex))
