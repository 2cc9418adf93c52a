# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on links finds those to a file or a heading that does not exist."""

from collections.abc import Callable

import pytest

GOOD = {
    "README.md": "# Top\n\n[a](docs/a.md) [b](docs/a.md#two-words-and-mmap) [c](#top) [d](docs)\n"
    "[web](https://example.org/none)\n\n```\n[no](link.md)\n```\n",
    "docs/a.md": "## Two words, and `mmap`\n",
}


def test_links_that_lead_somewhere_pass(findings: Callable[..., list[str]]) -> None:
    assert findings("links", GOOD) == []


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("docs/b.md", "no such file"),
        ("docs/a.md#three", "no such heading there"),
        ("#bottom", "no such heading there"),
    ],
)
def test_a_broken_link_is_found_below_code(
    findings: Callable[..., list[str]], target: str, found: str
) -> None:
    text = f"# Top\n```\ncode\n```\n[it]({target})\n"
    assert findings("links", GOOD, {"README.md": text}) == [f"README.md:5: {target}: {found}"]
