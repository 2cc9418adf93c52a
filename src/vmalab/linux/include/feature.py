# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel versions, and one property that tells them apart."""

from typing import Final, final

from mypy_extensions import mypyc_attr

Version = tuple[int, int]

ALWAYS: Final[Version] = (0, 0)
NEVER: Final[Version] = (999, 0)
BASE: Final[Version] = (6, 18)
# The versions there is a profile of.
VERSIONS: Final[tuple[Version, ...]] = (
    (6, 1),
    (6, 12),
    (6, 18),
    (6, 19),
    (7, 0),
    (7, 2),
    (7, 3),
)


@final
@mypyc_attr(native_class=True)
class Feature:
    """One property: the first version that has it, the first that has it no more, what it is."""

    def __init__(self, name: str, since: Version, until: Version, what: str) -> None:
        self.name: str = name
        self.since: Version = since
        self.until: Version = until
        self.what: str = what

    def holds_in(self, version: Version) -> bool:
        """Tell whether a version has the property."""
        return self.since <= version < self.until
