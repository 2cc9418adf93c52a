# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check against a real kernel found, for people and for programs, and saved to a folder."""

import os
from collections.abc import Iterator
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.calls.format import format_call, format_result
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.calls.table import UNMAPS, row_of
from vmalab.check.campaign import Totals
from vmalab.check.finding import DIED, MAP, MODEL, RESULT
from vmalab.check.piece import Shrunk
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.recording.format.output_folder import Folder
from vmalab.recording.format.writer import log_line, write_recording, write_text
from vmalab.recording.readers.maps import parse_smaps
from vmalab.replay.report import ReplayReport
from vmalab.targets.real.real import TID
from vmalab.testing.cases.picture import Box, draw
from vmalab.views.as_logged import as_logged
from vmalab.views.case_file import case_text
from vmalab.views.reproducer import c_program, in_windows, python_test, shown_vmas
from vmalab.views.syzkaller import syz_program
from vmalab.views.text import SHOWN, difference_lines, figures_text
from vmalab.views.text_table import counted
from vmalab.views.visible import visible

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# VMAs of which a picture is still readable.
_MOST: Final = 24


def core_lines(totals: Totals) -> tuple[int, int]:
    """Lines of the VMA core that were reached, and all; 0 and 0 where they were not watched."""
    pairs = totals.reached.values()
    return sum(reached for reached, _ in pairs), sum(lines for _, lines in pairs)


def merges(totals: Totals) -> int:
    """Return calls after which there were fewer VMAs although none was asked to go."""
    return sum(
        count
        for (name, _, result, delta, _), count in totals.outcomes.items()
        if result == 0 and delta < 0 and not row_of(name).family & UNMAPS
    )


def progress_text(totals: Totals) -> str:
    """Rate and reach in a few words."""
    speed = totals.calls / totals.seconds if totals.seconds else 0.0
    calls, outcomes = counted(totals.calls, "call"), counted(len(totals.outcomes), "outcome")
    text = f"{calls}, {speed:.0f}/s, {outcomes}"
    reached, lines = core_lines(totals)
    if lines:
        text += f", {100 * reached // lines} % of the core's lines"
    return text


def totals_lines(target: str, totals: Totals, base: str = "", mutant: str = "") -> Iterator[str]:
    """Yield the figures of one target for a person.

    base: what is in the model's place. mutant: the bug that was put into the model.
    """
    found = totals.differences
    unfound = f"{mutant} NOT FOUND" if mutant else "no difference"
    verdict = counted(found, "difference") if found else unfound
    beside = f"beside {base}" if base else f"as {totals.version}"
    yield f"{target} ({totals.kernel}, {beside}): {verdict}"
    maps, streams = counted(totals.maps, "map"), counted(totals.streams, "stream")
    yield f"  {progress_text(totals)}, {maps} compared, {streams}"
    if totals.left:
        yield f"  {totals.left} of the streams left early, for want of memory"
    if totals.unread:
        yield f"  {counted(totals.unread, 'recording')} could not be read"


def interrupted_text(totals: Totals, seed: int) -> str:
    """Return what a check had done when it was interrupted, and how to do it again."""
    found = f"{counted(totals.differences, 'difference')}, " if totals.differences else ""
    return f"interrupted: {found}{progress_text(totals)}, seed {seed}"


def recorded_program_lines(name: str, report: ReplayReport, saved: str) -> Iterator[str]:
    """Yield what came of a program that was recorded there. saved: its recording, "" if nowhere."""
    mark = "identical" if report.identical else "DIFFERS"
    yield f"  program {name}: {mark}: {figures_text(report.total)}"
    for difference in report.differences[:SHOWN]:
        yield from difference_lines(difference)
    if saved:
        yield f"saved: {os.path.join(saved, '')}"


def finding_lines(shrunk: Shrunk, target: str) -> Iterator[str]:
    """Yield a difference: the calls, both answers, the picture."""
    finding, transcript = shrunk.finding, shrunk.transcript
    difference = finding.difference
    yield (
        f"{target} ({shrunk.release}): differs from {shrunk.beside}; "
        f"profile {finding.profile}, stream {finding.seed}, "
        f"{shrunk.original} calls shrunk to {len(difference.calls)}:"
    )
    results = (*transcript.results, *[None] * len(difference.calls))
    for call, result in zip(difference.calls, results, strict=False):
        yield f"    {format_call(call)} = {format_result(call.name, result)}"
    name = difference.last.name
    if difference.kind == RESULT:
        yield f"  {'kernel:':8}{format_result(name, difference.recorded)}"
        yield f"  {_judge(shrunk) + ':':8}{format_result(name, difference.predicted)}"
    elif difference.kind == MAP:
        yield f"  the maps differ at {difference.at:#x}: {difference.what}"
    elif difference.kind == DIED:
        yield f"  the program that makes the calls did not survive: {difference.what}"
    elif difference.kind == MODEL:
        yield f"  the {_judge(shrunk)} failed: {difference.what}"
    yield from _picture(shrunk)


