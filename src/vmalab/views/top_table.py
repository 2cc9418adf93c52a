# SPDX-License-Identifier: GPL-2.0-or-later
"""Lays out processes and what they use of their limits in as many columns as there is room for."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from vmalab.explain.enomem.watched import Watched
from vmalab.views.text_table import table
from vmalab.views.top import COLUMNS, cells, mark_of
from vmalab.views.visible import visible

# What a process has always: its mark and its number.
_ALWAYS: Final = 2


def processes_table(found: Sequence[Watched]) -> Table:
    """Return the table of processes, without columns that say nothing of any."""
    rows = [(mark_of(one), *cells(one), visible(one.comm)) for one in found]
    heads = ("", *(f">{name}" for name, _ in COLUMNS), "name~")
    told = [at for at in range(len(heads)) if at < _ALWAYS or any(row[at] for row in rows)]
    made = table(*(heads[at] for at in told))
    made.box = None
    for row in rows:
        made.add_row(*(Text(row[at]) for at in told))
    return made
