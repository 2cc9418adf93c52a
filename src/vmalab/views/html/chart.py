# SPDX-License-Identifier: GPL-2.0-or-later
"""The data of one image's chart: its series, and its painted map on a scale that folds holes."""

import math
from typing import Final

from vmalab.calls.call import Call
from vmalab.explain.history.areas import KINDS, Boundary, Look, Piece, coarser
from vmalab.explain.history.history import ImageHistory
from vmalab.explain.history.series import Sample, call_text
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.views.visible import visible

# Of the chart's height, in units of which a mapped page has one: a range that was never mapped.
HOLE: Final = 1.5

Chart = dict[str, object]


def chart_of(image: ImageHistory, max_samples: int, max_pieces: int) -> tuple[Chart, list[str]]:
    """Return what timeline.js draws of an image, and notes on it.

    Max_*: of points, and of ranges.
    """
    samples = thinned(image.series.all(), max_samples)
    pieces = fewer(image.pieces, max_pieces, image.series.calls)
    boundaries = image.boundaries
    if len(boundaries) > max_pieces:
        boundaries = sorted(boundaries, key=lambda cut: cut.last - cut.first)[-max_pieces:]
    left_out = len(image.boundaries) - len(boundaries) + image.areas.forgotten
    notes = []
    if len(samples) <= image.series.calls:
        notes.append("Each point stands for several calls: the one of them with the most VMAs.")
    if any(piece.count > 1 for piece in pieces):
        notes.append("Too many ranges for a page: some are drawn together, and marked so.")
    if left_out:
        notes.append(f"{left_out:,} boundaries between VMAs, of short life, are left out.")
    chart: Chart = {
        "kind": "timeline",
        "samples": columns(samples),
        "failed": [[failed.index, failed.line, visible(failed.text)] for failed in image.failed],
        "resident": [list(entry) for entry in image.resident],
        "map": painted(pieces, boundaries, image.series.calls),
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


def fewer(pieces: list[Piece], limit: int, calls: int) -> list[Piece]:
    """At most `limit` pieces: the same, or what `coarser` makes of them."""
    grain, slack = 1, 0
    while len(pieces) > max(limit, 1):
        grain, slack = min(grain * 2, 2 * calls + 2), max(4096, slack * 4)
        pieces = coarser(pieces, grain, slack)
    return pieces


def _vmas(sample: Sample) -> int:
    return sample.vmas


def columns(samples: list[Sample]) -> dict[str, list[object]]:
    """Return the samples by column; times are seconds since the first that is known."""
    begin = next((sample.time for sample in samples if sample.time), 0.0)
    return {
        "index": [sample.index for sample in samples],
        "line": [sample.line for sample in samples],
        "time": [round(max(sample.time - begin, 0.0), 6) for sample in samples],
        "call": [visible(sample.call) for sample in samples],
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


def scale(pieces: list[Piece]) -> tuple[list[int], list[float]]:
    """Return the addresses at which a piece begins or ends, and how high each stands in the chart.

    A range between two of them is as high as the logarithm of its pages; one that was never mapped
    has the height `HOLE`, whatever its size.
    """
    edges = sorted({edge for piece in pieces for edge in (piece.start, piece.end)})
    place = {edge: at for at, edge in enumerate(edges)}
    # Pieces that begin less those that end at each edge: above 0 for what was ever mapped.
    depth = [0] * (len(edges) + 1)
    for piece in pieces:
        depth[place[piece.start]] += 1
        depth[place[piece.end]] -= 1
    heights, height, covered = [], 0.0, 0
    for at, edge in enumerate(edges):
        heights.append(round(height, 2))
        covered += depth[at]
        if at + 1 < len(edges):
            pages = (edges[at + 1] - edge) >> PAGE_SHIFT
            height += 1 + math.log2(max(pages, 1)) if covered else HOLE
    return edges, heights


def painted(pieces: list[Piece], boundaries: list[Boundary], calls: int) -> Chart:
    """Return the painted map, its tables of looks and calls apart so that each is told once.

    Of a piece: [lower edge, upper edge, first call, last call, look, call, pieces in it].
    """
    edges, heights = scale(pieces)
    place = {edge: at for at, edge in enumerate(edges)}
    looks: dict[Look, int] = {}
    calls_by_id: dict[int, int] = {}
    texts: list[list[object]] = [[0, ""]]
    rows = []
    for piece in pieces:
        look = looks.setdefault(piece.look, len(looks))
        call = 0 if piece.call is None else _call(piece.call, calls_by_id, texts)
        where = [place[piece.start], place[piece.end]]
        rows.append([*where, piece.first, piece.last, look, call, piece.count])
    return {
        "edges": edges,
        "heights": heights,
        "kinds": list(KINDS),
        "looks": [[KINDS.index(kind), perms, visible(name)] for kind, perms, name in looks],
        "calls": texts,
        "pieces": rows,
        "cuts": [
            [place[cut.address], cut.first, cut.last] for cut in boundaries if cut.address in place
        ],
        "end": calls + 1,
    }


def _call(call: Call, known: dict[int, int], texts: list[list[object]]) -> int:
    at = known.get(id(call))
    if at is None:
        at = known[id(call)] = len(texts)
        texts.append([call.line, visible(call_text(call))])
    return at
