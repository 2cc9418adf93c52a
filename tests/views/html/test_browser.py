# SPDX-License-Identifier: GPL-2.0-or-later
"""The page in a real browser: it draws, answers the mouse, zooms, and asks nobody for anything."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")

from vmalab.explain.history.history import History
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.views.html.document import render
from vmalab.views.html.replay import replay_page

# The timeline of the part in view, its charts, and its map's pieces.
LINE = "document.querySelector('.part:not([hidden]) figure').vmalab"
VMAS, MEMORY, MAP = (f"{LINE}.stack.charts[{number}]" for number in range(3))
DETAILS = "document.getElementById('details')"


def write_page(recording: Path, folder: Path) -> Path:
    history = History()
    files = RecordingFiles(str(recording))
    report = Replay(files, Options(observers=(history,))).run()
    page = folder / "page.html"
    page.write_text(render(replay_page(report, history, files.frames())), "utf-8")
    return page


@pytest.fixture(scope="module")
def python_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    examples = Path(__file__).parents[3] / "examples"
    return write_page(examples / "python-rlimit-as", tmp_path_factory.mktemp("page"))


def place(browser: Any, chart: str, x: float, y: float) -> tuple[float, float]:
    """Where a point of a chart is on the screen; it is scrolled into view."""
    found = browser.evaluate(
        f"(() => {{ const u = {chart}; u.over.scrollIntoView({{block: 'center'}});"
        f"const b = u.over.getBoundingClientRect();"
        f"return [b.left + u.valToPos({x}, 'x'), b.top + u.valToPos({y}, 'y')] }})()"
    )
    return found[0], found[1]


def hover_text(browser: Any, chart: str, x: float, y: float, sign: str) -> str:
    """What the page shows when the mouse is there; `sign`: what it holds when it is up to date."""
    browser.move_mouse(*place(browser, chart, x, y))
    browser.wait_for(f"document.querySelector('.hover').textContent.includes('{sign}')")
    return str(browser.evaluate("document.querySelector('.hover').textContent"))


def click_text(browser: Any, chart: str, x: float, y: float) -> str:
    """What the page says when the mouse is clicked there."""
    browser.evaluate("vmalabDetails.close()")
    at = place(browser, chart, x, y)
    browser.move_mouse(*at)
    browser.click(*at)
    browser.wait_for(f"!{DETAILS}.hidden")
    return str(browser.evaluate(f"{DETAILS}.innerText"))


def middle_of(browser: Any, name: str) -> list[float]:
    """The middle of the map's largest piece whose name holds this."""
    found: list[float] = browser.evaluate(
        f"(() => {{ const m = {LINE}.map.map;"
        "const area = p => (p[3] - p[2]) * (m.heights[p[1]] - m.heights[p[0]]);"
        f"const p = m.pieces.filter(p => m.looks[p[4]][2].includes('{name}'))"
        ".sort((one, other) => area(other) - area(one))[0];"
        "return [(p[2] + p[3]) / 2, (m.heights[p[0]] + m.heights[p[1]]) / 2] })()"
    )
    return found


