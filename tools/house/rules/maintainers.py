# SPDX-License-Identifier: GPL-2.0-or-later
"""Every file belongs to a section of MAINTAINERS, and every pattern there has a file."""

from collections.abc import Iterator

from house.finding import Finding
from house.sections import FILE, matches, sections
from house.tree import Tree


def check(tree: Tree) -> Iterator[Finding]:
    """Yield files that no section covers, and patterns that fit no file."""
    found = sections(tree)
    for name in tree.files():
        if not any(section.covers(name) for section in found):
            yield Finding(name, 1, f"belongs to no section of {FILE}")
    for section in found:
        for letter, value, line in section.fields:
            if letter in "FX" and not any(matches(value, name) for name in tree.names):
                yield Finding(FILE, line, f"{section.title}: {value}: there is no such file")
