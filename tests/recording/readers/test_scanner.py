# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of a line are read in order; what is no part stays where it is."""

import pytest

from vmalab.recording.readers.characters import COLON, SPACE
from vmalab.recording.readers.scanner import Scanner


def test_parts_come_in_order_to_the_end_of_the_line() -> None:
    scanner = Scanner("@12 7f:0 word 5", 1)
    assert scanner.decimal(SPACE) == 12
    assert scanner.hexadecimal(COLON) == 0x7F
    assert scanner.decimal(SPACE) == 0
    assert scanner.word() == "word"
    assert not scanner.done
    assert scanner.decimal(SPACE) == 5
    assert scanner.done
    assert scanner.word() == ""
    assert scanner.decimal(SPACE) == -1


@pytest.mark.parametrize("text", ["", " 1", "x", "1x", "-1", "1" * 16, "12:", "\u0661"])
def test_what_is_no_number_is_not_passed(text: str) -> None:
    scanner = Scanner(text)
    assert scanner.decimal(SPACE) == -1
    assert scanner.at == 0


@pytest.mark.parametrize("text", ["", "g", "1F", "0x1", "f" * 16])
def test_what_is_no_hexadecimal_number_is_not_passed(text: str) -> None:
    scanner = Scanner(text)
    assert scanner.hexadecimal(SPACE) == -1
    assert scanner.at == 0


@pytest.mark.parametrize("digits", ["0", "9" * 15, "000000000000001"])
def test_short_numbers_are_usual(digits: str) -> None:
    assert Scanner(digits).decimal(SPACE) == int(digits)
    assert Scanner(digits).hexadecimal(SPACE) == int(digits, 16)
