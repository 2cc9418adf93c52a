# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks a JSON object for values of a type; what is wrong names the key from the top."""

import re
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.patterns import pattern

_U64: Final = 1 << 64
_LOWEST: Final = -(1 << 63)
_RANGE = pattern(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})$", re.ASCII)


class Fields:
    """One JSON object, asked for values of a type; errors name the key from the top."""

    def __init__(self, path: str, where: str, value: object) -> None:
        self._path = path
        self._where = where
        if not isinstance(value, dict):
            raise ReadError(path, 0, f"{where or 'the file'}: an object expected")
        self._value: dict[str, object] = value

    def names(self) -> list[str]:
        return list(self._value)

    def wrong(self, key: str, expected: str) -> ReadError:
        found = str(self._value.get(key))[:40]
        return ReadError(self._path, 0, f"{self._where}{key}: {expected} expected, not {found!r}")

    def get(self, key: str) -> object:
        return self._value.get(key)

    def child(self, key: str) -> "Fields":
        value = self._value.get(key)
        return Fields(self._path, f"{self._where}{key}.", {} if value is None else value)

    def items(self, key: str) -> list[object]:
        value = self._value.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        return value

    def objects(self, key: str) -> list["Fields"]:
        return [
            Fields(self._path, f"{self._where}{key}[{index}].", value)
            for index, value in enumerate(self.items(key))
        ]

    def text(self, key: str, default: str = "") -> str:
        """Return a string; a number or boolean as its text."""
        value = self._value.get(key)
        if value is None:
            return default
        if not isinstance(value, str | int):
            raise self.wrong(key, "a string")
        return str(value)

    def boolean(self, key: str) -> bool | None:
        """True or false."""
        value = self._value.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def number(self, key: str) -> int | None:
        """Return a number from 0 to 2**64 - 1, also written as "0x..."."""
        value = self._value.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                value = int(value, 0) if len(value) <= 32 else None
            except ValueError:
                value = None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _U64:
            raise self.wrong(key, "a number below 2**64")
        return value

    def number_or(self, key: str, default: int) -> int:
        value = self.number(key)
        return default if value is None else value

    def numbers(self) -> dict[str, int]:
        """Return all values, as numbers; nulls left out."""
        found = {}
        for key in self._value:
            value = self.number(key)
            if value is not None:
                found[key] = value
        return found

    def texts(self) -> dict[str, str]:
        """Return all values, as texts."""
        return {key: self.text(key) for key in self._value}

    def mixed(self) -> dict[str, int | str]:
        """All values: whole numbers as such (also those written as text), anything else as text."""
        found: dict[str, int | str] = {}
        for key, value in self._value.items():
            if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise self.wrong(key, "a number or a string")
            if isinstance(value, int) and not _LOWEST <= value < _U64:
                raise self.wrong(key, "a number of 64 bits")
            found[key] = value
        return found

    def limits(self) -> dict[str, tuple[int, int]]:
        """Return all values as pairs (soft, hard); null is no limit."""
        found: dict[str, tuple[int, int]] = {}
        for key in self._value:
            pair = [limit_of(item) for item in self.items(key)]
            if len(pair) != 2 or min(pair) < 0:
                raise self.wrong(key, "[soft, hard] in numbers below 2**64")
            found[key] = (pair[0], pair[1])
        return found

    def ranges(self, key: str) -> tuple[tuple[int, int], ...] | None:
        """Return a list of "start-end" in hexadecimal."""
        if self._value.get(key) is None:
            return None
        found = []
        for item in self.items(key):
            match = _RANGE().match(item) if isinstance(item, str) else None
            if match is None:
                raise self.wrong(key, "a list of start-end")
            found.append((int(match.group(1), 16), int(match.group(2), 16)))
        return tuple(found)

    def rows(self, key: str, width: int) -> list[tuple[int, ...]]:
        """Return a list of lists of `width` numbers from 0 to 2**64 - 1."""
        found = []
        for item in self.items(key):
            if not isinstance(item, list) or len(item) != width or min(map(limit_of, item)) < 0:
                raise self.wrong(key, f"rows of {width} numbers below 2**64")
            found.append(tuple(map(limit_of, item)))
        return found


def limit_of(value: object) -> int:
    """Return a resource limit, null for none; -1 when it is no number below 2**64."""
    if value is None:
        return RLIM_INFINITY
    if not isinstance(value, int) or isinstance(value, bool):
        return -1
    return value if value < _U64 else -1
