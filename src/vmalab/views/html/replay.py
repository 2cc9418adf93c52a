# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab replay --html`: what was found, and how the address space developed."""

import os
from typing import Final

from vmalab.explain.history.history import MAX_FAILED, History, ImageHistory
from vmalab.explain.history.series import Sample
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.recording.format.frames import Frames
from vmalab.replay.report import Difference, ReplayReport
from vmalab.targets.model.versions import linux_named
from vmalab.views.html.callbook import CallBook
from vmalab.views.html.document import Figure, KeyFigure, Page, Part, Table, title_of
from vmalab.views.html.timeline import timeline_of
from vmalab.views.text import figures_text

# Samples and pieces of all images together.
SAMPLES: Final = 4_000
PIECES: Final = 20_000

ESTIMATE: Final = (
    "A log of calls does not tell which pages were touched. “Resident at most” is an estimate from "
    "above: all that is mapped but for what nobody may access (PROT_NONE). Sizes that the "
    "recording's own snapshots tell are drawn as points."
)
SCALE: Final = (
    "The map's vertical scale is by address; a range is as high as the logarithm of its size, and "
    "what was never mapped is folded. Drag to zoom, double-click to go back, click for the call."
)


def replay_page(report: ReplayReport, history: History, names: Frames | None = None) -> Page:
    """Return what a replay found, with the history that was kept while it ran.

    names: of the frames of stacks.
    """
    images = sorted(history.images.values(), key=_calls, reverse=True)
    path = os.path.normpath(report.path)
    page = Page(
        title=title_of(path),
        subtitle=f"vmalab replay of {path} as {linux_named(report.kernel)}",
        verdict=f"{'Identical' if report.identical else 'Not as recorded'}: "
        + figures_text(report.total),
        good=report.identical,
        facts=_facts(report, images),
        notes=[*report.notes, ESTIMATE, SCALE],
        book=CallBook(names),
    )
    if report.differences:
        page.tables.append(_differences(report.differences))
    for image in images:
        page.parts.append(_part(image, len(images), page.book))
    if history.left_out:
        left_out = history.left_out
        page.notes.append(f"{left_out} more process images, which made fewer calls, are left out.")
    return page


def _calls(image: ImageHistory) -> int:
    return image.series.calls


def size(number: int) -> str:
    """Return bytes as people read them: "132 KiB", "1.5 GiB"."""
    value, unit = float(number), "B"
    for bigger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 1024:
            break
        value, unit = value / 1024, bigger
    return f"{value:.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.1f} {unit}"


def _at(sample: Sample) -> str:
    return f"after line {sample.line}" if sample.line else "in the first map"


def _facts(report: ReplayReport, images: list[ImageHistory]) -> list[KeyFigure]:
    total = report.total
    facts = [
        KeyFigure(
            "memory calls",
            f"{total.memory_calls:,}",
            f"{total.predicted:,} predicted, {total.adopted:,} adopted, {total.differ:,} differ",
        )
    ]
    if len(images) > 1:
        facts.append(KeyFigure("process images", str(len(report.images))))
    if images:
        facts += _image_facts(images[0])
    failures = sum(image.series.failures for image in images)
    facts.append(KeyFigure("failed calls", f"{failures:,}", bad=failures > 0))
    return facts


def _image_facts(image: ImageHistory) -> list[KeyFigure]:
    """Of the image with the most calls."""
    samples, peak = image.series.all(), image.series.peak
    if not samples or peak is None:
        return []
    last = samples[-1]
    largest = max(samples, key=_total)
    return [
        KeyFigure("VMAs at the end", f"{last.vmas:,}", f"{samples[0].vmas:,} at the start"),
        KeyFigure("most VMAs", f"{peak.vmas:,}", _at(peak)),
        KeyFigure(
            "mapped at the end",
            size(last.total << PAGE_SHIFT),
            f"locked {size(last.locked << PAGE_SHIFT)}",
        ),
        KeyFigure("most mapped", size(largest.total << PAGE_SHIFT), _at(largest)),
    ]


def _total(sample: Sample) -> int:
    return sample.total


def image_part(image: ImageHistory, images: int, book: CallBook) -> Part:
    """Return the timeline of one of so many images, without tables."""
    data, notes = timeline_of(image, book, SAMPLES // images, PIECES // images)
    name = f"{image.name}: {image.series.calls:,} memory calls"
    return Part(name, [Figure("Over its memory calls", data, " ".join(notes))])


def _part(image: ImageHistory, images: int, book: CallBook) -> Part:
    part = image_part(image, images, book)
    part.tables += [_causes(image), _failed(image, book)]
    return part


def _causes(image: ImageHistory) -> Table:
    causes = sorted(image.causes.values(), key=lambda cause: (-cause.grew, cause.name))
    grew = max(sum(cause.grew for cause in causes), 1)
    return Table(
        "What added VMAs, and what removed them",
        ("VMAs +", "VMAs -", "net", "call", "calls", "failed", "most at once", "line", "which"),
        [
            (
                f"{cause.grew:,}",
                f"{cause.shrank:,}",
                f"{cause.grew - cause.shrank:+,}",
                cause.name,
                f"{cause.calls:,}",
                f"{cause.failed:,}",
                f"{cause.most:,}" if cause.most else "",
                str(cause.line) if cause.line else "",
                cause.text,
            )
            for cause in causes
        ],
        numeric=(0, 1, 2, 4, 5, 6, 7),
        parts=tuple(cause.grew / grew for cause in causes),
        note="Sums over the calls that left more VMAs than they found, and over those that left "
        "fewer; “which” is the call that made the most at once.",
    )


def _failed(image: ImageHistory, book: CallBook) -> Table:
    return Table(
        "Calls that failed",
        ("number", "line", "error", "call"),
        [
            (f"{failed.index:,}", str(failed.line), failed.errno, failed.text)
            for failed in image.failed
        ],
        numeric=(0, 1),
        calls=tuple(book.add(failed.call) for failed in image.failed),
        note=f"The first {MAX_FAILED} of {image.series.failures:,}."
        if image.series.failures > len(image.failed)
        else "",
    )


def _differences(differences: list[Difference]) -> Table:
    return Table(
        "Not as recorded",
        ("line", "image", "call", "recorded", "predicted"),
        [
            (str(found.line), found.image, found.call, found.recorded, found.predicted)
            for found in differences
        ],
        numeric=(0,),
    )
