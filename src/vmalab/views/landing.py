# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a mapping lands, as text for people."""

import os
from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from vmalab.explain.why.landing import Gap, Landing
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.views.text_table import size_text, table
from vmalab.views.visible import visible


def landing_told(landing: Landing) -> Iterator[RenderableType]:
    """Yield everything: the address first, then why."""
    if landing.address is None:
        yield Text(f"refused: {landing.errno}", style="bold red")
    else:
        end = landing.address + landing.length
        yield Text(f"{landing.address:x}-{end:x}  {size_text(landing.length)}", style="bold")
    yield Text(f"  chosen: {landing.rule} ({landing.base:x})")
    if landing.gap is not None:
        yield Text(f"  gap: {_gap(landing.gap)}")
    if landing.alignment > PAGE_SIZE:
        yield Text(f"  aligned to {size_text(landing.alignment)}: {visible(landing.asked_by)}")
        if landing.searched > landing.length:
            yield Text(f"  searched for {size_text(landing.searched)}, to have room for that")
        if landing.unaligned is not None:
            yield Text(f"  without the alignment it would be at {landing.unaligned:x}")
    else:
        yield Text(f"  aligned to pages only: {visible(landing.asked_by)}")
    if landing.hint_verdict:
        yield Text(visible(f"  hint {landing.hint:#x}: {landing.hint_verdict}"))
    if landing.passed_count:
        yield Text()
        many = "1 gap" if landing.passed_count == 1 else f"{landing.passed_count} gaps"
        yield Text(f"{many} passed over on the way, {size_text(landing.passed_bytes)} in all:")
        rows = table(">usable", "gap", "why", "above it~")
        for gap in landing.passed:
            where = f"{gap.start:x}-{gap.end:x}"
            name = os.path.basename(gap.above.partition(" ")[2])
            rows.add_row(size_text(gap.usable), where, gap.why, visible(name))
        yield rows
        left_out = landing.passed_count - len(landing.passed)
        if left_out:
            yield Text(f"and {left_out} smaller ones")


def _gap(gap: Gap) -> str:
    text = f"{gap.start:x}-{gap.end:x}, {size_text(gap.end - gap.start)}"
    if gap.usable < gap.end - gap.start:
        text += f" ({size_text(gap.usable)} without the guard gap above)"
    sides = [f"above {gap.below}" if gap.below else "", f"below {gap.above}" if gap.above else ""]
    return visible(", ".join([text, *filter(None, sides)]))
