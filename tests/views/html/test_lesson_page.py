# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab explain` in a browser: a slide for each step, by buttons and by keys."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")

from vmalab.cli.explain import explain

LOG = """\
1 mmap(0x7f0000000000, 16384, 3, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0) = 0x7f0000000000
1 mprotect(0x7f0000002000, 8192, PROT_READ) = 0
1 mprotect(0x7f0000001000, 4096, PROT_NONE) = 0
"""


def test_a_page_walks_through_the_steps(browser: Any, tmp_path: Path) -> None:
    log, file = tmp_path / "log", tmp_path / "lesson.html"
    log.write_text(LOG)
    assert CliRunner().invoke(explain, [str(log), "--html", str(file)]).exit_code == 0
    browser.open(file)
    shown = "Array.from(document.querySelectorAll('.slide:not([hidden]) h2'), h => h.textContent)"
    assert browser.evaluate(shown) == ["Step 1, line 1"]
    browser.evaluate("document.getElementById('next').click()")
    browser.evaluate("dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))")
    assert browser.evaluate(shown) == ["Step 3, line 3"]
    boxes = "document.querySelectorAll('.slide:not([hidden]) .box').length"
    assert browser.evaluate(boxes) == 3
    failed = "document.querySelector('.slide:not([hidden]) .failed').textContent"
    assert browser.evaluate(failed) == "apart: flags (only above: rd)"
    browser.evaluate("document.getElementById('all').click()")
    assert len(browser.evaluate(shown)) == 3
    assert browser.problems == []


def test_hostile_names_are_text(browser: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        '1 openat(AT_FDCWD, "/srv/<img src=x onerror=pwned=1>\\33[2J", 0) = 3\n'
        "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n"
    )
    file = tmp_path / "lesson.html"
    done = CliRunner().invoke(explain, [str(log), "--html", str(file)])
    assert "\x1b" not in done.stdout
    browser.open(file)
    assert "<img src=x" in browser.evaluate("document.querySelector('.box').textContent")
    assert browser.evaluate("document.images.length") == 0
    assert browser.problems == []
