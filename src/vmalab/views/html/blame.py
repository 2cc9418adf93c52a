# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab blame --html`: what made the VMAs, with its calls, and the map over time."""

import os
from typing import Final

from vmalab.explain.blame.culprits import CALL, LIBRARY, SITE, BlamedVma, Deed, Share
from vmalab.explain.history.history import History
from vmalab.views.blame import BlameFindings, frame_text
from vmalab.views.html.document import KeyFigure, Page, Table
from vmalab.views.html.replay import ESTIMATE, SCALE, image_part, size

# Causes of each kind that are shown.
TOP: Final = 15

_TITLES: Final = {
    SITE: "What made the VMAs, by place in the program",
    CALL: "By kind of call",
    LIBRARY: "By library",
}


def blame_page(found: BlameFindings, history: History) -> Page:
    """Return the findings, with the history of the image that was kept while it was replayed."""
    report = found.report
    path = os.path.normpath(found.subject)
    boundaries = sum(vma.boundary is not None for vma in report.vmas)
    most = report.shares[SITE][0] if report.shares[SITE] else None
    moment = f"after {found.at}" if found.at.startswith("line") else f"at the {found.at}"
    page = Page(
        title=os.path.basename(path),
        subtitle=f"vmalab blame of {path}, image {report.image}, as Linux {found.kernel}",
        verdict=_verdict(most, len(report.vmas)),
        good=True,
        facts=[
            KeyFigure("VMAs", f"{len(report.vmas):,}", moment),
            KeyFigure("boundaries", f"{boundaries:,}", "between VMAs that touch"),
            KeyFigure("mapped", size(sum(vma.end - vma.start for vma in report.vmas))),
        ],
        notes=[*found.notes, ESTIMATE, SCALE],
    )
    for by in (SITE, CALL, LIBRARY):
        shares = report.shares[by]
        if by != LIBRARY or any(share.example.stack.frames for share in shares):
            tables = page.tables if by == SITE else page.closing
            tables.append(_shares(by, shares, len(report.vmas)))
    page.closing.append(_vmas(report.vmas))
    image = history.images.get(report.image)
    if image is not None:
        page.parts.append(image_part(image, 1))
    return page


def _verdict(most: Share | None, vmas: int) -> str:
    if most is None:
        return "Nothing is mapped."
    return f"{most.vmas:,} of {vmas:,} VMAs were made by {most.cause}"


def _shares(by: str, shares: tuple[Share, ...], vmas: int) -> Table:
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
        most=TOP,
    )


def _deed(deed: Deed) -> str:
    """Return the call with its line and, where there is one, its stack."""
    where = f"line {deed.line}: " if deed.line else ""
    frames = deed.stack.frames[max(deed.stack.own, 0) :][:4]
    return where + deed.call + "".join(f" < {frame_text(frame)}" for frame in frames)


def _vmas(vmas: tuple[BlamedVma, ...]) -> Table:
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
    )
