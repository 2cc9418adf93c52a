# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads the engine with a historic bug in it: from its sources, changed by a diff in memory.

`vmalab` installs this finder when VMALAB_MUTANT=NAME is in the environment, before anything else of
the package is imported: a mutated engine has a process of its own.  Nothing is written to disk.
"""

import linecache
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Final

from vmalab.patch import PatchError, apply, parse
from vmalab.source_only import SourceOnly

VARIABLE: Final = "VMALAB_MUTANT"
_PACKAGE: Final = Path(__file__).parent
# The diffs, one a mutant; their paths are those below the package.
FOLDER: Final = _PACKAGE / "testing" / "mutants"
# Those that are no bug of Linux: faults that this engine once had.
FAULTS: Final = FOLDER / "faults"
SUFFIX: Final = ".diff"


def names() -> list[str]:
    """Return the names of all historic bugs, sorted."""
    return _names_in(FOLDER)


def fault_names() -> list[str]:
    """Return the names of the faults that this engine once had, sorted."""
    return _names_in(FAULTS)


def _names_in(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))


def read_diff(name: str) -> str:
    """Return the text of a mutant's diff. Errors: PatchError when there is none of that name."""
    if name not in names() and name not in fault_names():
        raise PatchError(f"no such mutant: {name[:60]!r} (there are {', '.join(names())})")
    folder = FOLDER if name in names() else FAULTS
    return (folder / f"{name}{SUFFIX}").read_text("utf-8")


def mutated_sources(name: str) -> dict[str, str]:
    """Return the sources that a mutant changes, as it makes them: file -> text.

    Errors: PatchError.
    """
    patch = parse(read_diff(name), f"{name}{SUFFIX}")
    found = {}
    for file in patch.files:
        path = _PACKAGE / file.path
        if not path.is_file():
            raise PatchError(f"{patch.name}: there is no {file.path} to change")
        found[str(path)] = apply(patch, file.path, path.read_text("utf-8"))
    return found


class MutatedLoader(SourceFileLoader):
    """Loads one module from a changed text, past what is cached of the true one."""

    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self._text = text

    def path_stats(self, path: str) -> dict[str, float]:
        """Say that no bytecode can be looked for, or kept. Errors: OSError, always."""
        raise OSError(f"the source of {path} is in memory")

    def get_data(self, path: str) -> bytes:
        """Answer the changed text as the contents of the file."""
        return self._text.encode("utf-8")

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, and let tracebacks and debuggers show the lines that run."""
        lines = self._text.splitlines(keepends=True)
        linecache.cache[self.path] = (len(self._text), None, lines, self.path)
        super().exec_module(module)


class Mutated(SourceOnly):
    """Finds the package's modules as sources, and the changed ones with their changes."""

    def __init__(self, sources: dict[str, str]) -> None:
        super().__init__()
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of the package; None for all others."""
        spec = super().find_spec(fullname, path, target)
        text = self._sources.get(spec.origin or "") if spec is not None else None
        if spec is not None and spec.origin is not None and text is not None:
            spec.loader = MutatedLoader(fullname, spec.origin, text)
        return spec


def install(name: str) -> None:
    """Have a mutant's engine imported from now on. Errors: SystemExit 2, after a message."""
    try:
        sources = mutated_sources(name)
    except PatchError as error:
        # Nothing of the package can be imported yet: not its way to print either.
        sys.stderr.write(f"vmalab: {VARIABLE}: {error}\n")
        raise SystemExit(2) from None
    sys.meta_path.insert(0, Mutated(sources))
    # The built-in hook of Python 3.11 and 3.12 reads lines from the file, which has others.
    sys.excepthook = traceback.print_exception
