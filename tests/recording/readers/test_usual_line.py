# SPDX-License-Identifier: GPL-2.0-or-later
"""Usual lines are read as the full parser reads them, also once their parts have been seen."""

import pytest

from vmalab.calls.call import Call
from vmalab.linux.include.page import POINTER_UNKNOWN
from vmalab.recording.readers.callline import read_call
from vmalab.recording.readers.clock import Clock
from vmalab.recording.readers.usual_line import NAMELESS, UsualLines

USUAL = (
    "mprotect(0x7f0000001000, 4096, PROT_READ|PROT_WRITE) = 0",
    "mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f00deadb000",
    "munmap(0x7f0000001000, 4096)            = 0",
    "madvise(0x7f0000001000, 4096, MADV_DONTNEED) = -1 ENOMEM (Cannot allocate memory)",
    "getpid()                                = 1234",
    "close(3) = 0 <0.000012>",
    "mlockall(MCL_CURRENT /* all */) = 0",
    "brk(0x5581c0de0000) = 0x5581c0de0000",
)


def full(line: str) -> Call:
    """The same by the full parser."""
    call = Call(NAMELESS, line[: line.index("(")])
    read_call(call, line)
    return call


@pytest.mark.parametrize("line", USUAL)
def test_a_line_is_read_as_by_the_full_parser_each_time(line: str) -> None:
    lines = UsualLines(Clock())
    for _ in range(2):
        call = lines.read(line, 0)
        assert call is not None
        expected = full(line)
        assert (call.tid, call.name, call.args, call.mem) == (
            NAMELESS,
            expected.name,
            expected.args,
            None,
        )
        assert (call.ret, call.ret_text) == (expected.ret, expected.ret_text)


def test_who_and_when_stand_before() -> None:
    lines = UsualLines(Clock())
    for head, tid, time in (
        ("77 ", 77, 0.0),
        ("77 12:00:01.5 ", 77, 43201.5),
        ("     0.000120 ", NAMELESS, 0.00012),
        ("     0.000130 ", NAMELESS, 0.00025),
        ("", NAMELESS, 0.0),
    ):
        call = lines.read(f"{head}close(3) = 0", 0)
        assert call is not None
        assert (call.tid, call.time) == (tid, pytest.approx(time))


def test_one_string_may_be_among_the_arguments() -> None:
    call = UsualLines(Clock()).read('open("a, b) = 1", O_RDONLY) = 3', 0)
    assert call is not None
    assert call.mem == {0: "a, b) = 1"}
    assert call.args == (POINTER_UNKNOWN, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    "line",
    [
        'write(1, "a\\n", 2) = 2',
        "clone(child_stack=NULL, flags=SIGCHLD) = 5",
        "writev(1, [{iov_len=3}], 1) = 3",
        "close(3</tmp/a>) = 0",
        "mprotect(0x1000, 4096, PROT_WHAT) = 0",
        "mprotect(0x1_000, 4096, PROT_READ) = 0",
        "munmap(0x1000, 4096) = ?",
        "munmap(0x1000, 4096 = 0",
        "munmap(0x1000, 4096) = -1 EWHAT (No such thing)",
        "munmap(0x10000000000000000, 4096) = 0",
        "a(1, 2, 3, 4, 5, 6, 7) = 0",
        "syscall_0x1ce(0x1000, 4096, 0) = 0",
        "12345678901 close(3) = 0",
        "exited",
        "",
    ],
)
def test_another_line_is_for_the_full_parser(line: str) -> None:
    assert UsualLines(Clock()).read(line, 0) is None


def test_what_is_remembered_is_bounded() -> None:
    lines = UsualLines(Clock())
    for number in range(1, 33_000):
        call = lines.read(f"{number} munmap({number * 4096}, {number}) = {number}", 0)
        assert call is not None
        assert (call.tid, call.args[:2], call.ret) == (number, (number * 4096, number), number)
    for kept in (lines._callers, lines._arguments, lines._results):
        assert 0 < len(kept) <= 1 << 15
