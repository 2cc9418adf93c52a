# SPDX-License-Identifier: GPL-2.0-or-later
"""The rule on MAINTAINERS finds files of no section and patterns without a file."""

from collections.abc import Callable

import pytest
from house.sections import matches

TEXT = """List of parts
=============

	F: prose, not a field

ENGINE
M:	somebody
F:	src/
X:	src/gone_*.py

THE REST
F:	*
"""
GOOD = {"MAINTAINERS": TEXT, "src/deep/a.py": "", "src/gone_b.py": "", "gone_b.py": ""}


def test_a_left_out_file_is_found_and_covered_files_pass(
    findings: Callable[..., list[str]],
) -> None:
    assert findings("maintainers", GOOD) == [
        "src/gone_b.py:1: belongs to no section of MAINTAINERS"
    ]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"docs/a.md": ""}, "docs/a.md:1: belongs to no section of MAINTAINERS"),
        (
            {"MAINTAINERS": TEXT + "F:	tools/\n"},
            "MAINTAINERS:13: THE REST: tools/: there is no such file",
        ),
        (
            {"MAINTAINERS": TEXT + "nonsense\n"},
            "MAINTAINERS:13: THE REST: not a field: 'nonsense'",
        ),
    ],
)
def test_what_is_wrong_is_found(
    findings: Callable[..., list[str]], files: dict[str, str], found: str
) -> None:
    assert found in findings("maintainers", GOOD, files)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("docs/", "docs/deep/index.md", True),
        ("docs/*.md", "docs/deep/index.md", False),
        ("*", "Makefile", True),
        ("*", "docs/index.md", False),
        ("mm/vma_*.py", "mm/vma_init.py", True),
        ("mm/vma.py", "mm/vma_py", False),
    ],
)
def test_patterns_match_as_the_kernels_do(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected
