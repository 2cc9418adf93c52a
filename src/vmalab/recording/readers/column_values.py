# SPDX-License-Identifier: GPL-2.0-or-later
"""The values of Arrow columns as Python's, a column at a time: many times as fast as row by row."""

from sys import intern
from typing import Any, Final, Literal, final

# How numbers lie in a column's buffer, by the name of their type.
_FORMATS: Final[dict[str, Literal["q", "Q", "d", "i"]]] = {
    "int64": "q",
    "uint64": "Q",
    "double": "d",
    "int32": "i",
}
# Columns whose words are looked up and compared again and again.
_NAMES: Final = frozenset(("kind", "name", "abi"))


@final
class ColumnValues:
    """Takes the columns of one file apart, batch after batch; words that they share, once."""

    def __init__(self) -> None:
        # By column: the dictionary of the batch before, and its words.
        self._words: dict[str, tuple[Any, list[str | None]]] = {}

    def columns_of(self, batch: Any) -> dict[str, list[Any] | None]:
        """Return the values of a batch, which is valid, by column; None for one without any."""
        columns = zip(batch.schema.names, batch.columns, strict=True)
        return {
            name: None if column.null_count == len(column) else self._values_of(name, column)
            for name, column in columns
        }

    def rows_of(self, batch: Any) -> "zip[tuple[Any, ...]]":
        """Return the rows of a batch, which is valid, their values in the order of its columns."""
        nothing = [None] * len(batch)
        return zip(*(column or nothing for column in self.columns_of(batch).values()), strict=True)

    def _values_of(self, name: str, column: Any) -> list[Any]:
        if not hasattr(column, "dictionary"):
            return _plain_values(column)
        words = self._words_of(name, column.dictionary)
        if column.null_count == 0:
            return list(map(words.__getitem__, _plain_values(column.indices)))
        return [None if at is None else words[at] for at in _plain_values(column.indices)]

    def _words_of(self, name: str, dictionary: Any) -> list[str | None]:
        known = self._words.get(name)
        if known is not None and known[0].equals(dictionary):
            return known[1]
        words: list[str | None] = dictionary.to_pylist()
        if name in _NAMES:
            words = [word and intern(word) for word in words]
        self._words[name] = dictionary, words
        return words


def _plain_values(array: Any) -> list[Any]:
    """Return the values of an array without a dictionary, None where it has none."""
    import pyarrow.compute as pc

    if array.null_count == 0 and pc.all(pc.equal(array, array[0])).as_py():
        return [array[0].as_py()] * len(array)
    form = _FORMATS.get(str(array.type))
    if form is None:
        found: list[Any] = array.to_pylist()
        return found
    held: memoryview[Any] = memoryview(array.buffers()[1])
    numbers: list[Any] = held.cast(form)[array.offset : array.offset + len(array)].tolist()
    if array.null_count:
        for at in pc.indices_nonzero(array.is_null()).to_pylist():
            numbers[at] = None
    return numbers


def pieces_of(batch: Any, most: int) -> list[Any]:
    """Return a batch in pieces whose rows have texts of about `most` bytes, or that are one row.

    A text counts for each row that has it: what is made of it is made for each.
    """
    import pyarrow.compute as pc

    size = 0
    for column in batch.columns:
        texts = column.dictionary if hasattr(column, "dictionary") else column
        if str(texts.type) == "string" and column.null_count < len(column):
            lengths = pc.binary_length(texts)
            if texts is not column:
                lengths = lengths.take(column.indices)
            size += pc.sum(lengths).as_py() or 0
    if size <= most:
        return [batch]
    rows = max(1, len(batch) * most // size)
    return [batch.slice(at, rows) for at in range(0, len(batch), rows)]


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
            for at, text in enumerate(column.to_pylist()):
                if text is not None and len(text.encode()) > most:
                    return at
    return None
