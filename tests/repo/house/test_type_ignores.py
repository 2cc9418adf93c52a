# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on the type checker finds where the engine has it look away."""

from collections.abc import Callable

import pytest

ENGINE = "src/vmalab/linux/mm/a.py"


def test_typed_code_passes(findings: Callable[..., list[str]]) -> None:
    files = {ENGINE: "x: int = 1\n", "src/vmalab/cli/b.py": "x = y  # type: ignore[misc]\n"}
    assert findings("type_ignores", files) == []


@pytest.mark.parametrize("comment", ["# type: ignore", "#type:ignore[misc]"])
def test_looking_away_is_found(findings: Callable[..., list[str]], comment: str) -> None:
    what = "compiled code does what its types say: correct them"
    assert findings("type_ignores", {ENGINE: f"\nx = y  {comment}\n"}) == [f"{ENGINE}:2: {what}"]
