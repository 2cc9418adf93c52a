# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a MAINTAINERS file: its sections, and which files their patterns take in."""

import re
from dataclasses import dataclass, field

from house.finding import CannotCheck, Finding
from house.tree import Tree

FILE = "MAINTAINERS"
FIELD = re.compile(r"([A-Z]):\t(\S.*)")


@dataclass
class Section:
    """One section: its title, and its fields as (letter, value, line) in order."""

    title: str
    line: int
    fields: list[tuple[str, str, int]] = field(default_factory=list)

    def values(self, letter: str) -> list[str]:
        """Return the values of the fields with this letter."""
        return [value for found, value, _ in self.fields if found == letter]

    def covers(self, name: str) -> bool:
        """Whether an F: pattern takes the file in and no X: pattern leaves it out."""
        included = any(matches(pattern, name) for pattern in self.values("F"))
        return included and not any(matches(pattern, name) for pattern in self.values("X"))


def matches(pattern: str, name: str) -> bool:
    """Apply the kernel's rule: a trailing slash takes in all below, * does not cross a slash."""
    expression = re.escape(pattern).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.fullmatch(expression + (".*" if pattern.endswith("/") else ""), name) is not None


def sections(tree: Tree) -> list[Section]:
    """Return the sections; a title is a line in capitals above fields, all else there is prose.

    Raises CannotCheck where a section has a line that is no field.
    """
    found: list[Section] = []
    open_section: Section | None = None
    lines = tree.lines(FILE)
    for number, line in enumerate(lines, 1):
        follows = lines[number] if number < len(lines) else ""
        entry = FIELD.fullmatch(line)
        if not line.strip():
            open_section = None
        elif open_section and not entry:
            raise CannotCheck(Finding(FILE, number, f"{open_section.title}: not a field: {line!r}"))
        elif open_section and entry:
            open_section.fields.append((entry[1], entry[2], number))
        elif line == line.upper() and "\t" not in line and follows.strip():
            open_section = Section(line, number)
            found.append(open_section)
    return found
