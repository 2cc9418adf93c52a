# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a blame: the culprit on top, each cause with its first call, the map below."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")

from vmalab.cli.blame import blame
from vmalab.explain.blame.culprits import SITE, blame_report
from vmalab.explain.blame.tally import StackTally
from vmalab.explain.blame.watcher import Blame
from vmalab.explain.history.history import History
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.views.blame import BlameFindings
from vmalab.views.html.blame import blame_page
from vmalab.views.html.document import Page

RECORDING = Path(__file__).parents[3] / "scenarios/allocator-unmap/recording"


@pytest.fixture(scope="module")
def page() -> Page:
    history, tally = History(), StackTally()
    watcher = Blame(tally=tally)
    report = Replay(RecordingFiles(str(RECORDING)), Options(observers=(watcher, history))).run()
    moment = max(watcher.moments(peak=True), key=lambda moment: len(moment.vmas))
    found = BlameFindings(
        str(RECORDING), "peak", report.kernel, blame_report(moment), moment=moment
    )
    assert sum(share.vmas for share in found.report.shares[SITE]) == len(moment.vmas)
    return blame_page(found, history, tally, [])


def test_the_culprit_stands_on_top(page: Page) -> None:
    cause = "churn: main, munmap"
    assert page.verdict == f"499 of 547 VMAs were made by {cause}"
    first = page.closing[0].rows[0]
    assert first[:2] == ("499", "0")
    assert first[4] == cause
    assert re.fullmatch(r"line \d+: munmap\(.*\) = 0", first[5])
    assert page.closing[0].parts[0] == pytest.approx(499 / 547)
    assert page.closing[0].calls[0] > 0


def test_the_flame_graph_has_every_vma_and_what_was_made_and_is_gone(page: Page) -> None:
    data: Any = page.figures[0].data
    assert data["kind"] == "flame"
    sums = {name: column[0] for name, column in data["sums"].items()}
    assert sums["held"] == 547
    assert sums["made"] == 541
    assert "failed" not in sums
    frames: Any = page.book.plain()["frames"]
    names = [frames[number][0] for number in data["frames"]]
    held = data["sums"]["held"]
    calls = [at for at, name in enumerate(names) if name == "munmap"]
    culprit = max(calls, key=held.__getitem__)
    assert sum(held[at] for at in calls if not frames[data["frames"][at]][1]) == 499
    way = []
    while culprit > 0:
        culprit = data["parents"][culprit]
        way.append(names[culprit])
    assert "main" in way
    assert way[-1] == "all"


def test_the_chart_is_of_the_image_that_is_blamed(page: Page) -> None:
    (part,) = page.parts
    assert part.name == "9360.2: 1,568 memory calls"
    assert part.figures[0].data["kind"] == "timeline"


def test_every_vma_has_the_call_that_made_it(page: Page) -> None:
    vmas = page.closing[-1]
    assert vmas.title == "Every VMA"
    assert len(vmas.rows) == 547
    assert sum(row[-1].startswith("munmap(") for row in vmas.rows) == 499


def test_the_command_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    words = ["--at", "1000", "--html", str(file), str(RECORDING)]
    done = CliRunner().invoke(blame, words)
    assert done.exit_code == 0, done.output
    text = file.read_text("utf-8")
    assert "vmalab blame of" in text
    assert "after line 1000" in text
