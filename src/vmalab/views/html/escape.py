# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes text from recordings harmless in a page: whatever it holds, it is shown and never obeyed.

Names of files and programs are any bytes. Characters that cannot be seen, that turn the direction
of writing, or that are bytes and no characters at all, are shown as escapes.
"""

import html
import json


def visible(text: str) -> str:
    """The text with every character that does not print as an escape: `\\x1b`, `\\u202e`."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        # A byte that was no UTF-8.
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def as_text(text: str) -> str:
    """The text for HTML, also inside of quotes."""
    return html.escape(visible(text), quote=True)


def as_json(value: object) -> str:
    """JSON that may stand inside a script element: ASCII, without `<`, `>` and `&`."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
