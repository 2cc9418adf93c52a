# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory behind pointers as JSON, written and read.

Plain strings, numbers, lists and structures are themselves; what is not plain is a list that begins
with a mark no plain list can begin with. Values go as deep as somebody wrote them: this is not
compiled, for what is compiled has no guard against recursion.
"""

import json
from typing import Final

from vmalab.calls.call import FdPath, TruncatedList, TruncatedStr, UnknownSymbol
from vmalab.recording.json_text import json_value

_MARKS: Final[dict[type, str]] = {
    FdPath: "\0fd",
    TruncatedStr: "\0cut",
    UnknownSymbol: "\0symbol",
}
_KINDS: Final = {mark: kind for kind, mark in _MARKS.items()}
_CUT_LIST: Final = "\0cutlist"
_INDICES: Final = "\0indices"


def json_of(value: object) -> str | None:
    """Return memory as JSON, None for none."""
    return None if value is None else json.dumps(_plain(value))


def memory_of(text: str | None) -> object:
    """Return what `json_of` has written. Errors: ValueError, RecursionError."""
    return None if text is None else _value(json_value(text))


def strings_of(text: str | None) -> list[str] | None:
    """Return a list of strings, None for anything else. Errors: as for `memory_of`."""
    found = memory_of(text)
    return [str(item) for item in found] if isinstance(found, list) else None


def _plain(value: object) -> object:
    mark = _MARKS.get(type(value))
    if mark is not None:
        return [mark, str(value)]
    if isinstance(value, TruncatedList):
        return [_CUT_LIST, *(_plain(item) for item in value)]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        plain = {str(key): _plain(item) for key, item in value.items()}
        if any(isinstance(key, int) for key in value):
            return [_INDICES, plain]
        return plain
    return value


def _value(plain: object) -> object:
    if isinstance(plain, dict):
        return {key: _value(item) for key, item in plain.items()}
    if not isinstance(plain, list):
        return plain
    mark = plain[0] if plain and isinstance(plain[0], str) else ""
    if mark in _KINDS and len(plain) == 2:
        return _KINDS[mark](plain[1])
    if mark == _CUT_LIST:
        return TruncatedList([_value(item) for item in plain[1:]])
    if mark == _INDICES and len(plain) == 2 and isinstance(plain[1], dict):
        return {int(key): _value(item) for key, item in plain[1].items()}
    return [_value(item) for item in plain]
