# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes messages of protocol buffers: numbers as varints, texts and messages with their length.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from typing import Final

_VARINT: Final = 0
_LENGTH: Final = 2


def varint(number: int) -> bytes:
    """Return a number of 64 bits, seven bits a byte, lowest first; a negative one as it wraps."""
    number &= (1 << 64) - 1
    found = bytearray()
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def number_field(field: int, number: int) -> bytes:
    """Return a field that holds a number."""
    return varint(field << 3 | _VARINT) + varint(number)


def bytes_field(field: int, content: bytes) -> bytes:
    """Return a field that holds bytes, or a message."""
    return varint(field << 3 | _LENGTH) + varint(len(content)) + content


def text_field(field: int, text: str) -> bytes:
    """Return a field that holds a text."""
    return bytes_field(field, text.encode("utf-8", "backslashreplace"))
