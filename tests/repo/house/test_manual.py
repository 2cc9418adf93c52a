# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on the manual finds pages that its first page does not lead to."""

from collections.abc import Callable

import pytest

GOOD = {
    "docs/index.md": "[a](a.md) [top](../README.md)\n",
    "docs/a.md": "[deep](deep/b.md#there) [here](#a)\n",
    "docs/deep/b.md": "[back](../index.md)\n",
    "README.md": "",
}


def test_pages_that_are_reached_pass(findings: Callable[..., list[str]]) -> None:
    assert findings("manual", GOOD) == []


@pytest.mark.parametrize(
    ("name", "text", "lost"),
    [("docs/lost.md", "[in](index.md)\n", "docs/lost.md"), ("docs/a.md", "", "docs/deep/b.md")],
)
def test_a_page_that_is_not_is_found(
    findings: Callable[..., list[str]], name: str, text: str, lost: str
) -> None:
    found = [f"{lost}:1: no chain of links leads here from docs/index.md"]
    assert findings("manual", GOOD, {name: text}) == found
