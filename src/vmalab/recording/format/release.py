# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the release of a kernel, as uname prints it."""

import re

from vmalab.patterns import pattern

_VERSION = pattern(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,5}))?", re.ASCII)

_DEBIAN = pattern(r"\bDebian (\d{1,4}\.\d{1,4}\.\d{1,5})-", re.ASCII)


def kernel_version(release: str) -> tuple[int, int] | None:
    """(6, 18) of "6.18.44"; None for what is no release."""
    match = _VERSION().match(release)
    return (int(match.group(1)), int(match.group(2))) if match else None


def debian_release(build: str) -> str:
    """Return "6.1.192" of "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)"; "" for none."""
    match = _DEBIAN().search(build)
    return match.group(1) if match else ""


def point_release(release: str, version: tuple[int, int], build: str = "") -> int | None:
    """44 of "6.18.44-generic" for (6, 18); None for other versions, and where none is told.

    build: what uname says of the kernel besides. Debian names a whole series by its first release,
    as 6.1.0-56, and tells the point release there; others who do so tell none.
    """
    named = debian_release(build)
    if kernel_version(named) != kernel_version(release):
        named = release
    match = _VERSION().match(named)
    if match is None or kernel_version(named) != version:
        return None
    return int(match.group(3) or 0) or None
