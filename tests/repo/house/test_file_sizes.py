# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on files' sizes finds long files, and exceptions that are not needed."""

from collections.abc import Callable

import pytest

TABLE = "[tool.house.long-files]"
GOOD = {
    "pyproject.toml": f"""{TABLE}
"long.py" = {{ lines = 450, why = "one class whose methods share state" }}
""",
    "long.py": "x = 1\n" * 430,
    "a.py": "x = 1\n" * 400,
    "src/vmalab/linux/mm/b.py": "x = 1\n" * 600,
}


def test_files_within_their_caps_pass(findings: Callable[..., list[str]]) -> None:
    assert findings("file_sizes", GOOD) == []


@pytest.mark.parametrize(
    ("name", "lines", "cap"),
    [("a.py", 401, 400), ("src/vmalab/linux/mm/b.py", 601, 600), ("long.py", 451, 450)],
)
def test_a_long_file_is_found(
    findings: Callable[..., list[str]], name: str, lines: int, cap: int
) -> None:
    what = f"has {lines} lines, {cap} are allowed: split it"
    assert findings("file_sizes", GOOD, {name: "x = 1\n" * lines}) == [f"{name}:{cap + 1}: {what}"]


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ('"a.py" = { lines = 450, why = "it has always been so" }', "'a.py': has 400 lines and"),
        ('"gone.py" = { lines = 450, why = "it has always been so" }', "there is no such thing"),
        ('"long.py" = { lines = 450, why = "because" }', "a reason is a sentence, not 'because'"),
        ('"long.py" = { lines = 450 }', "KeyError('why')"),
    ],
)
def test_an_exception_without_need_or_reason_is_found(
    findings: Callable[..., list[str]], entry: str, found: str
) -> None:
    lines = findings("file_sizes", GOOD, {"pyproject.toml": f"{TABLE}\n{entry}\n"})
    assert [line for line in lines if line.startswith(f"pyproject.toml:1: {TABLE}")]
    assert [line for line in lines if found in line]
