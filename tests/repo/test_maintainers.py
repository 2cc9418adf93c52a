# SPDX-License-Identifier: GPL-2.0-or-later
"""MAINTAINERS has the kernel's form, leaves no file out and names none that is gone."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

STATUSES = {"Supported", "Maintained", "Odd Fixes", "Orphan"}
FIELD = re.compile(r"([A-Z]):\t(\S.*)")


@dataclass
class Section:
    """One section: its title, and its fields by letter in the order they stand."""

    title: str
    fields: dict[str, list[str]] = field(default_factory=dict)

    def covers(self, name: str) -> bool:
        """Whether the section's F: patterns take the file in and its X: patterns leave it so."""
        included = any(matches(pattern, name) for pattern in self.fields.get("F", []))
        return included and not any(matches(pattern, name) for pattern in self.fields.get("X", []))


def matches(pattern: str, name: str) -> bool:
    """The kernel's rule: a trailing slash takes in all below, and * does not cross a slash."""
    expression = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.fullmatch(expression + (".*" if pattern.endswith("/") else ""), name) is not None


def parse(text: str) -> list[Section]:
    """The sections of a MAINTAINERS file; whatever stands before the first one is prose."""
    sections = []
    for block in re.split(r"\n\n+", text):
        title, _, rest = block.strip().partition("\n")
        found = [FIELD.fullmatch(line) for line in rest.splitlines()]
        if title != title.upper() or not rest or "\t" in title:
            continue
        section = Section(title)
        for line, entry in zip(rest.splitlines(), found, strict=True):
            assert entry, f"{title}: not a field: {line!r}"
            section.fields.setdefault(entry[1], []).append(entry[2])
        sections.append(section)
    return sections


@pytest.fixture(scope="module")
def sections(root: Path) -> list[Section]:
    parsed = parse((root / "MAINTAINERS").read_text("utf-8"))
    assert len(parsed) > 5
    return parsed


def test_every_file_belongs_to_a_section(sections: list[Section], files: list[str]) -> None:
    orphans = [name for name in files if not any(part.covers(name) for part in sections)]
    assert orphans == []


def test_every_pattern_has_a_file(sections: list[Section], files: list[str]) -> None:
    patterns = {
        pattern for part in sections for letter in "FX" for pattern in part.fields.get(letter, [])
    }
    idle = {pattern for pattern in patterns if not any(matches(pattern, name) for name in files)}
    assert idle == set()


def test_every_section_has_maintainers_a_status_and_files(sections: list[Section]) -> None:
    for part in sections:
        assert part.fields.get("M") == ["the vmalab developers"], part.title
        assert STATUSES.issuperset(part.fields.get("S", [""])), part.title
        assert part.fields.get("F"), part.title


def test_sections_are_in_order_and_the_rest_is_last(sections: list[Section]) -> None:
    titles = [part.title for part in sections]
    assert titles == [*sorted(set(titles) - {"THE REST"}), "THE REST"]


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
