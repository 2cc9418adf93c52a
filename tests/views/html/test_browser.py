# SPDX-License-Identifier: GPL-2.0-or-later
"""The page in a real browser: it draws, answers the mouse, zooms, and asks nobody for anything."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plotly", reason="plotly is not installed (pip install 'vmalab[html]')")

from vmalab.observe.history import History
from vmalab.observe.replay import Options, Replay
from vmalab.recording.recording import Recording
from vmalab.views.html.page import render
from vmalab.views.html.replay import replay_page

PLOT = "document.querySelector('.part:not([hidden]) .chart')"


def write_page(recording: Path, folder: Path) -> Path:
    history = History()
    report = Replay(Recording(str(recording)), Options(observers=(history,))).run()
    page = folder / "page.html"
    page.write_text(render(replay_page(report, history)), "utf-8")
    return page


@pytest.fixture(scope="module")
def python_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    examples = Path(__file__).parents[3] / "examples"
    return write_page(examples / "python-rlimit-as", tmp_path_factory.mktemp("page"))


def place(browser: Any, axis: str, x: float, y: float) -> tuple[float, float]:
    """Where a point of a subplot is on the screen."""
    found = browser.evaluate(
        f"(() => {{ const gd = {PLOT}, l = gd._fullLayout, b = gd.getBoundingClientRect();"
        f"return [b.left + l.xaxis._offset + l.xaxis.d2p({x}),"
        f"b.top + l.{axis}._offset + l.{axis}.d2p({y})] }})()"
    )
    return found[0], found[1]


def hover_text(browser: Any, axis: str, x: float, y: float, sign: str) -> str:
    """What the page shows when the mouse is there; `sign`: what it holds when it is up to date."""
    browser.move_mouse(*place(browser, axis, x, y))
    browser.wait_for(f"document.querySelector('.hover').textContent.includes('{sign}')")
    return str(browser.evaluate("document.querySelector('.hover').textContent"))


def test_it_draws_without_a_complaint_or_a_request(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    assert browser.evaluate(f"{PLOT}.data.map(trace => trace.name)") == [
        "VMAs",
        "mapped",
        "resident at most",
        "data (VmData)",
        "failed calls",
        "a failed call",
        "map",
    ]
    assert browser.evaluate(f"{PLOT}.querySelectorAll('.heatmaplayer image').length") == 1
    assert browser.evaluate("document.title") == "python-rlimit-as - vmalab replay as Linux 6.18"
    assert browser.problems == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


def test_the_numbers_drawn_are_those_of_the_replay(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    vmas = browser.evaluate(f"Array.from({PLOT}.data[0].y)")
    assert (len(vmas), vmas[0], max(vmas), vmas[-1]) == (610, 12, 104, 103)
    assert browser.evaluate(f"{PLOT}.data[4].y.at(-1)") == 4


def test_a_number_shows_its_call(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    text = hover_text(browser, "yaxis", 363, 50, "call 363")
    assert text.startswith("call 363, line 635\n")
    assert "mmap(NULL, 1052672, PROT_READ|PROT_WRITE" in text
    assert "= -1 ENOMEM (Cannot allocate memory)" in text
    assert "104 VMAs, 1 failed calls so far" in text


def test_a_place_of_the_map_shows_what_was_there(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    # The heap is what is drawn in its colour; the middle of its rows, at the end.
    heap = browser.evaluate(
        f"(() => {{ const t = {PLOT}.data.at(-1);"
        "const rows = t.z.map((row, at) => [row.at(-9), at])"
        ".filter(([kind]) => kind === 1.5).map(([, at]) => at);"
        "return [t.x0 + t.dx * 591, t.y0 + t.dy * rows[rows.length >> 1]] })()"
    )
    text = hover_text(browser, "yaxis4", *heap, "heap")
    assert "rw-p [heap]  (heap)" in text
    assert "until the end" in text
    browser.click(*place(browser, "yaxis4", *heap))
    browser.wait_for("document.querySelector('.pinned').textContent")
    assert browser.evaluate("document.querySelector('.pinned').textContent") == text


def test_zooming_draws_the_map_finer(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    browser.evaluate(
        f"Plotly.relayout({PLOT}, {{'xaxis.range': [100, 130], 'yaxis4.range': [0, 40]}}).then("
        f"() => {{ {PLOT}.dataset.zoomed = 'yes' }})"
    )
    browser.wait_for(f"{PLOT}.dataset.zoomed === 'yes' && {PLOT}.data.at(-1).dx < 1")
    assert browser.evaluate(f"{PLOT}.data.at(-1).dx") == pytest.approx(30 / 600)
    assert browser.evaluate(f"{PLOT}.data.at(-1).dy") == pytest.approx(40 / 330)
    assert browser.problems == []


def test_dark_and_light_have_colours_of_their_own(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    seen = {}
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.wait_for(
            f"{PLOT}.layout.font.color === getComputedStyle(document.documentElement)"
            ".getPropertyValue('--ink').trim()"
        )
        seen[scheme] = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    browser.prefer("light")
    assert seen == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}
    assert browser.problems == []
