# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads JSON that somebody else wrote: whatever is wrong with it is one located error."""

import json
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.patterns import pattern

# Halves of characters that stand for no byte: no encoding can hold them.
_LONE: Final = pattern("[\ud800-\udc7f\udd00-\udfff]")


def json_value(text: str) -> object:
    """Return the value of a text.

    Its strings can be written again, with surrogate escapes for bytes.

    Errors: ValueError, RecursionError.
    """
    value: object = json.loads(text)
    if "\\u" in text and _LONE().search(json.dumps(value, ensure_ascii=False)):
        raise ValueError("a string with half of a character")
    return value


def parse_json(raw: bytes, path: str) -> object:
    """Return the value that a file holds. Errors: ReadError, which names `path` and the line."""
    try:
        return json_value(raw.decode(json.detect_encoding(raw), "strict"))
    except RecursionError:
        raise ReadError(path, 0, "nested too deeply") from None
    except json.JSONDecodeError as error:
        raise ReadError(path, error.lineno, f"no JSON: {error.msg}") from None
    except ValueError as error:
        raise ReadError(path, 0, f"no JSON: {error}") from None
