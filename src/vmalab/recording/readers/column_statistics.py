# SPDX-License-Identifier: GPL-2.0-or-later
"""Says which columns of a Parquet file say something, by what it says of their values itself."""

from typing import Any, Final

# The column that is read in any case, so that each row is there.
_ALWAYS: Final = "kind"
# What says as little of a call as no value.
_NOTHING: Final[dict[str, object]] = {"time": 0.0, "abi": "x86_64", "lenient": False}


def telling_columns(metadata: Any) -> list[str]:
    """Return the names of the columns that say something in some row; where in doubt, they do."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    return [
        name
        for place, name in enumerate(metadata.schema.names)
        if name == _ALWAYS or not all(_is_silent(name, group.column(place)) for group in groups)
    ]


def _is_silent(name: str, chunk: Any) -> bool:
    """Return whether a column says nothing in all rows of a group."""
    found = chunk.statistics
    if found is None:
        return False
    if found.has_null_count and found.null_count == chunk.num_values:
        return True
    return name in _NOTHING and found.has_min_max and found.min == found.max == _NOTHING[name]
