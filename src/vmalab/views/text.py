# SPDX-License-Identifier: GPL-2.0-or-later
"""A replay's findings as text for people."""

import os
from collections.abc import Iterator, Sequence
from typing import Final, final

from vmalab.calls.snapshot import VmaLine
from vmalab.replay.report import Difference, ReplayFigures, ReplayReport, Story
from vmalab.targets.model.versions import linux_named
from vmalab.views.output import put_exact, say

# Differences that are shown with their surroundings.
SHOWN: Final = 10


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole}"


def _count(number: int, what: str) -> str:
    """ "1 call", "2 calls"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def verdict(report: ReplayReport) -> str:
    """Return one line: the recording, how its calls ended, its maps."""
    figures = report.total
    mark = "identical" if report.identical else "DIFFERS"
    if report.compared_nothing:
        mark = "NOTHING COMPARED"
    name = os.path.normpath(report.path)
    return f"{name}: {mark}, {linux_named(report.kernel)}: {figures_text(figures)}{_unread(report)}"


def trust_text(figures: ReplayFigures) -> str:
    """Return how much of a log without any map could be compared: results, in words."""
    share = ""
    if figures.memory_calls:
        share = f" ({100 * figures.compared / figures.memory_calls:.4g} %)"
    parts = [f"{_share(figures.compared, figures.memory_calls)} results compared{share}"]
    if figures.adopted:
        parts.append(f"{figures.adopted} adopted{_reasons(figures)}")
    return ", ".join([*parts, "no map to compare with"])


def _without_result(figures: ReplayFigures) -> int:
    """Return how many memory calls have no result in the log: the model's says nothing of it."""
    return figures.memory_calls - figures.compared - figures.adopted


def _unread(report: ReplayReport) -> str:
    return f", {_count(report.unparsed, 'line')} not understood" if report.unparsed else ""


def figures_text(figures: ReplayFigures) -> str:
    """Return the figures in words."""
    silent = _without_result(figures)
    parts = [
        _count(figures.memory_calls, "memory call") + f" of {figures.calls}",
        f"{figures.predicted - silent} predicted",
        f"{figures.adopted} adopted{_reasons(figures)}",
        f"{figures.differ} differ",
    ]
    if figures.supposed:
        parts.append(f"{figures.supposed} supposed of the time before")
    if silent:
        parts.append(f"{silent} without a result in the log")
    if figures.programs:
        share = _share(figures.programs_identical, figures.programs)
        parts.append(f"{share} programs begin as recorded")
    if figures.steps:
        parts.append(f"{_share(figures.steps_identical, figures.steps)} steps identical")
    if figures.checkpoints:
        share = _share(figures.checkpoints_identical, figures.checkpoints)
        parts.append(f"{share} checkpoints identical")
    if figures.counters:
        share = _share(figures.counters_identical, figures.counters)
        parts.append(f"{share} counters identical")
    if figures.final_identical is not None:
        same = "identical" if figures.final_identical else "not the same"
        parts.append(f"{_count(figures.final_vmas, 'VMA')} at the end: {same}")
    return ", ".join(parts)


def _reasons(figures: ReplayFigures) -> str:
    if not figures.adopted_reasons:
        return ""
    found = sorted(figures.adopted_reasons.items(), key=lambda item: (-item[1], item[0]))
    return " (" + ", ".join(f"{reason}: {count}" for reason, count in found) + ")"


def difference_lines(difference: Difference) -> Iterator[str]:
    """Yield a difference as a person wants it: the call, both answers, the VMAs on both sides."""
    where = f"line {difference.line}, " if difference.line else ""
    yield f"  {where}image {difference.image}: {difference.call}"
    yield f"    recorded:  {difference.recorded}"
    yield f"    predicted: {difference.predicted}"
    if difference.cause:
        yield f"    could be:  {difference.cause}"
    if difference.around_recorded or difference.around_predicted:
        yield "    recorded VMAs around the place (* not predicted):"
        yield from _vmas(difference.around_recorded, difference.marked_recorded)
        yield "    predicted (* not recorded):"
        yield from _vmas(difference.around_predicted, difference.marked_predicted)


