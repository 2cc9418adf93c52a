# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets the package run from its sources where it is compiled: for a debugger, and to compare.

`vmalab` installs this finder when VMALAB_INTERPRETED=1 is in the environment.
"""

from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import FileFinder, ModuleSpec, SourceFileLoader
from types import ModuleType


class SourceOnly(MetaPathFinder):
    """Finds the package's modules, and of each only the source."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The source of a module of the package; None for all others."""
        if not fullname.startswith("vmalab."):
            return None
        for entry in path or ():
            finder = FileFinder(entry, (SourceFileLoader, [".py"]))
            spec = finder.find_spec(fullname)
            if spec is not None:
                return spec
        return None
