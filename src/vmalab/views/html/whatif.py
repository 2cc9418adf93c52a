# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab whatif --html`: a recording as it was and with changes, side by side."""

import os
from typing import Final

from vmalab.explain.blame.flame import CHANGED, Flame
from vmalab.explain.blame.watcher import Blame
from vmalab.explain.whatif.changes import Changes
from vmalab.explain.whatif.comparison import ImageOutcome, OtherCall, Side, WhatIf
from vmalab.explain.whatif.second_origins import SecondOrigins
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.recording.format.frames import Frames
from vmalab.views.html.callbook import CallBook
from vmalab.views.html.document import Figure, KeyFigure, Page, Part, Table, title_of
from vmalab.views.html.flame import flame_chart
from vmalab.views.html.replay import SAMPLES, size
from vmalab.views.html.timeline import columns, thinned
from vmalab.views.whatif import changes_text, doubt_text

# Images that have a chart: those with the most VMAs.
MAX_IMAGES: Final = 16

ESTIMATES: Final = (
    "Private memory, page tables and objects are estimates from above: as if every page that may "
    "be accessed had been."
)
_ROWS: Final = (
    {"column": "vmas", "title": "VMAs", "bytes": False},
    {"column": "mapped", "title": "mapped", "bytes": True},
    {"column": "failures", "title": "failed calls", "bytes": False},
)


def whatif_page(
    found: WhatIf,
    changes: Changes,
    names: Frames | None = None,
    stacks: tuple[Blame, SecondOrigins] | None = None,
) -> Page:
    """Return the findings of one recording.

    names: of the frames of stacks. stacks: what made the VMAs of both runs.
    """
    path = os.path.normpath(found.path)
    ranked = sorted(found.images, key=_most, reverse=True)
    book = CallBook(names)
    page = Page(
        title=title_of(path),
        subtitle=f"vmalab whatif of {path}: {', '.join(changes_text(changes))}",
        verdict=_verdict(ranked),
        good=found.fails == 0,
        facts=_facts(found, ranked),
        parts=[_part(image, min(len(ranked), MAX_IMAGES), book) for image in ranked[:MAX_IMAGES]],
        notes=[ESTIMATES],
        book=book,
    )
    if stacks is not None:
        _add_flames(page, ranked, names or {}, *stacks)
    page.closing = [
        _calls("Calls that fail now", found.fails, found.fail_now),
        _calls("Calls that no longer fail", found.passes, found.pass_now),
    ]
    doubts = [doubt_text(doubt) for doubt in found.doubts.values()]
    if doubts:
        doubtful = "A recording does not show what the program would have done: "
        page.notes.insert(0, doubtful + "; ".join(doubts))
    if len(ranked) > MAX_IMAGES:
        page.notes.append(f"{len(ranked) - MAX_IMAGES} more process images are left out.")
    return page


def _add_flames(
    page: Page, ranked: list[ImageOutcome], names: Frames, watcher: Blame, second: SecondOrigins
) -> None:
    """Add to each image what made its VMAs, when they were the most, in both runs."""
    moments = {moment.image: moment for moment in watcher.moments(peak=True)}
    for part, image in zip(page.parts, ranked, strict=False):
        moment = moments.get(image.name)
        if moment is None:
            continue
        flame = Flame(names)
        flame.add_vmas(moment.vmas)
        flame.add_vmas(second.at_peak(image.name), CHANGED)
        data, notes = flame_chart(flame, page.book)
        part.figures.append(Figure("What made the VMAs, in both runs", data, " ".join(notes)))


def _most(image: ImageOutcome) -> int:
    return max(image.recorded.peak, image.other.peak)


def _verdict(ranked: list[ImageOutcome]) -> str:
    if not ranked:
        return "No process image."
    one, two = ranked[0].recorded, ranked[0].other
    if ranked[0].identical:
        return "The same map and the same answers"
    ends = f"{one.vmas_at_end:,} VMAs at the end become {two.vmas_at_end:,}"
    return f"{ends}, {one.peak:,} at most {two.peak:,}"


def _facts(found: WhatIf, ranked: list[ImageOutcome]) -> list[KeyFigure]:
    made = f", {found.made_otherwise:,} changed" if found.made_otherwise else ""
    facts = [KeyFigure("memory calls", f"{found.calls:,}", f"{found.left_out:,} left out{made}")]
    if ranked:
        one, two = ranked[0].recorded, ranked[0].other
        facts += [
            _change("VMAs at the end", one.vmas_at_end, two.vmas_at_end),
            _change("most VMAs", one.peak, two.peak),
            KeyFigure(
                "mapped at the end",
                size(two.pages_at_end << PAGE_SHIFT),
                _was(one.pages_at_end << PAGE_SHIFT),
            ),
        ]
    facts.append(KeyFigure("calls that fail now", f"{found.fails:,}", bad=found.fails > 0))
    return facts


def _was(number: int) -> str:
    return f"recorded: {size(number)}"


def _change(label: str, recorded: int, other: int) -> KeyFigure:
    return KeyFigure(label, f"{other:,}", f"recorded: {recorded:,} ({other - recorded:+,})")


def _part(image: ImageOutcome, images: int, book: CallBook) -> Part:
    sides = (("recorded", image.recorded), ("with changes", image.other))
    limit = SAMPLES // (2 * images)
    chart: dict[str, object] = {
        "kind": "compare",
        "rows": list(_ROWS),
        "runs": [
            {"name": name, "samples": columns(thinned(side.series.all(), limit), book)}
            for name, side in sides
        ],
    }
    figures = [Figure("Both runs, over the recorded calls", chart)]
    return Part(f"{image.name}: {_most(image):,} VMAs", figures, [_sizes(*sides[0], *sides[1])])


def _sizes(recorded: str, one: Side, other: str, two: Side) -> Table:
    rows = [
        (
            "address space at its end",
            one.pages_at_end << PAGE_SHIFT,
            two.pages_at_end << PAGE_SHIFT,
        ),
        ("private memory, at most", one.most.resident, two.most.resident),
        ("page tables, at most", one.most.page_tables, two.most.page_tables),
        ("objects of VMAs, at most", one.most.kernel, two.most.kernel),
    ]
    return Table(
        "What it costs",
        ("", recorded, other),
        [(name, size(before), size(after)) for name, before, after in rows],
        numeric=(1, 2),
    )


def _calls(title: str, number: int, calls: list[OtherCall]) -> Table:
    return Table(
        title,
        ("line", "call", "recorded", "with changes", "why"),
        [
            (
                str(call.line),
                call.made or call.call,
                call.recorded,
                call.other,
                call.why,
            )
            for call in calls
        ],
        numeric=(0,),
        note=f"The first {len(calls):,} of {number:,}." if number > len(calls) else "",
    )
