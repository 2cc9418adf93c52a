# SPDX-License-Identifier: GPL-2.0-or-later
"""Every source and script states its licence first, and the licence itself is there."""

from collections.abc import Iterator

from house.finding import Finding
from house.tree import Tree

SPDX = "# SPDX-License-Identifier: GPL-2.0-or-later"
LICENCE = "LICENSE"
PARTS = ["GNU GENERAL PUBLIC LICENSE", "Version 2, June 1991", "END OF TERMS AND CONDITIONS"]


def is_script(name: str) -> bool:
    """Whether a file is run by a shell or by make."""
    return name.endswith(".sh") or name in (".ci/run", "Makefile")


def check(tree: Tree) -> Iterator[Finding]:
    """Yield files without the licence line, sources where no docstring follows it."""
    for part in PARTS:
        if part not in tree.text(LICENCE):
            yield Finding(LICENCE, 1, f"is not the GPL, version 2: {part!r} is missing")
    for name in tree.select(name for name in tree.names if is_script(name)):
        if SPDX not in tree.text(name)[:200]:
            yield Finding(name, 1, f"does not state its licence: {SPDX}")
    for name in tree.sources():
        lines = tree.lines(name)
        at = 1 if lines and lines[0].startswith("#!") else 0
        if lines[at : at + 1] != [SPDX]:
            yield Finding(name, at + 1, f"does not open with its licence: {SPDX}")
        elif not "".join(lines[at + 1 : at + 2]).startswith(('"""', 'r"""')):
            yield Finding(name, at + 2, "no docstring stands right below the licence")
