#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write what is made from the table of version differences: the engine's class and the manual.

usage: tools/features.py        from the top of the source tree, or `make features`
"""

import textwrap
from pathlib import Path

from vmalab.linux.include.differences.table import AREAS, FEATURES
from vmalab.linux.include.feature import ALWAYS, NEVER, VERSIONS, Feature, Version

CLASS = Path("src/vmalab/linux/include/features.py")
MANUAL = Path("docs/reference/versions.md")

CLASS_HEAD = '''\
# SPDX-License-Identifier: GPL-2.0-or-later
"""The properties of one kernel version, as attributes that cost one load to ask.

Made by `make features` from the table in `differences/`, which has the history of each: change it
there, not here.
"""

from typing import final

from mypy_extensions import mypyc_attr

from vmalab.linux.include.feature import BASE, NEWEST, VERSIONS, Version

__all__ = ["BASE", "NEWEST", "VERSIONS", "Features", "Version"]


@final
@mypyc_attr(native_class=True)
class Features:
    """What a kernel of one version does where versions differ, and point releases of one."""

    def __init__(self, version: Version = BASE, patch: int = NEWEST) -> None:
        self.version: Version = version
'''

MANUAL_HEAD = """\
# What differs between kernel versions

<!-- Made by `make features` from src/vmalab/linux/include/differences/: change it there. -->

A profile is a kernel version as vmalab knows it: {versions}.
`vmalab replay --kernel X.Y` chooses one; without it a recording is replayed as the kernel it was
made on. Between two profiles a version is not judged, and the answer says so: it has what commits
brought up to its release, and where no commit is known what the profile before it has. Older and
newer ones than all are taken for the oldest and the newest. Where a stable series got a change
later, a recording of it has what its point release had, and `--kernel 6.18.37` what that one has;
one that names none, as `--kernel 6.18`, has all of them. Debian's 6.1.0-56 is taken for the point
release that its build names.

Each difference is one named property. A version has it or not, and the engine asks for the property
where it matters. All profiles replay the development recordings of their kernels without a
difference.

Which versions have a property is measured on real kernels. The last column names the commit that
brought it or ended it, where that is known, and the release that first had the commit. Stable
releases of older versions may have it too; "measured" means that no commit is known.
"""

AREA_HEAD = """
## {title}

| property | kernels | what it means | origin |
| --- | --- | --- | --- |
"""


def dotted(version: Version) -> str:
    """Return a version as it is written, such as 6.18."""
    return f"{version[0]}.{version[1]}"


def condition(feature: Feature) -> str:
    """Return the Python expression that is true in the versions that have a property."""
    first, end = feature.first(), feature.end()
    span = f"{first} <= version < {end}"
    if end == NEVER:
        span = f"version >= {first}"
    elif first == ALWAYS:
        span = f"version < {end}"
    if not feature.backported:
        return span
    turned = [
        f"version == ({major}, {minor}) and patch >= {first}"
        for major, minor, first in feature.backported
    ]
    several = " or ".join(f"({one})" for one in turned)
    return f"({span}) != ({several if len(turned) > 1 else turned[0]})"


def wrapped(line: str) -> str:
    """Return an assignment that is too long as the formatter lays it out."""
    start, turned = line.removesuffix(")\n").split(" != (")
    parts = [turned] if len(turned) <= 88 else turned.replace(" or ", "\nor ").split("\n")
    return "\n".join([f"{start} != (", *(f"            {part}" for part in parts), "        )", ""])


def engine_class() -> str:
    """Return the module with the class whose attributes the engine asks."""
    made = CLASS_HEAD
    for feature in FEATURES:
        made += textwrap.indent(textwrap.fill(feature.what, 90), "        # ") + "\n"
        line = f"        self.{feature.name}: bool = {condition(feature)}\n"
        if len(line) > 101:
            line = wrapped(line)
        made += line
    return made


def span(feature: Feature) -> str:
    """Return the versions that have a property, in words."""
    until = f"before {dotted(feature.until)}"
    made = until if feature.since == ALWAYS else f"{dotted(feature.since)} until {until}"
    if feature.until == NEVER:
        made = f"since {dotted(feature.since)}"
    for major, minor, first in feature.backported:
        brings = not feature.since <= (major, minor) < feature.until
        made += f"; {major}.{minor} {'since' if brings else 'before'} {major}.{minor}.{first}"
    return made


def manual() -> str:
    """Return the manual's page, with one table for each area."""
    made = MANUAL_HEAD.format(versions=", ".join(dotted(version) for version in VERSIONS))
    for area in AREAS:
        made += AREA_HEAD.format(title=area.title)
        for row in area.features:
            cells = (f"`{row.name}`", span(row), row.what, row.origin() or "measured")
            made += "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
    return made


if __name__ == "__main__":
    CLASS.write_text(engine_class(), "utf-8")
    MANUAL.write_text(manual(), "utf-8")
