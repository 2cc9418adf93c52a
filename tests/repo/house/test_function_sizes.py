# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on functions' sizes finds long functions, and a package where most are long."""

from collections.abc import Callable

import pytest


def function(name: str, lines: int) -> str:
    return f"def {name}():\n" + "    x = 1\n" * (lines - 1)


SHORT = "".join(function(f"short_{n}", 10) for n in range(20))
GOOD = {
    "pyproject.toml": '[tool.house.long-functions]\n"a.py:C.long" = '
    '{ lines = 95, why = "one step of a state machine" }\n',
    "src/vmalab/b.py": SHORT + function("at_the_cap", 80),
    "a.py": "class C:\n    def long(self):\n" + "        x = 1\n" * 89,
}


def test_functions_within_their_caps_pass(findings: Callable[..., list[str]]) -> None:
    assert findings("function_sizes", GOOD) == []


def test_a_long_function_is_found_inside_another_thing(
    findings: Callable[..., list[str]],
) -> None:
    text = "async def f():\n    class C:\n        def g(self):\n" + "            x = 1\n" * 80
    assert findings("function_sizes", GOOD, {"tests/c.py": text}) == [
        "tests/c.py:1: f has 83 lines, 80 are allowed",
        "tests/c.py:3: f.C.g has 81 lines, 80 are allowed",
    ]


@pytest.mark.parametrize(
    ("lengths", "share"),
    [
        ([10] * 9 + [16] * 11, "of ten functions 5 have 16 lines or more, not 15"),
        ([10] * 17 + [46] * 3, "of ten functions 1 have 46 lines or more, not 45"),
    ],
)
def test_a_package_of_long_functions_is_found(
    findings: Callable[..., list[str]], lengths: list[int], share: str
) -> None:
    text = "".join(function(f"f{n}", lines) for n, lines in enumerate(lengths))
    assert findings("function_sizes", GOOD, {"src/vmalab/b.py": text}) == [f"src/:1: {share}"]


@pytest.mark.parametrize(
    ("lines", "found"),
    [(80, "has 80 lines and may have 80: take it out"), (0, "there is no such thing")],
)
def test_an_exception_that_is_not_needed_is_found(
    findings: Callable[..., list[str]], lines: int, found: str
) -> None:
    text = "class C:\n    def long(self):\n" + "        x = 1\n" * (lines - 1) if lines else ""
    (line,) = findings("function_sizes", GOOD, {"a.py": text})
    assert line.startswith("pyproject.toml:1: [tool.house.long-functions] 'a.py:C.long': ")
    assert found in line
