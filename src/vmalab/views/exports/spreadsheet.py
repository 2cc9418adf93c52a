# SPDX-License-Identifier: GPL-2.0-or-later
"""A log's events as rows of comma-separated values, with the columns of Parquet files."""

import csv
from collections.abc import Iterable
from typing import Final, TextIO

from vmalab.calls.call import Event
from vmalab.recording.readers.columns import row_of

COLUMNS: Final = (
    "kind",
    "line",
    "entry_line",
    "tid",
    "time",
    "name",
    *(f"a{index}" for index in range(6)),
    "ret",
    "ret_text",
    "abi",
    "lenient",
    "mem",
    "out",
    "ret_mem",
    "stack",
    "addr",
    "text",
    "status",
    "successor",
)
# What a spreadsheet would take for a formula when a cell begins with it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_rows(events: Iterable[Event], file: TextIO) -> int:
    """Write a heading and a row for each event; return how many. Null is empty."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(COLUMNS)
    count = 0
    for event in events:
        row = row_of(event)
        rows.writerow([_cell(row.get(name)) for name in COLUMNS])
        count += 1
    return count


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode("utf-8")
        return f"'{text}" if text.startswith(_FORMULA) else text
    return value
