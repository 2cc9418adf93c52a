# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on addresses finds paths of a machine, scratch paths and registries, each once."""

from collections.abc import Callable

import pytest

MACHINE = "names a folder of the machine it was written on"
SCRATCH = "names a scratch folder, which nobody else has"
REGISTRY = "names a registry; each user's own settings do that"


@pytest.mark.parametrize(
    ("name", "words", "what"),
    [
        ("a.md", ["", "work", "x"], MACHINE),
        ("tests/a.py", ["cd ", "root", "x"], MACHINE),
        ("a.c", ["", "home", "somebody"], MACHINE),
        ("docs/a.md", ["in ", "tmp", "x"], SCRATCH),
        ("a.toml", ["https:", "", "pypi.org", "simple"], REGISTRY),
        ("a.sh", ["pip --index" + "-url=x"], REGISTRY),
    ],
)
def test_an_address_is_found(
    findings: Callable[..., list[str]], name: str, words: list[str], what: str
) -> None:
    files = {name: "first\n" + "/".join(words) + "\n"}
    assert findings("addresses", files) == [f"{name}:2: {what}"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tests/a.py", ["", "tmp", "x"]),
        ("examples/a/calls", ["", "tmp", "x"]),
        ("a.md", ["", "home", "user", "x"]),
        ("a.md", ["net", "work", "x"]),
        ("a.md", ["", "tmp", "perf-PID.map"]),
        ("a.md", ["", "usr", "work", "x"]),
    ],
)
def test_data_and_other_paths_pass(
    findings: Callable[..., list[str]], name: str, words: list[str]
) -> None:
    assert findings("addresses", {name: "/".join(words)}) == []
