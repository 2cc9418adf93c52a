# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab enomem --html`: what was refused, who used the limit up, what helps."""

import os
from dataclasses import dataclass
from typing import Final

from vmalab.explain.blame.tally import StackTally
from vmalab.explain.enomem.failed_calls import Enomem, FailureGroup, Refused
from vmalab.explain.enomem.headroom import GAP, Headroom
from vmalab.explain.enomem.limit_checks import VMAS
from vmalab.explain.enomem.sensible import limit_words
from vmalab.explain.history.history import History
from vmalab.explain.whatif.cures import Cure
from vmalab.recording.format.frames import Frames
from vmalab.targets.model.versions import linux_named
from vmalab.views.blame import BlameFindings
from vmalab.views.enomem import amount, gone_in, limit_text, trend_text
from vmalab.views.html.blame import calls_of, first_call, flame_figures, moment_text
from vmalab.views.html.callbook import CallBook
from vmalab.views.html.document import (
    CURE,
    MAX_ROWS,
    SYMPTOM,
    KeyFigure,
    Page,
    Statement,
    Table,
    title_of,
)
from vmalab.views.html.replay import ESTIMATE, SCALE, image_part
from vmalab.views.html.story import culprit_of, cure_of, largest_of

# Checks whose quantity is bytes of mappings.
_OF_BYTES: Final = {
    "RLIMIT_AS": "mapped",
    "RLIMIT_DATA": "mapped",
    "commit limit": "mapped",
    "no gap": "mapped",
    "overcommit guess": "mapped",
}


@dataclass(frozen=True, slots=True)
class EnomemPage:
    """What the page is made of.

    blame: of the image in which the first call failed, then; or at its peak where none did.
    """

    found: Enomem
    blame: BlameFindings
    history: History
    tally: StackTally
    names: Frames
    cures: list[Cure]


def enomem_page(parts: EnomemPage) -> Page:
    """Return the page."""
    found, book = parts.found, CallBook(parts.names)
    path = os.path.normpath(found.path)
    page = Page(
        title=title_of(path),
        subtitle=f"vmalab enomem of {path}, as {linux_named(found.kernel)}",
        verdict=_verdict(found),
        good=not (found.failed or found.others_failed),
        story=_story(parts, book),
        facts=_facts(parts),
        notes=[*parts.blame.notes, ESTIMATE, SCALE],
        book=book,
    )
    image = parts.history.images.get(parts.blame.report.image)
    if image is not None:
        page.parts.append(image_part(image, 1, book))
    page.figures += flame_figures(parts.blame, parts.tally, parts.names, book)
    page.closing += [
        _groups(found.groups, book),
        _refused(found.refused, book),
        *(_headroom(image, rows) for image, rows in found.headroom.items()),
    ]
    return page


def first_limit(found: Enomem) -> Refused | None:
    """Return the first call that a limit refused, or else the first that failed."""
    known = [group.example for group in found.groups if group.example is not None]
    return next((one for one in known if one.verdict.unit), known[0] if known else None)


def _verdict(found: Enomem) -> str:
    if not found.failed and not found.others_failed:
        return f"None of {found.calls:,} memory calls failed."
    others = f", and {found.others_failed:,} others" if found.others_failed else ""
    return f"{found.failed:,} of {found.calls:,} memory calls failed{others}."


def _story(parts: EnomemPage, book: CallBook) -> list[Statement]:
    first, report = first_limit(parts.found), parts.blame.report
    number = book.add(first_call(parts.blame, calls_of(parts.blame)))
    if first is None:
        tightest = _tightest(parts.found.headroom.get(report.image, []))
        return [
            Statement(SYMPTOM, f"{len(report.vmas):,} VMAs at the peak; no call failed.", tightest),
            culprit_of(report, number),
            cure_of(parts.cures, parts.found.calls),
        ]
    check = first.verdict.check
    details = [f"line {first.line:,}: {first.call} = {first.errno}"]
    if first.trend is not None:
        details.append(trend_text(first.trend, first.verdict.unit))
    symptom = Statement(
        SYMPTOM, f"{check}: {first.verdict.why}", tuple(details), book.add(first.made)
    )
    if check in _OF_BYTES:
        culprit = largest_of(report, number, _OF_BYTES[check])
    else:
        culprit = culprit_of(report, number)
    return [symptom, culprit, _cure(parts, first)]


