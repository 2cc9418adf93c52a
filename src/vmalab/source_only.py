# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets the package run from its sources where it is compiled: for a debugger, and to compare.

`vmalab` installs this finder when VMALAB_INTERPRETED=1 is in the environment.
"""

from collections.abc import Sequence
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType


class SourceOnly:
    """Finds the package's modules, and of each only the source."""

    def __init__(self) -> None:
        self._folders: dict[str, FileFinder] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the source of a module of the package; None for all others."""
        if not fullname.startswith("vmalab."):
            return None
        for entry in path or ():
            if entry not in self._folders:
                self._folders[entry] = FileFinder(entry, (SourceFileLoader, [".py"]))
            spec = self._folders[entry].find_spec(fullname)
            if spec is not None:
                return spec
        return None
