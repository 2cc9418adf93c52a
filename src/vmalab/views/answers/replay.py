# SPDX-License-Identifier: GPL-2.0-or-later
"""A replay's findings for programs: one object a recording."""

from collections.abc import Sequence
from typing import NotRequired, TypedDict

from vmalab.calls.snapshot import VmaLine
from vmalab.replay.report import Difference, ImageReport, ReplayFigures, ReplayReport


class FiguresAnswer(TypedDict):
    """The numbers of an image, or their sums: predicted + adopted + differ = memory_calls.

    results_compared: results of memory calls that were compared, not adopted. maps_compared: of
    steps, checkpoints, programs, and the last. adopted: calls whose result the recording cannot
    determine. adopted_reasons: how many for each reason. supposed: things that a process did before
    the recording began, as it fits only so. steps: maps in the recording, one after
    each change. checkpoints: maps in the recording now and then. counters: of the kernel, as VmLck.
    programs: first maps, built from a program's headers. final_vmas: VMAs at the end.
    final_identical: null without a last map to compare.
    """

    calls: int
    memory_calls: int
    results_compared: int
    maps_compared: int
    predicted: int
    adopted: int
    differ: int
    supposed: int
    steps: int
    steps_identical: int
    checkpoints: int
    checkpoints_identical: int
    counters: int
    counters_identical: int
    programs: int
    programs_identical: int
    final_vmas: int
    final_identical: bool | None
    adopted_reasons: dict[str, int]


class MapLine(TypedDict):
    """A VMA. line: of /proc/PID/maps. flags: of smaps' VmFlags; null where they are not known."""

    line: str
    flags: tuple[str, ...] | None


class DifferenceAnswer(TypedDict):
    """One call whose result, or whose map, is not as recorded.

    index: of the call among the recording's memory calls, from 0. line: of the log. recorded,
    predicted: what a tracer would print, or a sentence about the map. at: where the map differs
    first (bytes), -1 where it does not. what: differs there. detail: and how. cause: what could be
    the cause. recorded_vmas, predicted_vmas: VMAs near there.
    """

    index: int
    line: int
    image: str
    call: str
    recorded: str
    predicted: str
    at: int
    what: str
    detail: str
    cause: str
    recorded_vmas: list[MapLine]
    predicted_vmas: list[MapLine]


class ImageAnswer(FiguresAnswer):
    """One process image. maps: its last map, as lines of /proc/PID/maps, with --maps."""

    maps: NotRequired[list[str]]


class ReplayAnswer(FiguresAnswer):
    """One recording. kernel: the version that the model behaved as. seconds: of the replay.

    unparsed: lines of the log that were left out. suppositions: of the time before the recording,
    a sentence each. notes: what a reader should know. differences:
    the first hundred; images: by name, "PID.N", N the execs before.
    """

    recording: str
    kernel: str
    seconds: float
    unparsed: int
    suppositions: list[str]
    notes: list[str]
    differences: list[DifferenceAnswer]
    images: dict[str, ImageAnswer]


def replay_answer(report: ReplayReport) -> ReplayAnswer:
    """Return the answer of one recording."""
    return {
        "recording": report.path,
        "kernel": report.kernel,
        **_figures(report.total),
        "seconds": round(report.seconds, 6),
        "unparsed": report.unparsed,
        "suppositions": report.supposed,
        "notes": report.notes,
        "differences": [_difference(item) for item in report.differences],
        "images": {name: _image(image) for name, image in report.images.items()},
    }


def _figures(figures: ReplayFigures) -> FiguresAnswer:
    return {
        "calls": figures.calls,
        "memory_calls": figures.memory_calls,
        "results_compared": figures.compared,
        "maps_compared": figures.maps,
        "predicted": figures.predicted,
        "adopted": figures.adopted,
        "differ": figures.differ,
        "supposed": figures.supposed,
        "steps": figures.steps,
        "steps_identical": figures.steps_identical,
        "checkpoints": figures.checkpoints,
        "checkpoints_identical": figures.checkpoints_identical,
        "counters": figures.counters,
        "counters_identical": figures.counters_identical,
        "programs": figures.programs,
        "programs_identical": figures.programs_identical,
        "final_vmas": figures.final_vmas,
        "final_identical": figures.final_identical,
        "adopted_reasons": figures.adopted_reasons,
    }


def _difference(difference: Difference) -> DifferenceAnswer:
    return {
        "index": difference.call_index,
        "line": difference.line,
        "image": difference.image,
        "call": difference.call,
        "recorded": difference.recorded,
        "predicted": difference.predicted,
        "at": difference.at,
        "what": difference.what,
        "detail": difference.detail,
        "cause": difference.cause,
        "recorded_vmas": _vmas(difference.around_recorded),
        "predicted_vmas": _vmas(difference.around_predicted),
    }


def _vmas(lines: Sequence[VmaLine]) -> list[MapLine]:
    return [{"line": line.text, "flags": line.flags} for line in lines]


def _image(image: ImageReport) -> ImageAnswer:
    figures = _figures(image.figures)
    if not image.final:
        return {**figures}  # type: ignore[typeddict-item]
    return {**figures, "maps": [line.text for line in image.final]}
