# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on licences finds sources, scripts and a licence file that do not state it."""

from collections.abc import Callable

import pytest

SPDX = "# SPDX-License-Identifier: GPL-2.0-or-later"
GPL = "GNU GENERAL PUBLIC LICENSE\nVersion 2, June 1991\nEND OF TERMS AND CONDITIONS\n"
GOOD = {
    "LICENSE": GPL,
    "a.py": "{HEAD}",
    "b.py": "#!/usr/bin/python3\n{HEAD}",
    "c.sh": f"#!/bin/sh\n{SPDX}\n",
    "Makefile": f"{SPDX}\n",
}


def test_what_states_its_licence_passes(findings: Callable[..., list[str]]) -> None:
    assert findings("licence", GOOD) == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", '"""A module."""\n', f"1: does not open with its licence: {SPDX}"),
        ("a.py", f"#!/usr/bin/python3\n\n{SPDX}\n", f"2: does not open with its licence: {SPDX}"),
        ("a.py", "", f"1: does not open with its licence: {SPDX}"),
        ("a.py", f"{SPDX}\n\nx = 1\n", "2: no docstring stands right below the licence"),
        ("a.py", SPDX, "2: no docstring stands right below the licence"),
        ("c.sh", "#!/bin/sh\n", f"1: does not state its licence: {SPDX}"),
        ("Makefile", "all:\n", f"1: does not state its licence: {SPDX}"),
        (".ci/run", "#!/bin/sh\n", f"1: does not state its licence: {SPDX}"),
        (
            "LICENSE",
            GPL.replace("2, June", "3, June"),
            "1: is not the GPL, version 2: 'Version 2, June 1991' is missing",
        ),
    ],
)
def test_what_does_not_is_found(
    findings: Callable[..., list[str]], name: str, text: str, found: str
) -> None:
    assert findings("licence", GOOD, {name: text}) == [f"{name}:{found}"]


def test_a_licence_that_is_not_there_is_found(findings: Callable[..., list[str]]) -> None:
    missing = ["LICENSE:1: cannot be read: No such file or directory"]
    assert findings("licence", {"a.py": "{HEAD}"}, {"b.sh": SPDX}) == missing
