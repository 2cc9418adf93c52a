# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab why --html`: the map at one moment, and what keeps its VMAs apart."""

import os
from collections.abc import Iterator
from typing import Final

from vmalab.calls.snapshot import VmaLine
from vmalab.explain.why.barriers import FILE, FLAGS, OF_FILE, SPECIAL
from vmalab.explain.why.boundaries import BoundaryGroup, LayoutCost, Why
from vmalab.explain.why.conditions import notes_on
from vmalab.explain.why.place import Meeting, Place
from vmalab.targets.model.versions import linux_named
from vmalab.views.html.document import (
    CULPRIT,
    CURE,
    SYMPTOM,
    Figure,
    KeyFigure,
    Page,
    Statement,
    Table,
    title_of,
)
from vmalab.views.html.replay import size
from vmalab.views.html.still import boundaries_of, still_of
from vmalab.views.why import WhyFindings, notes_of

NOTE: Final = (
    "The vertical scale is by address; a range is as high as the logarithm of its size, and holes "
    "are folded. Drag to zoom; a click shows a VMA and what keeps it apart."
)
NO_CURE: Final = (
    "Nothing that a program could easily avoid keeps a tenth of the VMAs apart: these are "
    "different files, or parts of them."
)
# A cause is worth avoiding when it costs one VMA in so many.
_PART: Final = 10
# Letters of VmFlags that go with permissions.
_PERMISSIONS: Final = frozenset(("rd", "wr", "ex", "ac"))
_FEWER: Final = {True: "fewer VMAs", False: "fewer at most"}
_HOLDS: Final = {True: "holds", False: "FAILS", None: "?"}


def why_page(found: WhyFindings) -> Page:
    """Return the page."""
    why = found.why
    path = os.path.normpath(found.subject)
    image = f", image {found.image}" if found.image else ""
    at = found.at if found.at.startswith("line") or not found.line else f"{found.at}, line"
    moment = f"{at} {found.line}" if at.endswith(", line") else at
    page = Page(
        title=title_of(path),
        subtitle=f"vmalab why of {path}{image}, {moment}, by the rules of "
        f"{linux_named(found.kernel)}",
        verdict=f"{why.vmas:,} VMAs, {why.touching:,} boundaries between VMAs that touch",
        good=True,
        story=_story(why, found.layout),
        facts=[
            KeyFigure("VMAs", f"{why.vmas:,}"),
            KeyFigure("boundaries", f"{why.touching:,}"),
            KeyFigure("holes", f"{why.holes.count:,}", size(why.holes.size)),
        ],
        notes=[*notes_of(found), NOTE],
    )
    if found.layout is not None:
        page.figures.append(Figure("The address space", still_of(found.layout, page.book)))
    if found.place is not None:
        page.tables += _place(found.place)
    page.closing += [_groups(why), _kinds(why)]
    if found.layout is not None:
        page.closing.append(_boundaries(found.layout))
    return page


def _story(why: Why, layout: LayoutCost | None) -> list[Statement]:
    fewer = "fewer" if why.complete else "fewer at most"
    symptom = Statement(
        SYMPTOM, f"{why.vmas:,} VMAs, of which {why.touching:,} touch the one before"
    )
    if not why.groups:
        return [symptom, Statement(CULPRIT, "No condition fails anywhere.")]
    avoidable = [group for group in why.groups if _can_be_avoided(group, why, layout)]
    top = (avoidable or why.groups)[0]
    culprit = Statement(
        CULPRIT,
        f"{top.boundaries:,} boundaries: {top.text}",
        _example(top, layout),
    )
    meanings = tuple(notes_on(top.causes))
    if not avoidable:
        return [symptom, culprit, Statement(CURE, NO_CURE, meanings)]
    text = f"Without that, {why.vmas - top.saves:,} VMAs would be left: {top.saves:,} {fewer}"
    return [symptom, culprit, Statement(CURE, text, meanings)]


def _can_be_avoided(group: BoundaryGroup, why: Why, layout: LayoutCost | None) -> bool:
    """Return whether a group costs a tenth of the VMAs, and is no difference of files.

    Nor of a file's parts: a program's code and its data have permissions of their own.
    """
    if group.saves * _PART < why.vmas:
        return False
    if any(one.kind in (FILE, SPECIAL) or one.detail == OF_FILE for one in group.causes):
        return False
    letters = {word for one in group.causes if one.kind == FLAGS for word in one.detail.split()}
    if not letters or not letters <= _PERMISSIONS:
        return True
    anonymous = sum(1 for _ in _of_group(group, layout, anonymous=True))
    return layout is None or anonymous * _PART >= why.vmas


def _of_group(
    group: BoundaryGroup, layout: LayoutCost | None, *, anonymous: bool
) -> Iterator[tuple[VmaLine, VmaLine]]:
    """Yield the boundaries of a group. anonymous: only those of memory without a file above."""
    for at, causes in enumerate(() if layout is None else layout.causes):
        if causes != group.causes or layout is None:
            continue
        lower, upper = layout.lines[at], layout.lines[at + 1]
        if lower.end == upper.start and not (anonymous and upper.inode):
            yield lower, upper


def _example(group: BoundaryGroup, layout: LayoutCost | None) -> tuple[str, ...]:
    """Return the two VMAs at a boundary of a group, of anonymous memory if there are any."""
    found = next(_of_group(group, layout, anonymous=True), None)
    found = found or next(_of_group(group, layout, anonymous=False), None)
    if found is None:
        return (f"for example at {group.examples[0]:x}",)
    return (f"for example at {found[1].start:x}", _line(found[0]), _line(found[1]))


def _line(line: VmaLine) -> str:
    return f"{line.start:x}-{line.end:x} {line.perms} {line.name}".rstrip()


def _groups(why: Why) -> Table:
    most = max((group.saves for group in why.groups), default=1) or 1
    return Table(
        "What keeps VMAs apart, together",
        (_FEWER[why.complete], "boundaries", "for example at", "failing conditions"),
        [
            (f"{group.saves:,}", f"{group.boundaries:,}", f"{group.examples[0]:x}", group.text)
            for group in why.groups
        ],
        numeric=(0, 1),
        parts=tuple(group.saves / most for group in why.groups),
        most=30,
    )


def _kinds(why: Why) -> Table:
    return Table(
        "By condition",
        ("condition", "fails at", "fails alone at", "fewer VMAs without it"),
        [
            (total.kind, f"{total.boundaries:,}", f"{total.alone:,}", f"{total.saves:,}")
            for total in why.kinds
        ],
        numeric=(1, 2, 3),
    )


def _boundaries(layout: LayoutCost) -> Table:
    return Table(
        "Every boundary",
        ("at", "below", "above", "failing conditions"),
        [
            (f"{upper.start:x}", _short(lower), _short(upper), causes or "none fails")
            for lower, upper, causes in boundaries_of(layout)
        ],
    )


def _short(line: VmaLine) -> str:
    return f"{line.perms} {size(line.end - line.start)} {os.path.basename(line.name)}".rstrip()


def _place(place: Place) -> list[Table]:
    """Return a table for each end of the VMA that was asked for."""
    return [_meeting(meeting) for meeting in place.meetings]


def _meeting(meeting: Meeting) -> Table:
    at = f"{meeting.lower.end:x}"
    title = f"A hole of {size(meeting.hole)} at {at}" if meeting.hole else f"The boundary at {at}"
    return Table(
        f"{title}: {_line(meeting.lower)} and {_line(meeting.upper)}",
        ("", "condition", "below", "above"),
        [(_HOLDS[item.holds], item.kind, item.lower, item.upper) for item in meeting.conditions],
    )
