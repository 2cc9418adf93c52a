# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines that are taken to be strace's at once: no other reader would have had them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.recording.readers.other_logs import chosen_reader
from vmalab.recording.readers.plain_lines import are_plain
from vmalab.recording.readers.strace import StraceReader

_CALLERS = ("", "100 ", "1  ", "7 12:00:01 ", "12:00:01.5 ", "3 1700000000.25 ", "1700000000.1 ")
_NAMES = ("mmap", "brk", "r5", "r5x", "r12345", "ab", "sys_mmap", "openat", "_x9")
_ARGUMENTS = (
    "",
    "NULL",
    "0x7f0000000000, 4096, PROT_READ|PROT_WRITE, -1, 0",
    "&AUTO",
    "0x1000=nil",
    "=ANY=",
    '"a > b", 3',
    "syscalls:sys_enter_mmap: addr: 0x0",
    "x-1 000 1.5: sys_mmap",
    "1.0 ms",
    "> | 3: ",
)
_RESULTS = ("0", "0x7f0000000000", "-1 ENOENT (No such file or directory)", "3 <0.000012>")
_CALL = st.builds(
    "{}{}({}) {}= {}".format,
    st.sampled_from(_CALLERS),
    st.sampled_from(_NAMES),
    st.sampled_from(_ARGUMENTS),
    st.sampled_from(("", "     ")),
    st.sampled_from(_RESULTS),
)
_LETTERS = st.text("12ar_ .:|><()[]=-\"'#$&,x\n\t", max_size=40)


@given(st.lists(_CALL | _LETTERS, max_size=6))
def test_plain_lines_are_read_by_the_reader_that_is_chosen_the_long_way(lines: list[str]) -> None:
    if are_plain(lines):
        assert isinstance(chosen_reader(lines, pasted=True), StraceReader)


@given(st.lists(_CALL.filter(lambda line: are_plain([line])), min_size=1, max_size=90))
def test_many_plain_lines_are_too(lines: list[str]) -> None:
    assert are_plain(lines)
    assert isinstance(chosen_reader(lines, pasted=True), StraceReader)


@pytest.mark.parametrize(
    "line",
    [
        "> 100 brk(NULL) = 0x1000",
        "brk(NULL) = 0x1000 brk(NULL) = 0x1000",
        "100 brk(NULL <unfinished ...>",
        "100 +++ exited with 0 +++",
        "mmap(&(0x7f0000000000/0x1000)=nil, 0x1000)",
        "r0 = openat(0x0, &AUTO)",
        "st-22475 [000] ..... 16000.317270: sys_mmap(addr: 0) = 0",
        "     0.100 ( 0.003 ms): st/1 mmap(len: 4096) = 0",
        "100 mmap(NULL, 4096, PROT_READ, MAP_PRI",
        "VATE, 3, 0) = 0x1000",
        "",
    ],
)
def test_what_is_not_plain_is_looked_at(line: str) -> None:
    assert not are_plain([line])


@pytest.mark.parametrize(
    ("numbers", "plain"), [((7, 8, 9), False), ((7, 7, 8), True), ((9, 8, 7), True), ((7, 8), True)]
)
def test_numbers_that_may_count_lines_are_looked_at(numbers: tuple[int, ...], plain: bool) -> None:
    assert are_plain([f"{number} brk(NULL) = 0x1000" for number in numbers]) is plain