def _cure(parts: EnomemPage, first: Refused) -> Statement:
    """Return the limit to set, and for a limit of VMAs the change of the program before it."""
    verdict, limits = first.verdict, []
    if first.sensible:
        words = limit_words(verdict.check, verdict.unit, first.sensible)
        limits.append(f"{words}: room for what follows")
    if verdict.remedy:
        limits.append(f"The least that lets this call pass: {verdict.remedy}")
    if verdict.unit == VMAS:
        return cure_of(parts.cures, parts.found.calls, tuple(limits))
    if not limits:
        return Statement(CURE, "No limit that could be raised refused the call.")
    return Statement(CURE, limits[0], tuple(limits[1:]))


def _tightest(rows: list[Headroom]) -> tuple[str, ...]:
    """Return the limit of which the largest part is in use."""
    used = [(row.most / row.limit, row) for row in rows if row.limit]
    if not used:
        return ()
    part, row = max(used, key=lambda pair: pair[0])
    what = f"{amount(row.most, row.unit)} of {amount(row.limit or 0, row.unit)}"
    return (f"Nearest to its limit: {row.name}, {what} ({100 * part:.3g} %)",)


def _facts(parts: EnomemPage) -> list[KeyFigure]:
    found, report = parts.found, parts.blame.report
    facts = [
        KeyFigure("memory calls", f"{found.calls:,}"),
        KeyFigure("failed", f"{found.failed:,}", bad=found.failed > 0),
        KeyFigure("VMAs", f"{len(report.vmas):,}", moment_text(parts.blame)),
    ]
    rows = {row.name: row for row in found.headroom.get(report.image, [])}
    for name in ("map count", "RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_MEMLOCK"):
        row = rows.get(name)
        if row is not None and row.limit is not None:
            note = f"at most, of {amount(row.limit, row.unit)}"
            near = row.most >= row.limit * 0.9
            facts.append(KeyFigure(name, amount(row.most, row.unit), note, bad=near))
    return facts


def _groups(groups: list[FailureGroup], book: CallBook) -> Table:
    return Table(
        "What refused how many calls",
        ("times", "call", "errno", "refused by", "beyond it", "line", "the first of them"),
        [
            (
                f"{group.count:,}",
                group.name,
                group.errno,
                f"{group.check}: {group.argument}" if group.argument else group.check,
                "" if group.most is None else amount(group.most, group.unit),
                str(group.first),
                "" if group.example is None else group.example.call,
            )
            for group in groups
        ],
        numeric=(0, 4, 5),
        calls=tuple(
            book.add(None if group.example is None else group.example.made)
            for group in groups[:MAX_ROWS]
        ),
    )


def _refused(refused: list[Refused], book: CallBook) -> Table:
    return Table(
        "The calls that failed",
        ("line", "errno", "why", "least change", "with room", "call"),
        [
            (
                str(one.line),
                one.errno,
                f"{one.verdict.check}: {one.verdict.why}",
                one.verdict.remedy,
                limit_words(one.verdict.check, one.verdict.unit, one.sensible)
                if one.sensible
                else "",
                one.call,
            )
            for one in refused
        ],
        numeric=(0,),
        calls=tuple(book.add(one.made) for one in refused[:MAX_ROWS]),
    )


def _headroom(image: str, rows: list[Headroom]) -> Table:
    return Table(
        f"Limits of image {image} at its end",
        ("limit of", "used", "most", "limit", "gone in"),
        [
            (
                row.name,
                amount(row.used, row.unit),
                amount(row.most, row.unit),
                "" if row.name == GAP else limit_text(row),
                gone_in(row),
            )
            for row in rows
        ],
        numeric=(1, 2, 3, 4),
    )
