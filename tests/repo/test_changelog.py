# SPDX-License-Identifier: GPL-2.0-or-later
"""CHANGELOG.md always has a place for what is not released yet, and something stands there."""

import re
from pathlib import Path

import vmalab


def test_unreleased_comes_first(root: Path) -> None:
    text = (root / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    unreleased = text.split("## Unreleased", 1)[1].split("\n## ", 1)[0]
    released = vmalab.__version__ in " ".join(headings[1:])
    assert re.search(r"^- \S", unreleased, re.MULTILINE) or released


def test_releases_are_dated_and_newest_first(root: Path) -> None:
    text = (root / "CHANGELOG.md").read_text("utf-8")
    releases = re.findall(r"^## (?!Unreleased)(.+)$", text, re.MULTILINE)
    parsed = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) \(\d{4}-\d\d-\d\d\)", head) for head in releases]
    assert all(parsed)
    versions = [tuple(map(int, match.groups())) for match in parsed if match]
    assert versions == sorted(versions, reverse=True)
