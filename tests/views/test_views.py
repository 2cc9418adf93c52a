# SPDX-License-Identifier: GPL-2.0-or-later
"""Views print what was found: every key, every figure, the place of a difference."""

import json
import re
from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.calls.snapshot import VmaLine
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import Difference, ReplayReport, Story
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.replay import replay_answer
from vmalab.views.progress import Progress
from vmalab.views.text import TextView, difference_lines, story_lines, verdict

KEYS = {
    "schema",
    "version",
    "recording",
    "kernel",
    "calls",
    "memory_calls",
    "results_compared",
    "maps_compared",
    "predicted",
    "adopted",
    "differ",
    "steps",
    "steps_identical",
    "checkpoints",
    "checkpoints_identical",
    "counters",
    "counters_identical",
    "programs",
    "programs_identical",
    "final_vmas",
    "final_identical",
    "seconds",
    "unparsed",
    "supposed",
    "suppositions",
    "notes",
    "differences",
    "adopted_reasons",
    "images",
}
FIGURES = KEYS - {
    *("schema", "version", "recording", "kernel", "seconds", "unparsed", "notes"),
    *("differences", "images", "suppositions"),
}


@pytest.fixture
def report(examples: Path) -> ReplayReport:
    """A replayed example, with its maps and its story."""
    options = Options(maps=True, story=True)
    return Replay(RecordingFiles(str(examples / "python-rlimit-as")), options).run()


def line_of(report: ReplayReport) -> str:
    return answer_json("replay", replay_answer(report))


def difference() -> Difference:
    ours = VmaLine(0x1000, 0x2000, "rw-p", 0, "00:00", 0, "", ("rd", "wr"))
    theirs = VmaLine(0x1000, 0x3000, "rw-p", 0, "00:00", 0, "", None)
    return Difference(
        4, 17, "50.1", "munmap(0x1000, 1)", "0", "-1 EPERM", [theirs], [ours], frozenset((0,))
    )


def test_json_has_exactly_the_keys_of_the_manual(report: ReplayReport) -> None:
    found = json.loads(line_of(report))
    assert found.keys() == KEYS
    assert all(image.keys() >= FIGURES for image in found["images"].values())
    assert "\n" not in line_of(report)


def test_json_sums_are_those_of_the_images(report: ReplayReport) -> None:
    found = json.loads(line_of(report))
    for key in ("calls", "memory_calls", "predicted", "adopted", "differ", "steps", "final_vmas"):
        assert found[key] == sum(image[key] for image in found["images"].values())


def test_json_of_a_difference() -> None:
    report = ReplayReport("r", "6.18")
    report.differences.append(difference())
    assert json.loads(line_of(report))["differences"] == [
        {
            "index": 4,
            "line": 17,
            "image": "50.1",
            "call": "munmap(0x1000, 1)",
            "recorded": "0",
            "predicted": "-1 EPERM",
            "at": -1,
            "what": "",
            "detail": "",
            "cause": "",
            "recorded_vmas": [{"line": "00001000-00003000 rw-p 00000000 00:00 0 ", "flags": None}],
            "predicted_vmas": [
                {"line": "00001000-00002000 rw-p 00000000 00:00 0 ", "flags": ["rd", "wr"]}
            ],
        }
    ]


def test_json_is_ascii_whatever_a_path_holds() -> None:
    assert line_of(ReplayReport("ü\udcff", "6.18")).isascii()


def test_verdict_is_one_line_with_all_figures(report: ReplayReport) -> None:
    text = verdict(report)
    assert "\n" not in text
    for part in (
        "identical, Linux 6.18",
        "609 predicted",
        "0 adopted",
        "0 differ",
        "584/584 steps",
    ):
        assert part in text


def test_reasons_and_unread_lines_are_in_the_verdict() -> None:
    report = ReplayReport("r", "6.18")
    report.unparsed = 1
    report.total.adopt("thread race")
    report.total.differ = 2
    assert "1 adopted (thread race: 1), 2 differ" in verdict(report)
    assert "DIFFERS" in verdict(report)
    assert verdict(report).endswith("1 line not understood")


def test_difference_shows_both_sides_and_marks() -> None:
    assert list(difference_lines(difference())) == [
        "  line 17, image 50.1: munmap(0x1000, 1)",
        "    recorded:  0",
        "    predicted: -1 EPERM",
        "    recorded VMAs around the place (* not predicted):",
        "      * 00001000-00003000 rw-p 00000000 00:00 0 ",
        "    predicted (* not recorded):",
        "        00001000-00002000 rw-p 00000000 00:00 0  | rd wr",
    ]


def test_final_maps_are_printed_exactly(
    report: ReplayReport, examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    view = TextView(maps=True, story=False)
    view.recording(report)
    recorded = RecordingFiles(report.path).images[next(iter(report.images))].final()
    assert recorded is not None
    printed = capsys.readouterr().out.splitlines()
    assert printed[1:] == [line.text for line in recorded]


def test_story_of_a_program_that_runs_out_of_memory(report: ReplayReport) -> None:
    text = "\n".join(story_lines(report.story))
    assert "failed: mmap ENOMEM 4" in text
    assert "line 638: mmap(NULL, 17179873280, PROT_READ|PROT_WRITE" in text
    assert "merged: " in text
    assert "most VMAs at once: 104, after line 377" in text


def test_story_without_events() -> None:
    assert list(story_lines(Story()))[1:] == [
        "  merged: nothing",
        "  split: nothing",
        "  mapped: nothing",
        "  unmapped: nothing",
        "  failed: nothing",
    ]


def test_long_list_of_failures_is_cut_and_counted() -> None:
    story = Story()
    for line in range(500):
        story.fail(Call(1, "munmap", line=line), "munmap(1, 1)", "EINVAL")
    text = list(story_lines(story))
    assert "  failed: munmap EINVAL 500" in text
    assert text[-1] == "    and 490 more"
    assert len(story.failed) == 200


def test_total_counts_recordings(report: ReplayReport, capsys: pytest.CaptureFixture[str]) -> None:
    view = TextView(maps=False, story=False)
    view.total()
    assert capsys.readouterr().out == ""
    view.recording(report)
    view.recording(report)
    view.total()
    assert "total: 2 of 2 recordings identical: 1218 memory calls" in capsys.readouterr().out


def test_progress_tells_how_much_is_left_where_the_length_is_known() -> None:
    progress = Progress()
    progress.begin("x", lambda: 0.25)
    progress._began -= 1000
    assert re.fullmatch(r", 25%, 5[0-9] min left", progress._left())
    for unknown in (None, 0.0):
        progress.begin("x", lambda unknown=unknown: unknown)
        assert progress._left() == ""


def test_progress_is_silent_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.begin("x")
        progress.advance(10**6)
    assert capsys.readouterr().err == ""
