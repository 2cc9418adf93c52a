# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables for terminals: columns keep their places, and numbers read well."""

import io

import pytest
from rich.console import Console

from vmalab.views.text_table import counted, size_text, table


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (4096, "4 KiB"),
        (1536, "1.5 KiB"),
        (132 << 10, "132 KiB"),
        (3 << 29, "1.5 GiB"),
        (128 << 40, "128.0 TiB"),
    ],
)
def test_sizes_in_the_unit_that_suits(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("number", "what", "text"),
    [(1, "VMA", "1 VMA"), (0, "VMA", "0 VMAs"), (2, "boundary", "2 boundaries")],
)
def test_counts_in_words(number: int, what: str, text: str) -> None:
    assert counted(number, what) == text


def test_columns_keep_to_their_sides_and_the_width() -> None:
    made = table(">number", "what*", "cut~")
    made.add_row("7", "a b " * 20, "c" * 90)
    out = io.StringIO()
    Console(file=out, width=60, markup=False).print(made)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("number  what")
    assert lines[2].startswith("     7  a b")
    assert lines[2].rstrip().endswith("c…")
    assert max(map(len, lines)) <= 60
