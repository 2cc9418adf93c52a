# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on the form of MAINTAINERS finds missing fields and sections out of order."""

from collections.abc import Callable

import pytest


def section(title: str, fields: str = "MSF") -> str:
    values = {"M": "the vmalab developers", "S": "Maintained", "F": "*"}
    return f"{title}\n" + "".join(f"{letter}:\t{values[letter]}\n" for letter in fields) + "\n"


def test_sections_in_order_pass(findings: Callable[..., list[str]]) -> None:
    text = "List of parts\n\n" + section("BUILD") + section("ENGINE") + section("THE REST")
    assert findings("maintainers_form", {"MAINTAINERS": text}) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (section("THE REST", "SF"), "1: THE REST: M: is 'the vmalab developers', once"),
        (section("THE REST", "MMSF"), "1: THE REST: M: is 'the vmalab developers', once"),
        (
            section("THE REST").replace("Maintained", "Fine"),
            "1: THE REST: S: is one of Maintained, Odd Fixes, Orphan, Supported",
        ),
        (
            section("THE REST", "MF"),
            "1: THE REST: S: is one of Maintained, Odd Fixes, Orphan, Supported",
        ),
        (section("THE REST", "MS"), "1: THE REST: has no F:, so it covers nothing"),
        (
            section("ENGINE") + section("BUILD") + section("THE REST"),
            "1: ENGINE: BUILD belongs here, in order",
        ),
        (section("THE REST") + section("ZOO"), "1: THE REST: ZOO belongs here, in order"),
        (section("ZOO"), "1: THE REST is the last section; each title stands once"),
        (
            section("THE REST") + section("THE REST"),
            "6: THE REST is the last section; each title stands once",
        ),
        ("nothing\n", "1: has no section"),
    ],
)
def test_what_is_wrong_is_found(findings: Callable[..., list[str]], text: str, found: str) -> None:
    assert findings("maintainers_form", {"MAINTAINERS": text}) == [f"MAINTAINERS:{found}"]
