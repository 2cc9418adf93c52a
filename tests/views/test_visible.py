# SPDX-License-Identifier: GPL-2.0-or-later
"""What may be printed: every character that could steer, hide or turn text becomes an escape."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.views.visible import visible


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("/lib/libc.so.6", "/lib/libc.so.6"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("tab\tline\n\x7f", "tab\\x09line\\x0a\\x7f"),
        ("\udcff", "\\xff"),
        ("\u2028\x9b", "\\u2028\\u009b"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("a\u200b\u200f\u061c\u2066b", "a\\u200b\\u200f\\u061c\\u2066b"),
        ("a\ufe0fb\u3164", "a\\ufe0fb\\u3164"),
        ("\U000e0041\ud800", "\\U000e0041\\ud800"),
        ("größe [bold] :smile: \\x1b", "größe [bold] :smile: \\x1b"),
    ],
    ids=ascii,
)
def test_what_does_not_print_is_an_escape(text: str, printed: str) -> None:
    assert visible(text) == printed


def test_newlines_stay_where_lines_are_printed() -> None:
    assert visible("a\nb\r\n", lines=True) == "a\nb\\x0d\n"


def test_no_category_of_the_invisible_is_left() -> None:
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    points = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) in hidden]
    assert set(points).isdisjoint(visible("".join(points)))


@given(st.text(st.characters(exclude_categories=())))
def test_escaping_twice_is_escaping_once(text: str) -> None:
    assert visible(visible(text)) == visible(text)
