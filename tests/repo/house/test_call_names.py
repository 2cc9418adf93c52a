# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on the table of calls finds lists of calls beside it, and nothing else."""

from collections.abc import Callable

import pytest

Findings = Callable[..., list[str]]

NAMES = ("brk", "close", "dup", "fcntl", "fork", "mlock", "mmap", "mremap", "munmap")
NUMBERS = {
    "src/vmalab/linux/include/uapi/unistd.py": "".join(
        f"NR_{name}: Final = {number}\n" for number, name in enumerate(NAMES)
    )
}
MODULE = "src/vmalab/cli/a.py"
TABLE = "src/vmalab/calls/table.py"


@pytest.mark.parametrize(
    "text",
    [
        'CALLS = ("mmap", "munmap", "brk")',
        'CALLS = frozenset(["mmap", "old_mmap", "fcntl64"])',
        'CALLS = {"mmap", "munmap", "brk", "no call"}',
        'AT = {"mmap": 4, "close": 0, "dup": 0}',
        'SAME = {1: "mmap", 2: "close", 3: "dup"}',
        'CALLS = "mmap munmap brk".split()',
    ],
    ids=["tuple", "other ABI", "most of a set", "keys", "values", "words"],
)
def test_a_list_is_found(findings: Findings, text: str) -> None:
    (found,) = findings("call_names", NUMBERS, {MODULE: text})
    assert found.startswith(f"{MODULE}:1: a list of calls (mmap, ")


@pytest.mark.parametrize(
    "text",
    [
        'CALLS = ("mmap", "munmap")',
        'PROFILES = ("mremap", "fork", "mlock", "dense", "limits", "place")',
        'TABLE = {"mmap": sys_mmap, "munmap": sys_munmap, "brk": sys_brk}',
        'TEXT = "mmap, munmap and brk"',
    ],
    ids=["two", "few of many", "dispatch", "prose"],
)
def test_something_else_passes(findings: Findings, text: str) -> None:
    assert findings("call_names", NUMBERS, {MODULE: text}) == []


def test_the_table_may_list_calls(findings: Findings) -> None:
    assert findings("call_names", NUMBERS, {TABLE: 'ROWS = ("mmap", "munmap", "brk")'}) == []


def test_an_exception_that_is_not_needed_is_found(findings: Findings) -> None:
    (found,) = findings("call_names", NUMBERS, {TABLE: "ROWS = ()"})
    assert found == f"{TABLE}:1: has no list of calls: take it out of the rule's exceptions"
