# SPDX-License-Identifier: GPL-2.0-or-later
"""The page in a real browser: it draws, answers the mouse, zooms, and asks nobody for anything."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("plotly", reason="plotly is not installed (pip install 'vmalab[html]')")

from vmalab.explain.history.history import History
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.views.html.document import render
from vmalab.views.html.replay import replay_page

PLOT = "document.querySelector('.part:not([hidden]) .chart')"


def write_page(recording: Path, folder: Path) -> Path:
    history = History()
    report = Replay(RecordingFiles(str(recording)), Options(observers=(history,))).run()
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
    assert browser.evaluate("document.title").startswith("python-rlimit-as - vmalab replay of ")
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


def test_hostile_names_are_shown_and_do_nothing(browser: Any, tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x onerror=pwned=1>"
    folder.mkdir()
    (folder / "calls.strace").write_text(
        '1 openat(AT_FDCWD, "/srv/<script>pwned=1<\\/script><b>\\"\\342\\200\\250\\377", 0) = 3\n'
        "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n"
        "1 munmap(0x7f0000000001, 1) = -1 EINVAL (Invalid argument)\n"
    )
    browser.open(write_page(folder, tmp_path))
    assert browser.evaluate("document.querySelector('h1').textContent") == folder.name
    looks = "JSON.parse(document.getElementById('data').textContent).parts[0].chart.map.looks"
    name = browser.evaluate(looks)[0][2]
    assert name == '/srv/<script>pwned=1</script><b>"\\u2028\\xff'
    assert "<script>" in hover_text(browser, "yaxis4", 1.5, 0.5, "r--p")
    assert browser.evaluate("typeof pwned") == "undefined"
    assert browser.evaluate("document.images.length") == 0
    assert browser.problems == []


def test_the_page_lets_no_other_script_run(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    browser.evaluate(
        "(() => { const s = document.createElement('script'); s.textContent = 'pwned = 1';"
        "document.body.append(s) })()"
    )
    assert browser.evaluate("typeof pwned") == "undefined"


def test_each_process_image_has_its_own_chart(browser: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000\n"
        "1 fork() = 2\n"
        "2 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7e0000000000\n"
        "2 munmap(0x7e0000000000, 8192) = 0\n"
        "2 munmap(0x7f0000000000, 4096) = 0\n"
    )
    browser.open(write_page(log, tmp_path))
    options = "Array.from(document.querySelectorAll('#chooser option'), o => o.textContent)"
    assert browser.evaluate(options) == ["2.0: 3 memory calls", "1.0: 2 memory calls"]
    assert browser.evaluate(f"Array.from({PLOT}.data[0].y)") == [1, 2, 1, 0]
    browser.evaluate(
        "(() => { const c = document.getElementById('chooser'); c.value = '1';"
        "c.dispatchEvent(new Event('change')) })()"
    )
    assert browser.evaluate(f"Array.from({PLOT}.data[0].y)") == [0, 1, 1]
    assert browser.problems == []


def test_the_axis_is_calls_or_time(browser: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "1 1700000000.000000 mmap(NULL, 4096, 1, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f000000\n"
        "1 1700000002.500000 munmap(0x7f000000, 4096) = 0\n"
    )
    browser.open(write_page(log, tmp_path))
    assert browser.evaluate(f"Array.from({PLOT}.data[0].x)") == [0, 1, 2]
    browser.evaluate("document.querySelectorAll('.axis button')[1].click()")
    assert browser.evaluate(f"Array.from({PLOT}.data[0].x)") == [0, 0, 2.5]
    assert browser.problems == []
