# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes batches of Arrow apart into packed columns, without an object for any value."""

from array import array
from collections.abc import Iterator
from typing import Any, Final, final

from vmalab.recording.readers.column_calls import Columns
from vmalab.recording.readers.packed_column import (
    BIT,
    FLOAT,
    SIGNED,
    UNSIGNED,
    WORD,
    Column,
    Words,
)

# What numbers are, by the name of their type; each has eight bytes.
_FORMS: Final = {"int64": SIGNED, "uint64": UNSIGNED, "double": FLOAT}
_BYTES: Final = 8
# Those of a place, of a word or in the texts.
_PLACE_BYTES: Final = 4
# Columns whose words are looked up and compared again and again.
_NAMES: Final = frozenset(("kind", "name", "abi"))


@final
class ColumnValues:
    """Takes the columns of one file apart, batch after batch; words that they share, once."""

    def __init__(self) -> None:
        # By column: the dictionary of the batch before, and its words.
        self._words: dict[str, tuple[Any, Words]] = {}
        # Of texts that no dictionary has: each row its own.
        self._places = b""

    def columns_of(self, batch: Any) -> dict[str, Column | None]:
        """Return the columns of a batch, which is valid, by name; None for one without values."""
        columns = zip(batch.schema.names, batch.columns, strict=True)
        return {
            name: None if column.null_count == len(column) else self._column_of(name, column)
            for name, column in columns
        }

    def _column_of(self, name: str, column: Any) -> Column:
        valid, first = _valid_bits(column)
        kind = str(column.type)
        if kind in _FORMS:
            return Column(_FORMS[kind], _values(column, _BYTES), valid, first, None)
        if kind == "bool":
            return Column(BIT, _bits(column.buffers()[1], column), valid, first, None)
        if hasattr(column, "dictionary"):
            places = _values(column.indices, _PLACE_BYTES)
            return Column(WORD, places, valid, first, self._words_of(name, column.dictionary))
        places = self._own_places(len(column))
        return Column(WORD, places, valid, first, _words(column, name in _NAMES))

    def _words_of(self, name: str, dictionary: Any) -> Words:
        known = self._words.get(name)
        if known is not None and known[0].equals(dictionary):
            return known[1]
        words = _words(dictionary, name in _NAMES)
        self._words[name] = dictionary, words
        return words

    def _own_places(self, rows: int) -> bytes:
        if len(self._places) < rows * _PLACE_BYTES:
            self._places = array("i", range(rows)).tobytes()
        return self._places


def _valid_bits(array: Any) -> tuple[bytes, int]:
    """Return which values an array has, as a column keeps it."""
    first = array.offset % 8
    return (_bits(array.buffers()[0], array) if array.null_count else b""), first


def _bits(buffer: Any, array: Any) -> bytes:
    """Return the bytes of a buffer with the bits of an array, the first somewhere in the first."""
    end = array.offset + len(array)
    return bytes(memoryview(buffer)[array.offset // 8 : (end + 7) // 8])


def _values(array: Any, size: int) -> bytes:
    """Return the values of an array, each of so many bytes."""
    start = array.offset * size
    return bytes(memoryview(array.buffers()[1])[start : start + len(array) * size])


def _words(texts: Any, compared: bool) -> Words:
    """Return texts that no dictionary has. compared: whether they are compared again and again."""
    count = len(texts)
    _, offsets, characters = texts.buffers()
    start = texts.offset * _PLACE_BYTES
    ends = bytes(memoryview(offsets)[start : start + (count + 1) * _PLACE_BYTES])
    begin, end = (int.from_bytes(ends[at:][:_PLACE_BYTES], "little") for at in (0, -_PLACE_BYTES))
    text = bytes(memoryview(characters)[begin:end]) if characters is not None else b""
    valid, first = _valid_bits(texts)
    return Words(count, ends, text, valid, first, compared)


def pieces_of(columns: Columns, rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield the rows [start, end) of a batch in pieces with texts of about `most` bytes.

    Or that are one row. A text counts for each row that has it: what is made of it is made for
    each.
    """
    texts = [column for column in columns.values() if column is not None and column.form == WORD]
    piece = rows
    if sum(column.bytes_of_row for column in texts) * rows > most:
        size = sum(column.bytes_of(0, rows) for column in texts)
        if size > most:
            piece = max(1, rows * most // size)
    for at in range(0, rows, piece):
        yield at, min(at + piece, rows)


def find_long_text(columns: Columns, rows: int, most: int) -> int | None:
    """Return the row of a batch, from 0 on, with a text of more than `most` bytes, or None."""
    for column in columns.values():
        if column is not None and column.bytes_of_row > most:
            at = column.find_longer(most, rows)
            if at >= 0:
                return int(at)
    return None
