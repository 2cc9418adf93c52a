# SPDX-License-Identifier: GPL-2.0-or-later
"""The values of Arrow columns as Python's, a column at a time: many times as fast as row by row."""

from typing import Any, Final, Literal

# How numbers lie in a column's buffer, by the name of their type.
_FORMATS: Final[dict[str, Literal["q", "Q", "d", "i"]]] = {
    "int64": "q",
    "uint64": "Q",
    "double": "d",
    "int32": "i",
}


def values_of(array: Any) -> list[Any]:
    """Return the values of one column, None where it has none."""
    if array.null_count == len(array):
        return [None] * len(array)
    if array.null_count == 0:
        form = _FORMATS.get(str(array.type))
        if form is not None:
            held: memoryview[Any] = memoryview(array.buffers()[1])
            numbers: list[Any] = held.cast(form)[array.offset : array.offset + len(array)].tolist()
            return numbers
    if hasattr(array, "dictionary"):
        words = values_of(array.dictionary)
        return [None if at is None else words[at] for at in values_of(array.indices)]
    found: list[Any] = array.to_pylist()
    return found


def rows_of(batch: Any) -> "zip[tuple[Any, ...]]":
    """Return the rows of a batch, their values in the order of its columns.

    Errors: ArrowInvalid for a batch that is not what it says, as one from a file may be.
    """
    batch.validate(full=True)
    return zip(*(values_of(column) for column in batch.columns), strict=True)