def test_it_draws_without_a_complaint_or_a_request(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    assert browser.evaluate(f"{LINE}.names") == ["vmas", "memory", "map"]
    assert browser.evaluate("document.querySelectorAll('.picture canvas').length") == 3
    assert browser.evaluate("document.title").startswith(
        "examples/python-rlimit-as - vmalab replay of "
    )
    assert browser.problems == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


def test_the_numbers_drawn_are_those_of_the_replay(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    vmas = browser.evaluate(f"Array.from({VMAS}.data[1])")
    assert (len(vmas), vmas[0], max(vmas), vmas[-1]) == (610, 12, 104, 103)
    assert browser.evaluate(f"{LINE}.chart.samples.failures.at(-1)") == 4


def test_a_limit_that_is_near_is_drawn_and_others_are_told(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    assert browser.evaluate(f"{LINE}.limited") == {
        "vmas": 0,
        "mapped": 256 << 20,
        "data": 0,
        "locked": 0,
    }
    assert browser.evaluate(f"new Set({MEMORY}.data.at(-1)).size") == 1
    assert browser.evaluate(f"{MEMORY}.data.at(-1)[0]") == 256
    legend = browser.evaluate("document.querySelector('.legend').textContent")
    assert "limit of VMAs: 65,530, far above" in legend


def test_a_number_shows_its_call(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    text = hover_text(browser, VMAS, 363.2, 50, "call 363")
    assert text.startswith("call 363\nline 635: mmap(NULL, 1052672, PROT_READ|PROT_WRITE")
    assert "= -1 ENOMEM (Cannot allocate memory)" in text
    assert "104 VMAs, 1 failed calls so far" in text


def test_a_click_on_a_mark_leads_to_the_call_that_failed(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    text = click_text(browser, VMAS, 363, 20)
    assert text.startswith("close\nA failed call\n")
    assert "line 635 of the log, thread 22543" in text
    assert "ENOMEM" in text
    browser.evaluate("document.querySelector('.shut').click()")
    assert browser.evaluate(f"{DETAILS}.hidden")


def test_a_click_on_the_map_leads_to_the_vma_and_why_it_is_apart(
    browser: Any, python_page: Path
) -> None:
    browser.open(python_page)
    heap = middle_of(browser, "[heap]")
    text = hover_text(browser, MAP, *heap, "heap")
    assert "rw-p [heap] (heap)" in text
    assert "until the end" in text
    text = click_text(browser, MAP, *heap)
    assert "Made so by" in text
    assert "brk(0x" in text
    assert "nothing touches it there" in text
    text = click_text(browser, MAP, *middle_of(browser, "libc.so.6"))
    assert "apart from above\nflags" in text


def test_zooming_draws_the_map_finer_and_takes_all_charts_along(
    browser: Any, python_page: Path
) -> None:
    browser.open(python_page)
    high = browser.evaluate(f"{LINE}.map.high")
    left, top = place(browser, MAP, 100, 0.8 * high)
    right, bottom = place(browser, MAP, 300, 0.3 * high)
    browser.drag(left, top, right, bottom)
    browser.wait_for(f"{LINE}.map.grid.view.x1 < 310")
    view = browser.evaluate(f"{LINE}.map.grid.view")
    assert view["x0"] == pytest.approx(100, abs=1)
    assert view["y1"] == pytest.approx(0.8 * high, rel=0.01)
    assert view["y0"] == pytest.approx(0.3 * high, rel=0.02)
    browser.wait_for(f"{VMAS}.scales.x.max < 310")
    browser.evaluate("document.querySelector('.reset').click()")
    browser.wait_for(f"{VMAS}.scales.x.max >= 609")
    assert browser.problems == []


def test_the_map_has_a_view_of_how_many_vmas_lie_where(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    browser.evaluate("document.querySelector('[data-key=density]').click()")
    rows = browser.evaluate(f"{LINE}.map.rows.map(row => row.reduce((a, b) => a + b, 0))")
    assert rows[0] == 12
    assert max(rows) == 104
    assert "VMAs begin there" in hover_text(browser, MAP, 400, 0.5, "begin there")
    assert browser.problems == []


def test_dark_and_light_have_colours_of_their_own(browser: Any, python_page: Path) -> None:
    browser.open(python_page)
    seen = {}
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        browser.wait_for(
            f"{VMAS}.series[1].stroke() === getComputedStyle(document.documentElement)"
            ".getPropertyValue('--vmas').trim()"
        )
        seen[scheme] = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    browser.prefer("light")
    assert seen == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}
    assert browser.problems == []


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_screen(browser: Any, python_page: Path, width: int) -> None:
    browser.resize(width, 900)
    browser.open(python_page)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert 0.7 * width < browser.evaluate(f"{VMAS}.width") <= width
    # Nor is anything in a table: where there is no room for its columns, its rows have lines.
    right = "[...document.querySelectorAll('td')].map((cell) => cell.getBoundingClientRect().right)"
    assert browser.evaluate(f"Math.max(...{right})") <= width
    named = "getComputedStyle(document.querySelector('td'), '::before').content"
    assert browser.evaluate(named).startswith('"VMAs +') == (width == 390)
    left = "over.getBoundingClientRect().left"
    assert browser.evaluate(f"{VMAS}.{left}") == browser.evaluate(f"{MAP}.{left}")
    browser.resize(0, 0)


def test_nothing_stands_between_one_call_and_the_next(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("1 brk(NULL) = 0x555555000000\n")
    browser.open(write_page(tmp_path / "log", tmp_path))
    splits = f"{LINE}.stack.charts[0].axes.map((axis) => axis._splits)"
    assert browser.evaluate(splits) == [[0, 1], [0, 1]]


def test_hostile_names_are_shown_and_do_nothing(browser: Any, tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x onerror=pwned=1>"
    folder.mkdir()
    (folder / "calls.strace").write_text(
        '1 openat(AT_FDCWD, "/srv/<script>pwned=1<\\/script><b>\\"\\342\\200\\250\\377", 0) = 3\n'
        "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n"
        "1 munmap(0x7f0000000001, 1) = -1 EINVAL (Invalid argument)\n"
    )
    browser.open(write_page(folder, tmp_path))
    heading = browser.evaluate("document.querySelector('h1').textContent")
    assert heading == f"{tmp_path.name}/{folder.name}"
    looks = "JSON.parse(document.getElementById('data').textContent).figures[0].map.looks"
    name = browser.evaluate(looks)[0][2]
    assert name == '/srv/<script>pwned=1</script><b>"\\u2028\\xff'
    assert "<script>" in hover_text(browser, MAP, 1.5, 0.5, "r--p")
    assert "<script>" in click_text(browser, MAP, 1.5, 0.5)
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
    assert browser.evaluate(f"Array.from({VMAS}.data[1])") == [1, 2, 1, 0]
    browser.evaluate(
        "(() => { const c = document.getElementById('chooser'); c.value = '1';"
        "c.dispatchEvent(new Event('change')) })()"
    )
    assert browser.evaluate(f"Array.from({VMAS}.data[1])") == [0, 1, 1]
    assert browser.problems == []


def test_the_axis_is_calls_or_time(browser: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "1 1700000000.000000 mmap(NULL, 4096, 1, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f000000\n"
        "1 1700000002.500000 munmap(0x7f000000, 4096) = 0\n"
    )
    browser.open(write_page(log, tmp_path))
    assert browser.evaluate(f"Array.from({VMAS}.data[0])") == [0, 1, 2]
    browser.evaluate("document.querySelector('[data-key=time]').click()")
    assert browser.evaluate(f"Array.from({VMAS}.data[0])") == [0, 0, 2.5]
    assert browser.problems == []
