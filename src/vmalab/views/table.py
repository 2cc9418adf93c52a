# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables and text for a terminal: 80 columns where it does not say, colour only where it has any.

What comes from a recording is printed as it is, never as markup, and without control characters.
"""

import re
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Row = tuple[str | Text, ...]


def shown(text: str) -> str:
    """The text with control characters, and bytes that are not UTF-8, as `\\x1b`."""
    return _UNPRINTABLE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code & 0xFF:02x}" if code < 0x100 or code >= 0xD800 else f"\\u{code:04x}"


def put(part: RenderableType = "") -> None:
    """Print on standard output; what is no terminal gets 80 columns and no colour.

    A line of text stays whole: a terminal wraps it, and what reads a pipe can search it.
    """
    out = Console(markup=False, highlight=False, emoji=False)
    out.print(part, soft_wrap=isinstance(part, str | Text))


def table(*columns: str) -> Table:
    """An empty table. Columns whose heading starts with `>` are numbers, set to the right.

    The column whose heading ends in `*` takes what room is left, and wraps; in `~`: is cut.
    """
    made = Table(
        box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    for column in columns:
        wide = column.endswith(("*", "~"))
        made.add_column(
            column.lstrip(">").rstrip("*~"),
            justify="right" if column.startswith(">") else "left",
            overflow="ellipsis" if column.endswith("~") else "fold",
            no_wrap=not column.endswith("*"),
            ratio=1 if wide else None,
        )
    made.expand = any(column.endswith(("*", "~")) for column in columns)
    return made


def size_text(size: int) -> str:
    """Bytes in the largest unit that leaves a whole part: "132 KiB", "1.5 GiB"."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if amount == int(amount) else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def counted(number: int, what: str) -> str:
    """ "1 VMA", "2 VMAs"; "1 boundary", "2 boundaries"."""
    if number == 1:
        return f"1 {what}"
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{number} {plural}"
