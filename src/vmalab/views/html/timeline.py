# SPDX-License-Identifier: GPL-2.0-or-later
"""The data of one image's timeline: its series, its limits and failures, its painted map."""

import math
from typing import Final

from vmalab.explain.history.history import ImageHistory
from vmalab.explain.history.looks import KINDS, Look
from vmalab.explain.history.pieces import Boundary, Piece, fitted
from vmalab.explain.history.series import Sample
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.views.html.callbook import CallBook
from vmalab.views.visible import visible

Chart = dict[str, object]

# VMAs at a time from which on the map is shown by its density first.
DENSE: Final = 3000


def timeline_of(
    image: ImageHistory, book: CallBook, max_samples: int, max_pieces: int
) -> tuple[Chart, list[str]]:
    """Return what timeline.js draws of an image, and notes on it.

    Max_*: of points, and of ranges.
    """
    samples = thinned(image.series.all(), max_samples)
    pieces, dropped = fewer(image.pieces, max_pieces, image.series.calls)
    dropped += image.areas.dropped
    boundaries = image.boundaries
    if len(boundaries) > max_pieces:
        boundaries = sorted(boundaries, key=lambda cut: cut.last - cut.first)[-max_pieces:]
    left_out = len(image.boundaries) - len(boundaries) + image.areas.forgotten
    notes = []
    if len(samples) <= image.series.calls:
        notes.append("Each point stands for several calls: the one of them with the most VMAs.")
    if any(piece.count > 1 for piece in pieces):
        notes.append("Too many ranges for a page: some are drawn together, and marked so.")
    if dropped:
        notes.append(f"{dropped:,} ranges of short life are left out of the map.")
    if left_out:
        notes.append(f"{left_out:,} boundaries between VMAs, of short life, are left out.")
    peak = image.series.peak
    chart: Chart = {
        "kind": "timeline",
        "dense": peak is not None and peak.vmas > DENSE,
        "samples": columns(samples, book),
        "failed": [[failed.index, book.add(failed.call)] for failed in image.failed],
        "resident": [list(entry) for entry in image.resident],
        "limits": {
            "vmas": [[index, limits.map_count] for index, limits in image.limits],
            "mapped": [[index, limits.address_space] for index, limits in image.limits],
            "data": [[index, limits.data] for index, limits in image.limits],
            "locked": [[index, limits.locked] for index, limits in image.limits],
        },
        "density": density_of(image),
        "map": painted(pieces, boundaries, image.series.calls, book),
    }
    return chart, notes


def thinned(samples: list[Sample], limit: int) -> list[Sample]:
    """At most `limit` samples and the last one: of each few, the one with the most VMAs."""
    step = math.ceil(len(samples) / max(limit, 1))
    if step <= 1:
        return samples
    groups = [samples[at : at + step] for at in range(0, len(samples), step)]
    found = [max(group, key=_vmas) for group in groups]
    return found if found[-1] is samples[-1] else [*found, samples[-1]]


def fewer(pieces: list[Piece], limit: int, calls: int) -> tuple[list[Piece], int]:
    """Return at most `limit` pieces, coarser where need be, and how many are left out.

    Those are the shortest-lived.
    """
    found, _, _ = fitted(pieces, max(limit, 1), calls)
    if len(found) <= limit:
        return found, 0
    ranked = sorted(found, key=lambda piece: piece.last - piece.first, reverse=True)
    left_out = sum(piece.count for piece in ranked[limit:])
    return sorted(ranked[:limit], key=lambda piece: (piece.start, piece.first)), left_out


def density_of(image: ImageHistory) -> Chart:
    """Return how many VMAs lay where. blocks: the first and then differences."""
    grid = image.areas.density.grid()
    gaps = [block - before for before, block in zip([0, *grid.blocks], grid.blocks, strict=False)]
    return {"shift": grid.shift, "blocks": gaps, "moments": grid.moments, "rows": grid.rows}


def _vmas(sample: Sample) -> int:
    return sample.vmas


def columns(samples: list[Sample], book: CallBook) -> dict[str, list[object]]:
    """Return the samples by column; times are seconds since the first that is known."""
    begin = next((sample.time for sample in samples if sample.time), 0.0)
    return {
        "index": [sample.index for sample in samples],
        "time": [round(max(sample.time - begin, 0.0), 6) for sample in samples],
        "call": [
            book.note(sample.line, sample.call) if sample.made is None else book.add(sample.made)
            for sample in samples
        ],
        "vmas": [sample.vmas for sample in samples],
        "mapped": [sample.total << PAGE_SHIFT for sample in samples],
        "reachable": [
            None if sample.reachable is None else sample.reachable << PAGE_SHIFT
            for sample in samples
        ],
        "data": [sample.data << PAGE_SHIFT for sample in samples],
        "locked": [sample.locked << PAGE_SHIFT for sample in samples],
        "failures": [sample.failures for sample in samples],
    }


def painted(pieces: list[Piece], boundaries: list[Boundary], calls: int, book: CallBook) -> Chart:
    """Return the painted map, with tables of looks and causes so that each is told once.

    Of a piece: [lower edge, upper edge, first call, last call, look, call, pieces in it]; of a
    boundary: [edge, first call, last call, causes]. edges: the first and then differences, in
    pages.
    """
    edges = sorted({edge for piece in pieces for edge in (piece.start, piece.end)})
    place = {edge: at for at, edge in enumerate(edges)}
    looks: dict[Look, int] = {}
    causes: dict[str | None, int] = {None: 0, "": 1}
    rows = []
    for piece in pieces:
        look = looks.setdefault(piece.look, len(looks))
        where = [place[piece.start], place[piece.end]]
        call = book.add(piece.call)
        rows.append([*where, piece.first, piece.last, look, call, piece.count])
    pages = [edge >> PAGE_SHIFT for edge in edges]
    return {
        "edges": [page - before for before, page in zip([0, *pages], pages, strict=False)],
        "kinds": list(KINDS),
        "looks": [
            [KINDS.index(kind), perms, visible(name), flags] for kind, perms, name, flags in looks
        ],
        "pieces": rows,
        "cuts": [
            [place[cut.address], cut.first, cut.last, causes.setdefault(cut.causes, len(causes))]
            for cut in boundaries
            if cut.address in place
        ],
        "causes": list(causes),
        "end": calls + 1,
    }
