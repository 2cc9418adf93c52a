# SPDX-License-Identifier: GPL-2.0-or-later
"""A place where a file breaks a rule, and what is wrong there."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the report."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        """Return `file:line: what and why`."""
        return f"{self.path}:{self.line}: {self.what}"


class CannotCheck(Exception):
    """A file that cannot be read as what its name promises; carries the finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding
