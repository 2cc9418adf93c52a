# SPDX-License-Identifier: GPL-2.0-or-later
"""JSON as all views write it, and a replay's findings in it: one object a recording."""

import json

from vmalab.calls.snapshot import Snapshot
from vmalab.replay.report import Difference, ImageReport, ReplayFigures, ReplayReport


def _figures(figures: ReplayFigures) -> dict[str, object]:
    return {
        "calls": figures.calls,
        "memory_calls": figures.memory_calls,
        "results_compared": figures.compared,
        "maps_compared": figures.maps,
        "predicted": figures.predicted,
        "adopted": figures.adopted,
        "differ": figures.differ,
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


def _difference(difference: Difference) -> dict[str, object]:
    return {
        "index": difference.index,
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


def _vmas(lines: Snapshot) -> list[dict[str, object]]:
    return [{"line": line.text, "flags": line.flags} for line in lines]


def _image(image: ImageReport) -> dict[str, object]:
    found = _figures(image.figures)
    if image.final:
        found["maps"] = [line.text for line in image.final]
    return found


def report_object(report: ReplayReport) -> dict[str, object]:
    """Return the object that `--json` prints for a recording."""
    found: dict[str, object] = {"recording": report.path, "kernel": report.kernel}
    found |= _figures(report.total)
    found["seconds"] = round(report.seconds, 6)
    found["unparsed"] = report.unparsed
    found["notes"] = report.notes
    found["differences"] = [_difference(item) for item in report.differences]
    found["images"] = {name: _image(image) for name, image in report.images.items()}
    return found


def json_line(report: ReplayReport) -> str:
    """Return the object as one line of ASCII."""
    return json_text(report_object(report))


def json_text(value: object) -> str:
    """Write a value as one line of JSON, all of it ASCII that prints."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("\x7f", "\\u007f")
