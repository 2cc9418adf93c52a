# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a line are read in order; what is no part stays where it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.recording.readers.characters import COLON, NEWLINE, SPACE
from vmalab.recording.readers.scanner import Scanner, bytes_of


def test_parts_come_in_order_to_the_end_of_the_line() -> None:
    scanner = Scanner(b"@12 7f:0 word 5\nnext\n", 1)
    assert scanner.decimal(SPACE) == 12
    assert scanner.hexadecimal(COLON) == 0x7F
    assert scanner.decimal(SPACE) == 0
    assert scanner.word() == "word"
    assert not scanner.done
    assert scanner.decimal(SPACE) == 5
    assert scanner.done
    assert scanner.word() == ""
    assert scanner.decimal(SPACE) == -1
    assert scanner.line() == ""
    assert not scanner.passes(b"new")
    assert scanner.passes(b"ne")
    assert scanner.line() == "xt"
    assert scanner.at == scanner.size


def test_a_number_may_end_with_its_line() -> None:
    scanner = Scanner(b"1\n2\n")
    assert (scanner.decimal(NEWLINE), scanner.decimal(NEWLINE)) == (1, 2)
    assert scanner.at == 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("0x0", 0),
        ("17,", 17),
        ("0x1f)", 0x1F),
        ("9" * 18, 10**18 - 1),
        ("0x" + "f" * 15, (1 << 60) - 1),
    ],
)
def test_numbers_are_read_as_c_prints_them(text: str, value: int) -> None:
    scanner = Scanner(bytes_of(text))
    assert scanner.number()
    assert (scanner.value, scanner.in_hexadecimal) == (value, text.startswith("0x"))
    assert scanner.at == len(text.rstrip(",)"))


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "00", "017", "0x", "0x01", "0xF", "1" * 19, "0x" + "f" * 16]
)
def test_other_numbers_are_not_passed(text: str) -> None:
    scanner = Scanner(bytes_of(text))
    assert not scanner.number()
    assert scanner.at == 0


@pytest.mark.parametrize("line", ["a\nb", "\ud800"])
def test_what_no_file_can_have_as_a_line_has_no_bytes(line: str) -> None:
    assert bytes_of(line) == b""


@pytest.mark.parametrize("text", ["", " 1", "x", "1x", "-1", "1" * 19, "12:", "\u0661"])
def test_what_is_no_number_is_not_passed(text: str) -> None:
    scanner = Scanner(bytes_of(text))
    assert scanner.decimal(SPACE) == -1
    assert scanner.at == 0


@pytest.mark.parametrize("text", ["", "g", "1F", "0x1", "f" * 16])
def test_what_is_no_hexadecimal_number_is_not_passed(text: str) -> None:
    scanner = Scanner(bytes_of(text))
    assert scanner.hexadecimal(SPACE) == -1
    assert scanner.at == 0


@pytest.mark.parametrize("digits", ["0", "9" * 15, "000000000000001"])
def test_short_numbers_are_usual(digits: str) -> None:
    assert Scanner(bytes_of(digits)).decimal(SPACE) == int(digits)
    assert Scanner(bytes_of(digits)).hexadecimal(SPACE) == int(digits, 16)


@given(st.text("0123456789abcdef", max_size=17), st.binary(max_size=9))
def test_hexadecimal_digits_are_read_as_far_as_they_go(digits: str, behind: bytes) -> None:
    text = digits.encode() + behind + b"\n"
    found = re.match(rb"[0-9a-f]*", text)
    assert found is not None
    size = found.end()
    scanner = Scanner(text)
    value = scanner.hexadecimal_digits()
    if 0 < size <= 15:
        assert (value, scanner.at) == (int(text[:size], 16), size)
    else:
        assert (value, scanner.at) == (-1, 0)


@given(st.binary(max_size=40), st.integers(0, 255), st.integers(0, 255), st.integers(0, 9))
def test_the_next_of_two_characters_is_found(line: bytes, one: int, other: int, at: int) -> None:
    text = line + b"\nmore\n"
    at = min(at, len(line))
    scanner = Scanner(text, at)
    expected = next(i for i in range(at, len(text)) if text[i] in (one, other, NEWLINE))
    assert scanner.place_of(one, other) == expected
    assert scanner.at == at
