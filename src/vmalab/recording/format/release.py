# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the release of a kernel, as uname prints it."""

import re

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,5}))?", re.ASCII)


def kernel_version(release: str) -> tuple[int, int] | None:
    """(6, 18) of "6.18.44"; None for what is no release."""
    match = _VERSION.match(release)
    return (int(match.group(1)), int(match.group(2))) if match else None


def point_release(release: str) -> int | None:
    """44 of "6.18.44-generic"; None where it has no third number."""
    match = _VERSION.match(release)
    return int(match.group(3)) if match and match.group(3) else None
