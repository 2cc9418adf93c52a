# SPDX-License-Identifier: GPL-2.0-or-later
"""The flame graph in a browser: the mouse shows numbers, a click zooms, the search marks."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")

from vmalab.cli.blame import blame

RECORDING = Path(__file__).parents[3] / "scenarios/thread-stacks/recording"
FLAME = "document.querySelector('figure').vmalab"
DETAILS = "document.getElementById('details').innerText"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("flame") / "page.html"
    done = CliRunner().invoke(blame, ["--html", str(file), str(RECORDING)])
    assert done.exit_code == 0, done.output
    return file


def middle(browser: Any, name: str) -> tuple[float, float]:
    """The middle on the screen of the widest box of a function."""
    found = browser.evaluate(
        f"(() => {{ const f = {FLAME}; f.canvas.scrollIntoView({{block: 'center'}});"
        f"const b = f.boxes.filter(b => f.label(b.at) === '{name}')"
        ".sort((one, other) => other.width - one.width)[0];"
        "const r = f.canvas.getBoundingClientRect();"
        "return [r.left + (b.x + b.width / 2) * f.width, r.top + f.top(b.depth) + 9] })()"
    )
    return found[0], found[1]


def test_the_mouse_shows_the_numbers(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.move_mouse(*middle(browser, "pthread_create"))
    browser.wait_for("!document.querySelector('.hover').hidden")
    text = browser.evaluate("document.querySelector('.hover').textContent")
    assert text.startswith("pthread_create  libc.so.6\n")
    assert "VMAs held: 401\n" in text
    assert "94.6 % of all\nline 130: mmap(NULL, 266240, PROT_NONE" in text
    assert browser.problems == []


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_symptom_culprit_and_cure_are_on_the_first_screen(
    browser: Any, page: Path, width: int, height: int
) -> None:
    browser.resize(width, height)
    browser.open(page)
    bottom = browser.evaluate("document.querySelector('.story').getBoundingClientRect().bottom")
    heads = "Array.from(document.querySelectorAll('.story h2'), head => head.textContent)"
    assert browser.evaluate(heads) == ["Symptom", "Culprit", "Cure"]
    browser.resize(0, 0)
    assert 0 < bottom < height


def test_a_click_zooms_and_leads_to_the_call(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.click(*middle(browser, "pthread_create"))
    browser.wait_for("!document.getElementById('details').hidden")
    width = f"{FLAME}.boxes.find(b => {FLAME}.label(b.at) === 'pthread_create').width"
    assert browser.evaluate(width) == 1
    text = browser.evaluate(DETAILS)
    assert "pthread_create\nlibrary\nlibc.so.6\n" in text
    assert "The first call below it\n" in text
    assert "line 130 of the log" in text
    # And from there to the range that the call made, and what keeps it apart.
    assert "The range 7f71a9" in text
    assert "apart from above\nflags" in text
    assert "main stacks" in text
    browser.evaluate("document.querySelector('figure .reset').click()")
    assert browser.evaluate(f"{FLAME}.focus") == 0


def test_the_search_marks_and_sums_up(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.evaluate(
        "(() => { const s = document.querySelector('input[type=search]'); s.value = 'PTHREAD';"
        "s.dispatchEvent(new Event('input')) })()"
    )
    found = browser.evaluate("document.querySelector('.found').textContent")
    assert found == "401 of 424 (95 %)"


def test_quantities_and_direction_can_be_chosen(browser: Any, page: Path) -> None:
    browser.open(page)
    keys = "Array.from(document.querySelectorAll('figure')[0].querySelectorAll('[data-key]'),"
    assert browser.evaluate(f"{keys} b => b.dataset.key)") == [
        "held",
        "made",
        "bytes",
        "down",
        "up",
    ]
    assert browser.evaluate(f"{FLAME}.top(0)") == 1
    browser.evaluate("document.querySelector('[data-key=up]').click()")
    assert browser.evaluate(f"{FLAME}.top(0)") > 100
    browser.evaluate("document.querySelector('[data-key=bytes]').click()")
    assert browser.evaluate(f"{FLAME}.text({FLAME}.weight(0))") == "53.3 MiB"
    assert browser.problems == []


def test_a_row_of_a_table_leads_to_its_call(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.evaluate("document.querySelector('tr[data-call]').click()")
    assert "line 137 of the log" in browser.evaluate(DETAILS)
    browser.evaluate("dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    assert browser.evaluate("document.getElementById('details').hidden")


def test_hostile_functions_are_text(browser: Any, tmp_path: Path) -> None:
    log, file = tmp_path / "log", tmp_path / "page.html"
    log.write_text(
        "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000\n"
        " > /lib/<b>x.so(<img src=x onerror=pwned=1>\x1b[2J+0x1) [0x10]\n"
    )
    assert CliRunner().invoke(blame, ["--html", str(file), str(log)]).exit_code == 0
    browser.open(file)
    label = f"{FLAME}.label({FLAME}.boxes[1].at)"
    assert browser.evaluate(label).startswith("<img src=x onerror=pwned=1>")
    assert browser.evaluate("typeof pwned") == "undefined"
    assert browser.evaluate("document.images.length") == 0
    assert browser.problems == []
