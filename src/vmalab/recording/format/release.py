# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the release of a kernel, as uname prints it."""

import re

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,5}))?", re.ASCII)


def kernel_version(release: str) -> tuple[int, int] | None:
    """(6, 18) of "6.18.44"; None for what is no release."""
    match = _VERSION.match(release)
    return (int(match.group(1)), int(match.group(2))) if match else None


def point_release(release: str, version: tuple[int, int]) -> int | None:
    """44 of "6.18.44-generic" for (6, 18); None for other versions, and where none is told.

    Distributions that name a whole series by its first release, as "6.1.0-56", tell none.
    """
    match = _VERSION.match(release)
    if match is None or kernel_version(release) != version:
        return None
    return int(match.group(3) or 0) or None
