# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on classes' names finds a name that two files use."""

from collections.abc import Callable

ONE = "src/vmalab/one.py"
TWO = "src/vmalab/two.py"


def test_names_of_their_own_pass(findings: Callable[..., list[str]]) -> None:
    texts = {
        ONE: "class A:\n    class B: ...\n",
        TWO: "class B: ...\n",
        "tests/a.py": "class B: ...",
    }
    assert findings("class_names", texts) == []


def test_a_name_of_two_is_found(findings: Callable[..., list[str]]) -> None:
    texts = {ONE: "class A: ...\n", TWO: "\nclass A: ...\n"}
    what = f"class A is also in {ONE}: give one another name"
    assert findings("class_names", texts) == [f"{TWO}:2: {what}"]
