# SPDX-License-Identifier: GPL-2.0-or-later
"""MAINTAINERS has the kernel's form: who, a status and files in each section, in order."""

from collections.abc import Iterator

from house.finding import Finding
from house.sections import FILE, sections
from house.tree import Tree

STATUSES = {"Supported", "Maintained", "Odd Fixes", "Orphan"}
WHO = "the vmalab developers"
LAST = "THE REST"


def check(tree: Tree) -> Iterator[Finding]:
    """Yield sections that lack a field or stand in the wrong place."""
    tree.select([FILE])
    found = sections(tree)
    if not found:
        yield Finding(FILE, 1, "has no section")
    for section in found:
        if section.values("M") != [WHO]:
            yield Finding(FILE, section.line, f"{section.title}: M: is {WHO!r}, once")
        if not section.values("S") or not STATUSES.issuperset(section.values("S")):
            known = ", ".join(sorted(STATUSES))
            yield Finding(FILE, section.line, f"{section.title}: S: is one of {known}")
        if not section.values("F"):
            yield Finding(FILE, section.line, f"{section.title}: has no F:, so it covers nothing")
    titles = [section.title for section in found]
    wanted = [*sorted(set(titles) - {LAST}), LAST]
    for section, title in zip(found, wanted, strict=False):
        if section.title != title:
            yield Finding(FILE, section.line, f"{section.title}: {title} belongs here, in order")
            return
    if found and len(titles) != len(wanted):
        yield Finding(FILE, found[-1].line, f"{LAST} is the last section; each title stands once")
