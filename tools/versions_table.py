#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the manual's table of differences between kernel versions from the engine's own table.

usage: tools/versions_table.py > docs/versions.md
"""

from vmalab.linux.include.features import ALWAYS, FEATURES, NEVER, VERSIONS, Feature

HEAD = """# What differs between kernel versions

<!-- Made by tools/versions_table.py from src/vmalab/linux/include/features.py: change it there. -->

A profile is a kernel version as vmalab knows it: {versions}. `vmalab replay --kernel X.Y`
chooses one; without it a recording is replayed as the kernel it was made on, or as the newest
profile before that.

Each difference is one named property. A version has it or not, and the engine asks for the property
where it matters. All profiles replay the development recordings of their kernels without a
difference.

| property | kernels | what it means |
| --- | --- | --- |
"""


def span(feature: Feature) -> str:
    """The versions that have a property, in words."""
    since = f"{feature.since[0]}.{feature.since[1]}"
    until = f"{feature.until[0]}.{feature.until[1]}"
    if feature.until == NEVER:
        return f"since {since}"
    return f"before {until}" if feature.since == ALWAYS else f"{since} until before {until}"


def table() -> str:
    """The whole page."""
    versions = ", ".join(f"{major}.{minor}" for major, minor in VERSIONS)
    rows = [f"| `{row.name}` | {span(row)} | {row.what} |\n" for row in FEATURES]
    return HEAD.format(versions=versions) + "".join(rows)


if __name__ == "__main__":
    print(table(), end="")
