# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on rings finds imports that come back, and imports that are put off."""

from collections.abc import Callable

import pytest

A, B, C = (f"src/vmalab/linux/mm/{name}.py" for name in "abc")
BACK = "from vmalab.linux.mm.a import A\n"


@pytest.mark.parametrize(
    "back",
    [
        BACK,
        "import vmalab.linux.mm.a\n",
        "from vmalab.linux.mm import a\n",
        f"def f():\n    {BACK}",
    ],
)
def test_a_ring_is_found_from_each_side(findings: Callable[..., list[str]], back: str) -> None:
    files = {
        A: "from vmalab.linux.mm.b import B\n",
        B: "from vmalab.linux.mm.c import C\n",
        C: back,
    }
    line = back.count("\n")
    assert findings("rings", files) == [
        f"{A}:1: {B} imports this in its turn: a ring",
        f"{B}:1: {C} imports this in its turn: a ring",
        f"{C}:{line}: {A} imports this in its turn: a ring",
    ]


def test_an_import_that_is_put_off_is_found(findings: Callable[..., list[str]]) -> None:
    text = f"from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {BACK}"
    assert findings("rings", {A: "", B: text}) == [
        f"{B}:1: TYPE_CHECKING: types that need it live in types/"
    ]


def test_types_may_refer_to_each_other(findings: Callable[..., list[str]]) -> None:
    text = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from vmalab.linux.types.{} import X\n"
    )
    files = {
        "src/vmalab/linux/types/file.py": text.format("task"),
        "src/vmalab/linux/types/task.py": text.format("file"),
        A: "from vmalab.linux.types.task import X\n",
        B: "from vmalab.linux.mm.a import A\n",
    }
    assert findings("rings", files) == []
