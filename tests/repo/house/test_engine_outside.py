# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on the engine's purity finds imports and calls that reach outside."""

from collections.abc import Callable

import pytest

ENGINE = "src/vmalab/linux/mm/a.py"


def test_other_modules_and_methods_pass(findings: Callable[..., list[str]]) -> None:
    files = {
        ENGINE: "from vmalab.linux.fs.open import file_open\nfile.open()\n",
        "src/vmalab/cli/b.py": "import os\nprint()\n",
    }
    assert findings("engine_outside", files) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("import os.path\n", "os"),
        ("from time import monotonic\n", "time"),
        ("import random as r\n", "random"),
        ("open('x')\n", "open()"),
        ("def f():\n    print(1)\n", "print()"),
    ],
)
def test_what_reaches_outside_is_found(
    findings: Callable[..., list[str]], text: str, word: str
) -> None:
    line = text.count("\n")
    what = f"{word}: the engine has no outside world"
    assert findings("engine_outside", {ENGINE: text}) == [f"{ENGINE}:{line}: {what}"]
