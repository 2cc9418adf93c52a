# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel versions, and one property that tells them apart, with the commits that changed it."""

from typing import Final, final

from mypy_extensions import mypyc_attr

Version = tuple[int, int]
# A point release of a stable series, such as 6.18.37.
Release = tuple[int, int, int]

ALWAYS: Final[Version] = (0, 0)
NEVER: Final[Version] = (999, 0)
# The point release of a series whose number is not known: it has all that the series got.
NEWEST: Final = 1 << 30
BASE: Final[Version] = (6, 18)
# The versions there is a profile of.
VERSIONS: Final[tuple[Version, ...]] = (
    (5, 10),
    (6, 1),
    (6, 12),
    (6, 16),
    (6, 17),
    (6, 18),
    (6, 19),
    (7, 0),
    (7, 1),
    (7, 2),
    (7, 3),
)


@final
@mypyc_attr(native_class=True)
class Commit:
    """A commit of Linux: 12 digits of its hash, its subject, the release it first was in.

    The release is "" where only the subject and the hash are known.
    """

    def __init__(self, digits: str, subject: str, release: str = "") -> None:
        self.digits: str = digits
        self.subject: str = subject
        self.release: str = release

    def cited(self) -> str:
        """Return the commit as one cites it."""
        release = f" in {self.release}" if self.release else ""
        return f'{self.digits} ("{self.subject}"){release}'


def _earlier(measured: Version, commit: Commit | None) -> Version:
    """Return the version of a commit, or the one measured, whichever is earlier."""
    if commit is None or commit.release == "":
        return measured
    major, _, minor = commit.release[1:].partition(".")
    return min(measured, (int(major), int(minor)))


@final
@mypyc_attr(native_class=True)
class Feature:
    """One property: what it is, the versions that have it, the commits that brought and ended it.

    Judged versions that have it: from `since` up to, but not including, `until`. backported: point
    releases that brought an older series the change of its side, `since` or `until`: from them on
    the series has it when it would not, and has not when it would. A commit is None where it is not
    known for sure; the versions are always measured.
    """

    def __init__(
        self,
        name: str,
        what: str,
        *,
        since: Version = ALWAYS,
        until: Version = NEVER,
        backported: tuple[Release, ...] = (),
        brought: Commit | None = None,
        ended: Commit | None = None,
    ) -> None:
        self.name: str = name
        self.what: str = what
        self.since: Version = since
        self.until: Version = until
        self.backported: tuple[Release, ...] = backported
        self.brought: Commit | None = brought
        self.ended: Commit | None = ended

    def first(self) -> Version:
        """Return the first version that has the property, be it judged or not.

        That is the one that brought it where the commit is known, else the first one measured.
        """
        return _earlier(self.since, self.brought)

    def end(self) -> Version:
        """Return the first version that has the property no more, be it judged or not."""
        return _earlier(self.until, self.ended)

    def holds_in(self, version: Version, patch: int = NEWEST) -> bool:
        """Tell whether a point release of a version has the property."""
        held = self.first() <= version < self.end()
        for major, minor, first in self.backported:
            if version == (major, minor) and patch >= first:
                held = not held
        return held

    def origin(self) -> str:
        """Return the commits that brought and ended the property; "" where none is known."""
        brought = self.brought.cited() if self.brought is not None else ""
        ended = f"ended by {self.ended.cited()}" if self.ended is not None else ""
        return f"{brought}; {ended}" if brought and ended else brought + ended


@final
@mypyc_attr(native_class=True)
class Area:
    """Properties that belong to one part of the kernel, under one title."""

    def __init__(self, title: str, features: tuple[Feature, ...]) -> None:
        self.title: str = title
        self.features: tuple[Feature, ...] = features
