# SPDX-License-Identifier: GPL-2.0-or-later
"""The README opens with the two commands that a reader needs, a question and a picture."""

import re
from pathlib import Path


def test_readme_opens_with_the_two_commands(root: Path) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", (root / "README.md").read_text("utf-8"), re.M | re.S)
    assert "make demo" in blocks[0]
    assert "make test" in blocks[0]


def test_the_first_screen_asks_about_a_process_and_shows_a_picture(root: Path) -> None:
    screen = "\n".join((root / "README.md").read_text("utf-8").splitlines()[:24])
    assert "vmalab why $$" in screen
    assert re.search(r"^!\[[^]]+\]\(docs/pictures/[^)]+\.svg\)", screen, re.M)
