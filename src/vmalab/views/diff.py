# SPDX-License-Identifier: GPL-2.0-or-later
"""Two recordings of one workload, as tables for people."""

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vmalab.explain.diff.growth import MomentGrowth, VmaGrowth
from vmalab.views.blame import HEADS
from vmalab.views.text_table import counted, table
from vmalab.views.visible import visible

_WHEN: Final = {"peak": "at the peak", "end": "at the end"}


def growth_tables(found: VmaGrowth, top: int) -> Iterator[RenderableType]:
    """Yield everything; top: how many causes are listed of each moment."""
    yield Text(f"{visible(found.before)} -> {visible(found.after)}", style="bold")
    for moment in found.moments:
        yield Text(moment_text(moment))
        if moment.causes:
            yield _causes(moment, found.by, top)
    for note in found.notes:
        yield Text(visible(note))


def moment_text(moment: MomentGrowth) -> str:
    """Return one line: "at the peak: 103 -> 163 VMAs (+60), images 5.1 and 7.1"."""
    change = f"{moment.more:+d}" if moment.more else "the same number"
    images = f"images {moment.before_image} and {moment.after_image}"
    counts = f"{moment.before} -> {counted(moment.after, 'VMA')} ({change})"
    return f"{_WHEN[moment.at]}: {counts}, {images}"


def _causes(moment: MomentGrowth, by: str, top: int) -> Table:
    made = table(">more VMAs", ">before", ">after", f"{HEADS[by]}*")
    # What has fewer is listed too: what moved from one cause to another shows at both.
    shown = sorted(moment.causes, key=lambda row: (-abs(row.more), row.cause))[:top]
    for row in sorted(shown, key=lambda row: -row.more):
        cause = Text(visible(row.cause), style="cyan")
        made.add_row(f"{row.more:+d}", str(row.before), str(row.after), cause)
    if len(moment.causes) > top:
        made.add_row("", "", "", f"{len(moment.causes) - top} more (--top)")
    return made
