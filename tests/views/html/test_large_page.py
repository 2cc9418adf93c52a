# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of a long recording with tens of thousands of VMAs: below 5 MB, and painted at once."""

import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")

from vmalab.cli.replay import replay

BASE = 0x7F0000000000
PAGES = 30_000
CALLS = 60_000
PROTECTIONS = ("PROT_READ", "PROT_NONE", "PROT_READ|PROT_EXEC", "PROT_READ|PROT_WRITE")


@pytest.mark.slow
def test_a_large_page_is_small_and_fast(browser: Any, tmp_path: Path) -> None:
    chance = random.Random(1)
    lines = [
        f"1 mmap({BASE:#x}, {PAGES << 13}, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE|"
        f"MAP_FIXED, -1, 0) = {BASE:#x}"
    ]
    for _ in range(CALLS):
        place = BASE + (chance.randrange(PAGES) << 13)
        lines.append(f"1 mprotect({place:#x}, 4096, {chance.choice(PROTECTIONS)}) = 0")
    log, file = tmp_path / "log", tmp_path / "page.html"
    log.write_text("\n".join(lines) + "\n")
    done = CliRunner().invoke(replay, ["--html", str(file), str(log)])
    assert done.exit_code == 0, done.output
    assert file.stat().st_size < 5 << 20
    browser.open(file)
    line = "document.querySelector('.part:not([hidden]) figure').vmalab"
    assert browser.evaluate(f"{line}.shown") == "density"
    assert browser.evaluate(f"{line}.limited.vmas") == 65_530
    last = browser.evaluate(f"{line}.map.rows.at(-1).reduce((sum, number) => sum + number, 0)")
    # The last moment of the density is not the last call.
    assert last == pytest.approx(browser.evaluate(f"{line}.chart.samples.vmas.at(-1)"), rel=0.01)
    assert browser.problems == []