def _judge(shrunk: Shrunk) -> str:
    """Return the word for what the target is compared with."""
    return "base" if shrunk.base else "model"


def _picture(shrunk: Shrunk) -> Iterator[str]:
    transcript, difference = shrunk.transcript, shrunk.finding.difference
    first = parse_smaps(transcript.first)
    rows = [
        ("before", shown_vmas(parse_smaps(transcript.before), first)),
        ("kernel", shown_vmas(parse_smaps(transcript.last), first)),
    ]
    if difference.kind == MAP:
        rows.append((_judge(shrunk), shown_vmas(list(difference.model), first)))
    legend: dict[str, str] = {}
    drawn = [(label, _boxes(lines, legend)) for label, lines in rows]
    if not any(boxes for _, boxes in drawn) or max(len(boxes) for _, boxes in drawn) > _MOST:
        return
    yield from draw(drawn)
    for text, letter in legend.items():
        yield f"  {letter} = {text}"


def _boxes(lines: Snapshot, legend: dict[str, str]) -> list[Box]:
    boxes = []
    for line in lines:
        if not in_windows(line) and len(lines) > _MOST:
            continue
        text = _kind(line)
        if text not in legend and len(legend) < len(_LETTERS):
            legend[text] = _LETTERS[len(legend)]
        boxes.append(Box(line.start >> PAGE_SHIFT, line.end >> PAGE_SHIFT, legend.get(text, "?")))
    return boxes


def _kind(line: VmaLine) -> str:
    """Return all that is shown of a VMA but its place.

    Flags that its permissions tell are left out.
    """
    flags = [word for word in line.flags or () if word not in ("rd", "wr", "ex", "mr", "mw", "me")]
    parts = [line.perms, *flags]
    if line.inode:
        parts += [line.name.removesuffix(" (deleted)"), f"offset {line.pgoff >> PAGE_SHIFT:x}"]
    return " ".join(parts)


# Saving.


def save(shrunk: Shrunk, folder: str, target: str) -> str:
    """Save a finding as a recording that `vmalab replay` takes, with programs: its folder.

    Nothing is written through a link that somebody put there.
    Errors: ReadError when it cannot be written.
    """
    finding, transcript = shrunk.finding, shrunk.transcript
    calls, results = finding.difference.calls, transcript.results
    kernel = "".join(c if c.isalnum() or c in ".-" else "-" for c in shrunk.release)
    name = f"{kernel}-{finding.profile}-{finding.seed}"
    path = os.path.join(folder, name)
    meta = _with_events(transcript.meta, shrunk)
    logged = list(as_logged(calls, results))
    lines = [log_line(one.tid, one.call, one.result) for one in logged]
    image = logged[-1].image if logged else f"{TID}.1"
    case = case_text(shrunk)
    texts = {
        **({"case.vma": case} if case else {}),
        "test.py": python_test(calls, results, shrunk.version, shrunk.release),
        "reproduce.c": c_program(calls, results),
        "reproduce.syz": syz_program(calls, results),
        "README": "".join(visible(line) + "\n" for line in finding_lines(shrunk, target)),
    }
    try:
        with Folder.at(folder) as findings, findings.inside(name) as place:
            last = {image: transcript.last}
            write_recording(place, meta, lines, f"{TID}.1", transcript.first, last)
            for file, text in texts.items():
                write_text(place, file, text)
    except OSError as error:
        raise ReadError(path, 0, error.strerror or "cannot be written") from None
    return path


def _with_events(meta: dict[str, object], shrunk: Shrunk) -> dict[str, object]:
    """Return meta.json with what began, and with an image for each child that has its own."""
    events, images = meta["events"], meta["images"]
    assert isinstance(events, list)
    assert isinstance(images, dict)
    calls, results = shrunk.finding.difference.calls, shrunk.transcript.results
    begun = [one.event for one in as_logged(calls, results) if one.event is not None]
    copied: dict[str, object] = {
        str(event["image"]): {} for event in begun if event["event"] == "fork"
    }
    generator = {"profile": shrunk.finding.profile, "seed": shrunk.finding.seed}
    return {
        **meta,
        "events": [*events, *begun],
        "images": {**images, **copied},
        "generator": generator,
    }


def program_lines(shrunk: Shrunk) -> Iterator[str]:
    """Yield the programs that show the difference elsewhere."""
    calls, results = shrunk.finding.difference.calls, shrunk.transcript.results
    case = case_text(shrunk)
    programs = (
        *((("test case", case),) if case else ()),
        ("test of the engine", python_test(calls, results, shrunk.version, shrunk.release)),
        ("C program", c_program(calls, results)),
        ("syzkaller program", syz_program(calls, results)),
    )
    for title, text in programs:
        yield f"--- {title}"
        yield from text.rstrip("\n").split("\n")
