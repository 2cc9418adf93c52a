# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes text from recordings harmless in a page: whatever it holds, it is shown and never obeyed.

Names of files and programs are any bytes. Characters that cannot be seen, that turn the direction
of writing, or that are bytes and no characters at all, are shown as escapes.
"""

from vmalab.views.answers.answer import json_text
from vmalab.views.visible import visible


def shown(value: object) -> object:
    """Return what a template puts into the page: text with escapes; the rest as it is.

    What has a method __html__ is markup of our own. The template escapes what HTML must not hold.
    """
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value


def as_json(value: object) -> str:
    """JSON that may stand inside a script element: ASCII, without `<`, `>` and `&`."""
    text = json_text(value)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
