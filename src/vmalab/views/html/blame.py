# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab blame --html`: what made the VMAs, with its calls, and the map over time."""

import os
from typing import Final

from vmalab.calls.call import Call
from vmalab.explain.blame.culprits import CALL, LIBRARY, SITE, BlamedVma, Deed, Share
from vmalab.explain.blame.flame import Flame
from vmalab.explain.blame.tally import StackTally
from vmalab.explain.history.history import History, ImageHistory
from vmalab.explain.whatif.cures import Cure
from vmalab.recording.format.frames import Frames
from vmalab.targets.model.versions import linux_named
from vmalab.views.blame import BlameFindings
from vmalab.views.html.callbook import CallBook
from vmalab.views.html.document import (
    MAX_ROWS,
    SYMPTOM,
    Figure,
    KeyFigure,
    Page,
    Statement,
    Table,
    title_of,
)
from vmalab.views.html.flame import flame_chart
from vmalab.views.html.replay import ESTIMATE, SCALE, image_part, size
from vmalab.views.html.story import culprit_of, cure_of

# Causes of each kind that are shown.
TOP: Final = 8

_TITLES: Final = {
    SITE: "What made the VMAs, by place in the program",
    CALL: "By kind of call",
    LIBRARY: "By library",
}


def blame_page(
    found: BlameFindings,
    history: History,
    tally: StackTally,
    cures: list[Cure],
    names: Frames | None = None,
) -> Page:
    """Return the findings, with the history of the image that was kept while it was replayed.

    tally: counted meanwhile. cures: what would help. names: of the frames of stacks.
    """
    report = found.report
    path = os.path.normpath(found.subject)
    boundaries = sum(vma.boundary is not None for vma in report.vmas)
    most = report.shares[SITE][0] if report.shares[SITE] else None
    page = Page(
        title=title_of(path),
        subtitle=f"vmalab blame of {path}, image {report.image}, as {linux_named(found.kernel)}",
        verdict=_verdict(most, len(report.vmas)),
        good=True,
        facts=[
            KeyFigure("VMAs", f"{len(report.vmas):,}", moment_text(found)),
            KeyFigure("boundaries", f"{boundaries:,}", "between VMAs that touch"),
            KeyFigure("mapped", size(sum(vma.end - vma.start for vma in report.vmas))),
        ],
        notes=[*found.notes, ESTIMATE, SCALE],
        book=CallBook(names),
    )
    calls = calls_of(found)
    image = history.images.get(report.image)
    page.story = _story(found, image, cures, page.book.add(first_call(found, calls)))
    page.figures += flame_figures(found, tally, names or {}, page.book)
    for by in (SITE, CALL, LIBRARY):
        shares = report.shares[by]
        if by != LIBRARY or any(share.example.stack.frames for share in shares):
            page.closing.append(_shares(by, shares, len(report.vmas), calls, page.book))
    page.closing.append(_vmas(report.vmas, calls, page.book))
    if image is not None:
        page.parts.append(image_part(image, 1, page.book))
    return page


def _story(
    found: BlameFindings, image: ImageHistory | None, cures: list[Cure], culprit: int
) -> list[Statement]:
    report = found.report
    details = []
    calls = 0
    if image is not None:
        calls = image.series.calls
        limit = image.limits[-1][1].map_count if image.limits else 0
        samples = image.series.all()
        if samples:
            details.append(f"{samples[0].vmas:,} in the first map, {samples[-1].vmas:,} at the end")
        if limit:
            part = 100 * len(report.vmas) / limit
            details.append(f"{part:.3g} % of vm.max_map_count, which is {limit:,}")
        if image.series.failures:
            failures = image.series.failures
            calls_failed = f"{failures:,} memory call{'s' if failures > 1 else ''} failed"
            details.append(f"{calls_failed}: see vmalab enomem")
    symptom = f"{len(report.vmas):,} VMAs {moment_text(found)}"
    return [
        Statement(SYMPTOM, symptom, tuple(details)),
        culprit_of(report, culprit),
        cure_of(cures, calls),
    ]


def first_call(found: BlameFindings, calls: dict[int, Call]) -> Call | None:
    """Return the first call of what made most VMAs."""
    shares = found.report.shares[SITE]
    return calls.get(shares[0].example.line) if shares else None


def moment_text(found: BlameFindings) -> str:
    """Return the moment: "at the peak", "after line 12"."""
    return f"after {found.at}" if found.at.startswith("line") else f"at the {found.at}"


def calls_of(found: BlameFindings) -> dict[int, Call]:
    """Return the calls that made the VMAs and their ends, by their lines of the log."""
    calls: dict[int, Call] = {}
    for traced in [] if found.moment is None else found.moment.vmas:
        for origin in (traced.born, traced.low, traced.high):
            if origin.call is not None:
                calls[origin.line] = origin.call
    return calls


def flame_figures(
    found: BlameFindings, tally: StackTally, names: Frames, book: CallBook
) -> list[Figure]:
    """Return the flame graph of a moment and of what was counted on the way there."""
    if found.moment is None:
        return []
    flame = Flame(names)
    flame.add_vmas(found.moment.vmas)
    flame.add_counts(tally.images.get(found.moment.image, {}))
    data, notes = flame_chart(flame, book)
    return [Figure("By stack", data, " ".join(notes))]


def _verdict(most: Share | None, vmas: int) -> str:
    if most is None:
        return "Nothing is mapped."
    return f"{most.vmas:,} of {vmas:,} VMAs were made by {most.cause}"


def _shares(
    by: str, shares: tuple[Share, ...], vmas: int, calls: dict[int, Call], book: CallBook
) -> Table:
    return Table(
        _TITLES[by],
        ("VMAs", "boundaries", "size", "lines", "cause", "the first of its calls"),
        [
            (
                f"{share.vmas:,}",
                f"{share.boundaries:,}",
                size(share.size),
                str(share.first) if share.first == share.last else f"{share.first}-{share.last}",
                share.cause,
                _deed(share.example),
            )
            for share in shares
        ],
        numeric=(0, 1, 2, 3),
        parts=tuple(share.vmas / max(vmas, 1) for share in shares),
        calls=tuple(book.add(calls.get(share.example.line)) for share in shares[:TOP]),
        most=TOP,
    )


def _deed(deed: Deed) -> str:
    """Return the call with its line; its stack is among the details."""
    return f"line {deed.line}: {deed.call}" if deed.line else deed.call


def _vmas(vmas: tuple[BlamedVma, ...], calls: dict[int, Call], book: CallBook) -> Table:
    return Table(
        "Every VMA",
        ("range", "size", "perms", "name", "how", "line", "made by"),
        [
            (
                f"{vma.start:x}-{vma.end:x}",
                size(vma.end - vma.start),
                vma.perms,
                vma.name,
                vma.how,
                str(vma.born.line) if vma.born.line else "",
                vma.born.call,
            )
            for vma in vmas
        ],
        numeric=(1, 5),
        calls=tuple(book.add(calls.get(vma.born.line)) for vma in vmas[:MAX_ROWS]),
    )
