# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables as all views make them, and how sizes and counts are written."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

Row = tuple[str | Text, ...]


def table(*columns: str) -> Table:
    """Return an empty table. Columns whose heading starts with `>` are numbers, set to the right.

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
    """Return bytes in the largest unit that leaves a whole part: "132 KiB", "1.5 GiB"."""
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
