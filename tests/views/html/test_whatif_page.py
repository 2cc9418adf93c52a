# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a what-if: both runs in one chart, what fails now, what is doubtful."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")

from vmalab.cli.whatif import whatif
from vmalab.explain.blame.watcher import Blame
from vmalab.explain.whatif.changes import Changes, Pattern
from vmalab.explain.whatif.comparison import what_if
from vmalab.explain.whatif.second_origins import SecondOrigins
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options
from vmalab.views.html.document import Page
from vmalab.views.html.whatif import whatif_page

SCENARIOS = Path(__file__).parents[3] / "scenarios"
PLOT = "document.querySelector('figure').vmalab"


def page_of(name: str, changes: Changes) -> Page:
    recording = RecordingFiles(str(SCENARIOS / name / "recording"))
    found, _ = what_if(recording, changes, Options())
    return whatif_page(found, changes)


@cache
def guards_page() -> Page:
    return page_of("thread-stacks", Changes(guards=True))


def test_what_becomes_of_the_number_of_vmas() -> None:
    page = guards_page()
    assert page.verdict == "424 VMAs at the end become 25, 424 at most 26"
    assert page.good
    facts = {fact.label: (fact.value, fact.note) for fact in page.facts}
    assert facts["VMAs at the end"] == ("25", "recorded: 424 (-399)")
    assert facts["memory calls"] == ("616", "0 left out, 200 changed")


def test_both_runs_are_in_the_chart() -> None:
    (part,) = guards_page().parts
    runs: Any = part.figures[0].data["runs"]
    assert [run["name"] for run in runs] == ["recorded", "with changes"]
    assert [run["samples"]["vmas"][-1] for run in runs] == [424, 25]
    assert [run["samples"]["vmas"][0] for run in runs] == [13, 13]


def test_calls_that_fail_now_are_told_with_the_reason() -> None:
    page = page_of("mremap-pieces", Changes(sysctl={"vm.max_map_count": 1000}))
    assert not page.good
    fails, passes = page.closing
    assert len(fails.rows) == 14
    assert fails.rows[0][0] == "3060"
    assert fails.rows[0][3] == "-1 ENOMEM (Cannot allocate memory)"
    assert fails.rows[0][4].startswith("map count: 995 VMAs")
    assert passes.rows == []
    assert page.notes[0].startswith(
        "A recording does not show what the program would have done: 14"
    )


def test_nothing_changed_is_the_same() -> None:
    page = page_of("thread-stacks", Changes())
    assert page.verdict == "The same map and the same answers"


def test_it_draws(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    words = ["--guard-regions", "--html", str(file), str(SCENARIOS / "thread-stacks/recording")]
    assert CliRunner().invoke(whatif, words).exit_code == 0
    browser.open(file)
    charts = f"{PLOT}.stack.charts"
    names = browser.evaluate(f"{charts}.map(u => u.series.slice(1).map(line => line.label))")
    assert names == [["recorded", "with changes"]] * 2
    assert browser.evaluate(f"{charts}[0].data.slice(1).map(line => line.at(-1))") == [424, 25]
    flame = "document.querySelectorAll('figure')[1].vmalab"
    assert browser.evaluate(f"{flame}.measure") == "difference"
    assert browser.evaluate(f"[{flame}.chart.sums.held[0], {flame}.chart.sums.changed[0]]") == [
        424,
        26,
    ]
    assert browser.evaluate(f"{flame}.changeColour(0, false)").startswith("hsl(205 ")
    assert browser.problems == []


@pytest.mark.parametrize(
    ("scenario", "changes", "culprit"),
    [
        pytest.param(
            "allocator-unmap",
            Changes(drops=(Pattern("munmap"),)),
            ("munmap", 499, 0),
            marks=pytest.mark.slow,
        ),
        ("mremap-pieces", Changes(drops=(Pattern("mremap"),)), ("mremap", 999, 0)),
    ],
)
def test_the_difference_is_put_down_to_the_calls_that_made_it(
    scenario: str, changes: Changes, culprit: tuple[str, int, int]
) -> None:
    recording = RecordingFiles(str(SCENARIOS / scenario / "recording"))
    watcher, second = Blame(), SecondOrigins()
    found, _ = what_if(recording, changes, Options(observers=(watcher,)), second)
    page = whatif_page(found, changes, recording.frames(), (watcher, second))
    data: Any = page.parts[0].figures[1].data
    most = max(found.images, key=lambda image: image.recorded.peak)
    assert data["sums"]["held"][0] == most.recorded.peak
    assert data["sums"]["changed"][0] == most.other.peak
    frames: Any = page.book.plain()["frames"]
    name, held, changed = culprit
    calls = [at for at, frame in enumerate(data["frames"]) if frames[frame][:2] == [name, ""]]
    assert sum(data["sums"]["held"][at] for at in calls) == held
    assert sum(data["sums"]["changed"][at] for at in calls) == changed
