# SPDX-License-Identifier: GPL-2.0-or-later
"""Usual lines are read as the full parser reads them, also once their parts have been seen."""

import pytest

from vmalab.calls.call import Call
from vmalab.linux.include.page import POINTER_UNKNOWN
from vmalab.recording.readers.callline import read_call
from vmalab.recording.readers.clock import Clock
from vmalab.recording.readers.known_parts import MAX_PARTS
from vmalab.recording.readers.scanner import Scanner, bytes_of
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
    "mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, 4294967295, 0) = 0x7f00deadb000",
    "madvise(0xffffffffffffffff, 18446744073709551615, 0x80000000000000) = 0x7fffffffffffffff",
    "mmap(NULL, 4096, PROT_NONE, MAP_HUGETLB|21<<MAP_HUGE_SHIFT, -17, 0) = 0x007f00deadb000",
    "mlock(0644, 4096) = 9223372036854775807",
    "mlock(0x1000, -4096) = 18446744073709551615 <0.000012>",
    "read(3, 0x0, 00, 0xABCDEF, 123456789012345678, 1234567890123456789) = 0",
)


def usual(lines: UsualLines, line: str) -> Call | None:
    """Read a line: to behind its newline, or not at all."""
    scanner = Scanner(bytes_of(line))
    call = lines.read(scanner)
    assert scanner.at == (0 if call is None else scanner.size)
    return call


def full(line: str) -> Call:
    """The same by the full parser."""
    call = Call(NAMELESS, line[: line.index("(")])
    read_call(call, line)
    return call


@pytest.mark.parametrize("line", USUAL)
def test_a_line_is_read_as_by_the_full_parser_each_time(line: str) -> None:
    lines = UsualLines(Clock())
    for _ in range(2):
        call = usual(lines, line)
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
        ("77 1795423606.468787 ", 77, 1795423606.468787),
        ("77 17954236061234.468787 ", 77, 17954236061234.468787),
        ("     0.000120 ", NAMELESS, 0.00012),
        ("     0.000130 ", NAMELESS, 0.00025),
        ("", NAMELESS, 0.0),
    ):
        call = usual(lines, f"{head}close(3) = 0")
        assert call is not None
        assert (call.tid, call.time) == (tid, time)


def test_a_line_that_is_read_again_passes_no_time() -> None:
    lines = UsualLines(Clock())
    assert usual(lines, "77 1.5 close(3) = ?") is None
    call = usual(lines, "77 1.5 close(3) = 0")
    assert call is not None
    assert call.time == 1.5


def test_one_string_may_be_among_the_arguments() -> None:
    call = usual(UsualLines(Clock()), 'open("a, b) = 1", O_RDONLY) = 3')
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
        "close(3) = -1",
        "close(3) = 0 <0.>",
        "close(3) = 0 <.5>",
        "close(3) = 0 (flags)",
        "close(3)= 0",
        "close(3,4) = 0",
        "close(, 4) = 0",
        "close(3,",
        "close(3 <unfinished ...>",
        "  close(3) = 0",
        "1close(3) = 0",
        'rename("a", "b") = 0',
        'open("a"..., 0) = 0',
        "exited",
        "",
    ],
)
def test_another_line_is_for_the_full_parser(line: str) -> None:
    assert usual(UsualLines(Clock()), line) is None


def test_what_is_remembered_is_bounded() -> None:
    lines = UsualLines(Clock())
    for number in range(1, 33_000):
        call = usual(lines, f"{number} call{number}(0{number:o}) = 00{number}")
        assert call is not None
        assert (call.tid, call.args[0], call.ret) == (number, number, number)
    for parts, kept in (
        (lines._names, lines._known_names),
        (lines._constants, lines._values),
        (lines._results, lines._answers),
    ):
        assert 0 < parts.count == len(kept) <= MAX_PARTS
