# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases that come with vmalab, and choosing among cases by pattern."""

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Final

from vmalab.testing.cases.case import Case
from vmalab.testing.cases.parser import parse_file

CASES: Final = Path(__file__).parent
SUFFIX: Final = ".vma"


@cache
def shipped_cases() -> tuple[Case, ...]:
    """Return all cases that come with vmalab, file by file in the order of their names."""
    return tuple(
        case
        for path in sorted(CASES.glob(f"*{SUFFIX}"))
        for case in parse_file(path, f"cases/{path.name}")
    )


def cases_named(names: Iterable[str]) -> Iterator[Case]:
    """Read the cases with these ids, from their files alone. Errors: LookupError."""
    for name in names:
        file = f"{name.partition('/')[0]}{SUFFIX}"
        found = [case for case in parse_file(CASES / file, f"cases/{file}") if case.id == name]
        if not found:
            raise LookupError(f"no case is called {name}")
        yield found[0]


def matches(case: Case, pattern: str) -> bool:
    """Return whether a pattern selects a case: part of its id, or a shell pattern of all of it."""
    return pattern in case.id or fnmatchcase(case.id, pattern)


def select(cases: Iterable[Case], patterns: Iterable[str]) -> list[Case]:
    """Return the cases that any of the patterns selects; all without a pattern."""
    wanted = tuple(patterns)
    return [case for case in cases if not wanted or any(matches(case, one) for one in wanted)]
