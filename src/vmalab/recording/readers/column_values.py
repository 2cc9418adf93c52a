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
    """Return the rows of a batch, which is valid, their values in the order of its columns."""
    return zip(*(values_of(column) for column in batch.columns), strict=True)


def find_long_text(batch: Any, most: int) -> int | None:
    """Return the row of a batch, from 0 on, with a text of more than `most` bytes, or None.

    Errors: ArrowInvalid for a batch that is not what it says.
    """
    import pyarrow.compute as pc

    batch.validate(full=True)
    for column in batch.columns:
        texts = column.dictionary if hasattr(column, "dictionary") else column
        if str(texts.type) != "string":
            continue
        longest = pc.max(pc.binary_length(texts)).as_py() or 0
        if longest > most:
            for at, text in enumerate(values_of(column)):
                if text is not None and len(text.encode()) > most:
                    return at
    return None
