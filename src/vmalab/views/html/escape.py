# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes text from recordings harmless in a page: whatever it holds, it is shown and never obeyed.

Names of files and programs are any bytes. Characters that cannot be seen, that turn the direction
of writing, or that are bytes and no characters at all, are shown as escapes.
"""

import html

from vmalab.views.answers.answer import json_text
from vmalab.views.visible import visible


def as_text(text: str) -> str:
    """Return the text for HTML, also inside of quotes."""
    return html.escape(visible(text), quote=True)


def as_json(value: object) -> str:
    """JSON that may stand inside a script element: ASCII, without `<`, `>` and `&`."""
    text = json_text(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
