# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on placeholders finds what waits to be filled in."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize("text", ["Text.\n", "<!-- a comment -->\n"])
def test_a_document_without_passes(findings: Callable[..., list[str]], text: str) -> None:
    assert findings("placeholders", {"a.md": text}) == []


def test_a_placeholder_is_found(findings: Callable[..., list[str]]) -> None:
    text = "First.\n<!-- PLACEHOLDER figures -->\n"
    assert findings("placeholders", {"a.md": text}) == [
        "a.md:2: a placeholder: fill it in or take it out"
    ]
