# SPDX-License-Identifier: GPL-2.0-or-later
"""What changes would have made of a recording, for programs."""

from typing import Final, TypedDict

from vmalab.explain.whatif.changes import Changes
from vmalab.explain.whatif.comparison import ImageOutcome, OtherCall, Side, WhatIf
from vmalab.explain.why.cost import Estimate
from vmalab.views.whatif import changes_text

# Samples of a run that an answer holds.
MAX_SAMPLES: Final = 200


class FailedAnswer(TypedDict):
    """Calls that failed. recorded: as it was. with_changes: in the other run."""

    recorded: int
    with_changes: int


class OtherCallAnswer(TypedDict):
    """A call that fails in one run only. made: how it was made in the run with changes.

    recorded, with_changes: its results. why: the check that refused it.
    """

    line: int
    image: str
    call: str
    recorded: str
    made: str
    with_changes: str
    why: str


class DoubtAnswer(TypedDict):
    """Why calls may not stand for what the program would have done. count: of calls. lines: of the
    log, the first ones.
    """

    reason: str
    count: int
    lines: list[int]


class EstimateAnswer(TypedDict):
    """What an address space costs at most, in bytes. huge: of resident, in huge pages. kernel: for
    VMAs and their tree.
    """

    resident: int
    huge: int
    page_tables: int
    kernel: int


class SideAnswer(TypedDict):
    """One run of one image. most: where it costs the most. end: null where it did not end.

    series: [call, line, time, VMAs, pages], the most VMAs of each part.
    """

    vmas_peak: int
    vmas_end: int
    pages_end: int
    failed: int
    most: EstimateAnswer
    end: EstimateAnswer | None
    series: list[tuple[int, int, float, int, int]]


class ImageOutcomeAnswer(TypedDict):
    """Both runs of one image. identical: whether the last maps are the same."""

    image: str
    identical: bool
    recorded: SideAnswer
    with_changes: SideAnswer


class WhatIfAnswer(TypedDict):
    """One recording. left_out, made_otherwise: how many of its memory calls were.

    fails, passes: how many calls fail with the changes only, or without them only. fail_now,
    pass_now: the first of them.
    """

    recording: str
    changes: list[str]
    recorded_kernel: str
    kernel: str
    memory_calls: int
    left_out: int
    made_otherwise: int
    failed: FailedAnswer
    fails: int
    passes: int
    fail_now: list[OtherCallAnswer]
    pass_now: list[OtherCallAnswer]
    doubts: list[DoubtAnswer]
    images: list[ImageOutcomeAnswer]


def whatif_answer(found: WhatIf, changes: Changes) -> WhatIfAnswer:
    """Return the findings of one recording."""
    return {
        "recording": found.path,
        "changes": changes_text(changes),
        "recorded_kernel": found.recorded_kernel,
        "kernel": found.kernel,
        "memory_calls": found.calls,
        "left_out": found.left_out,
        "made_otherwise": found.made_otherwise,
        "failed": {"recorded": found.failed_recorded, "with_changes": found.failed_other},
        "fails": found.fails,
        "passes": found.passes,
        "fail_now": [_call(call) for call in found.fail_now],
        "pass_now": [_call(call) for call in found.pass_now],
        "doubts": [
            {"reason": doubt.reason, "count": doubt.count, "lines": doubt.lines}
            for doubt in found.doubts.values()
        ],
        "images": [_image(image) for image in found.images],
    }


def _call(call: OtherCall) -> OtherCallAnswer:
    return {
        "line": call.line,
        "image": call.image,
        "call": call.call,
        "recorded": call.recorded,
        "made": call.made,
        "with_changes": call.other,
        "why": call.why,
    }


def _image(image: ImageOutcome) -> ImageOutcomeAnswer:
    return {
        "image": image.name,
        "identical": image.identical,
        "recorded": _side(image.recorded),
        "with_changes": _side(image.other),
    }


def _side(side: Side) -> SideAnswer:
    samples = side.series.all()
    step = -(-len(samples) // MAX_SAMPLES)
    return {
        "vmas_peak": side.peak,
        "vmas_end": side.vmas_at_end,
        "pages_end": side.pages_at_end,
        "failed": side.series.failures,
        "most": _estimate(side.most),
        "end": None if side.at_end is None else _estimate(side.at_end),
        "series": [
            (sample.index, sample.line, sample.time, sample.vmas, sample.total)
            for sample in samples[:: max(step, 1)]
        ],
    }


def _estimate(estimate: Estimate) -> EstimateAnswer:
    return {
        "resident": estimate.resident,
        "huge": estimate.huge,
        "page_tables": estimate.page_tables,
        "kernel": estimate.kernel,
    }