def _vmas(lines: Sequence[VmaLine], marked: frozenset[int]) -> Iterator[str]:
    if not lines:
        yield "        (not known)"
    for index, line in enumerate(lines):
        mark = "*" if index in marked else " "
        flags = "" if line.flags is None else f" | {' '.join(line.flags)}"
        yield f"      {mark} {line.text}{flags}"


def story_lines(story: Story) -> Iterator[str]:
    """Yield what merged, split and failed on the way."""
    yield "the story:"
    yield _told("merged", story.merged)
    yield _told("split", story.split)
    yield _told("mapped", story.made)
    yield _told("unmapped", story.gone)
    if story.most_vmas:
        yield f"  most VMAs at once: {story.most_vmas}, after line {story.most_at}"
    if not story.failures:
        yield "  failed: nothing"
        return
    kinds = sorted(story.failures.items(), key=lambda item: (-item[1], item[0]))
    yield "  failed: " + ", ".join(f"{name} {errno} {count}" for (name, errno), count in kinds)
    for line, call, errno in story.failed[:SHOWN]:
        yield f"    line {line}: {call} = -1 {errno}"
    left_out = sum(story.failures.values()) - len(story.failed[:SHOWN])
    if left_out:
        yield f"    and {left_out} more"


def _told(what: str, counts: dict[str, int]) -> str:
    total = sum(counts.values())
    if not total:
        return f"  {what}: nothing"
    kinds = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f"  {what}: {total} (" + ", ".join(f"{name} {n}" for name, n in kinds) + ")"


def recording_lines(report: ReplayReport) -> Iterator[str]:
    """Yield what a replay found: the verdict first, then differences."""
    yield verdict(report)
    if not report.total.maps:
        yield f"  trust: {trust_text(report.total)}"
    for difference in report.differences[:SHOWN]:
        yield from difference_lines(difference)
    if len(report.differences) > SHOWN:
        yield f"  and {report.total.differ + report.map_differences - SHOWN} more"


def replay_messages(report: ReplayReport) -> Iterator[str]:
    """Yield what the user is to hear of the input: lines that cannot be used, notes."""
    for complaint in report.complaints:
        yield complaint.text
    if report.complaints_left_out:
        yield f"{report.complaints_left_out} more such lines"
    for note in report.notes:
        yield f"{report.path}: {note}"


@final
class TextView:
    """Prints recordings as they are done, and their sum."""

    def __init__(self, *, maps: bool, story: bool) -> None:
        self._maps = maps
        self._story = story
        self._sum = ReplayFigures()
        self._done = 0
        self._identical = 0
        self._seconds = 0.0

    def recording(self, report: ReplayReport) -> None:
        """One recording."""
        identical = report.identical and not report.compared_nothing
        self.add(identical, report.seconds, report.total)
        colour: str | None = "green" if report.identical else "red"
        for line in recording_lines(report):
            say(line, colour=colour)
            colour = None
        if self._maps:
            self._print_maps(report)
        if self._story:
            for line in story_lines(report.story):
                say(line)

    def add(self, identical: bool, seconds: float, figures: ReplayFigures) -> None:
        """Add one recording to the sum, and print nothing."""
        self._done += 1
        self._identical += identical
        self._seconds += seconds
        self._sum.add(figures)

    def _print_maps(self, report: ReplayReport) -> None:
        several = len(report.images) > 1
        for name, image in report.images.items():
            if several:
                say(f"final map of {name}:")
            put_exact(line.text for line in image.final)

    def total(self) -> None:
        """The sum over all recordings."""
        if self._done:
            done = f"{self._identical} of {_count(self._done, 'recording')} identical"
            say(f"total: {done}: {figures_text(self._sum)}, {self._seconds:.3f} s")
