# SPDX-License-Identifier: GPL-2.0-or-later
"""The seccomp filter stops at just the calls that are traced without it."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.symbols import SYSCALL_OF_NUMBER
from vmalab.linux.include.uapi import fcntl, prctl, unistd
from vmalab.recording.tracer.launch import filter_program
from vmalab.recording.tracer.ptrace import AUDIT_ARCH_X86_64
from vmalab.recording.tracer.syscalls import FILTERED_ARGUMENTS, TRACED_NUMBERS, is_traced

TRACE = 0x7FF00000
ALLOW = 0x7FFF0000
AUDIT_ARCH_I386 = 0x40000003


def verdict(arch: int, number: int, args: tuple[int, ...]) -> int:
    """What the filter answers, by the rules of classic BPF."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *args)
    program = list(struct.iter_unpack("<HBBI", filter_program()))
    at = accumulator = 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif code == 0x54:
            accumulator &= value
        elif code == 0x15:
            at += yes if accumulator == value else no
        elif code == 0x35:
            at += yes if accumulator >= value else no
        else:
            assert code == 0x06
            return value


@pytest.mark.parametrize("number", sorted(SYSCALL_OF_NUMBER))
def test_every_call_is_stopped_at_or_let_through_as_it_is_traced(number: int) -> None:
    args = (0,) * 6
    expected = TRACE if is_traced(number, args) else ALLOW
    assert verdict(AUDIT_ARCH_X86_64, number, args) == expected


WORDS = st.one_of(
    st.sampled_from((0xAA00, 0xC018AA3F, fcntl.F_SETFD, prctl.PR_SET_VMA, 1 << 63 | 0xAA00)),
    st.integers(0, 2**64 - 1),
)


@given(st.sampled_from(sorted(FILTERED_ARGUMENTS)), st.tuples(*[WORDS] * 6))
def test_calls_with_commands_by_their_command(number: int, args: tuple[int, ...]) -> None:
    expected = TRACE if is_traced(number, args) else ALLOW
    assert verdict(AUDIT_ARCH_X86_64, number, args) == expected


def test_other_abis_are_always_stopped_at() -> None:
    assert verdict(AUDIT_ARCH_I386, 0, (0,) * 6) == TRACE
    assert verdict(AUDIT_ARCH_X86_64, 0x40000000 | unistd.NR_read, (0,) * 6) == TRACE


def test_reads_and_writes_run_at_full_speed() -> None:
    assert TRACED_NUMBERS.isdisjoint((unistd.NR_read, unistd.NR_write, unistd.NR_futex))


def test_the_filter_is_short_enough_for_the_kernel() -> None:
    """BPF_MAXINSNS is 4096; jumps reach 255 instructions."""
    assert len(filter_program()) // 8 < 4096
