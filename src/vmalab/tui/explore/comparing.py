# SPDX-License-Identifier: GPL-2.0-or-later
"""Two moments of one image, compared: which VMAs are new, which are gone, which have changed."""

from collections import Counter
from typing import Final

from vmalab.explain.travel.index import MomentIndex
from vmalab.tui.explore.errands import VmaRow
from vmalab.views.text_table import counted, size_text

# VMAs of each kind that are listed, and calls that have made new ones.
_LISTED: Final = 200
_CALLS: Final = 10


def compared(
    known: MomentIndex, earlier: int, old: list[VmaRow], later: int, new: list[VmaRow]
) -> str:
    """Return the difference between two moments of one image, line by line."""
    before = {row.number: row for row in old}
    after = {row.number: row for row in new}
    made = [row for row in new if row.number not in before]
    gone = [row for row in old if row.number not in after]
    changed = [row for row in new if row.number in before and _looks(before[row.number], row)]
    sizes = sum(row.end - row.start for row in new) - sum(row.end - row.start for row in old)
    sign = "-" if sizes < 0 else "+"
    lines = [
        f"from line {known.line[earlier]} ({counted(len(old), 'VMA')}) to line {known.line[later]} "
        f"({counted(len(new), 'VMA')}, {sign}{size_text(abs(sizes))} mapped)",
        f"{len(made)} made, {len(gone)} gone, {len(changed)} changed",
    ]
    makers = Counter(_maker(known, row) for row in made)
    lines += ["", "made by", *(f"{n:>8}  {who}" for who, n in makers.most_common(_CALLS))]
    for head, mark, rows in (("made", "+", made), ("gone", "-", gone), ("changed", "~", changed)):
        if rows:
            lines += ["", head]
            lines += [f"{mark} {_text(row)}" for row in rows[:_LISTED]]
            if len(rows) > _LISTED:
                lines.append(f"  and {len(rows) - _LISTED} more")
    return "\n".join(lines)


def _looks(old: VmaRow, new: VmaRow) -> bool:
    """Return whether a VMA does not look as it did."""
    one = (old.start, old.end, old.perms, old.name)
    return one != (new.start, new.end, new.perms, new.name)


def _maker(known: MomentIndex, row: VmaRow) -> str:
    """Return who made a VMA: the place of the program, and the call."""
    at = known.of_origin(row.born)
    if at is None:
        return "not known"
    call = known.names[known.name[at]] or "no call"
    frames = known.stacks[known.stack[at]]
    return f"{frames[0]}, {call}" if frames else call


def _text(row: VmaRow) -> str:
    return f"{row.start:012x}-{row.end:012x} {row.perms} {row.name}"
