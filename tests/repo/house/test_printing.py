# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on printing finds what writes to the terminal past the one way there."""

from collections.abc import Callable

import pytest

NAME = "src/vmalab/views/text.py"


@pytest.mark.parametrize("call", ["print(x)", "click.echo(x)", "click.secho(x)", "Console()"])
def test_printing_elsewhere_is_found(findings: Callable[..., list[str]], call: str) -> None:
    word = call.partition("(")[0].rpartition(".")[2]
    found = findings("printing", {NAME: f"x = 1\n{call}\n"})
    assert found == [f"{NAME}:2: {word}() prints past vmalab.views.output"]


def test_the_way_itself_prints_and_others_may_name_it(findings: Callable[..., list[str]]) -> None:
    files = {"src/vmalab/views/output.py": "print(1)\n", NAME: "from x import echo\nsay(echo)\n"}
    assert findings("printing", files) == []
