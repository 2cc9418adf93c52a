# SPDX-License-Identifier: GPL-2.0-or-later
"""A user's own rules: finding the seam that a file defines, and making it checkable.

A rule is a subclass of `VmaInternal`.  To replay under it an instance is enough; to run cases under
it, it gets the checks of `CheckingInternal` on top, without being written twice.
"""

import importlib
import importlib.util
import sys
from bdb import BdbQuit
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import cast

from vmalab.calls.errors import VmalabError
from vmalab.linux.mm.vma_internal import VmaInternal
from vmalab.linux.types.kernel_state import KernelState
from vmalab.testing.seams.checking import CheckingInternal

SeamMaker = Callable[[KernelState], VmaInternal]


def load_module(where: str) -> ModuleType:
    """Return the module that a file, or a dotted name, stands for.  VmalabError: there is none."""
    try:
        if not where.endswith(".py"):
            return importlib.import_module(where)
        path = Path(where)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise VmalabError(f"{where}: no such file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    except (VmalabError, MemoryError, BdbQuit):
        raise
    except Exception as error:
        raise VmalabError(f"{where}: cannot be loaded: {type(error).__name__}: {error}") from error
    return module


def load_seam(text: str) -> type[VmaInternal]:
    """Return the seam that FILE.py, FILE.py:CLASS or MODULE:CLASS names.

    VmalabError: why there is none.

    Without a class the file must define exactly one.
    """
    where, colon, name = text.partition(":")
    module = load_module(where)
    if colon:
        found = getattr(module, name, None)
        if not isinstance(found, type) or not issubclass(found, VmaInternal):
            raise VmalabError(f"{where}: {name} is no subclass of VmaInternal")
        return found
    own = [
        one
        for one in vars(module).values()
        if isinstance(one, type)
        and issubclass(one, VmaInternal)
        and one.__module__ == module.__name__
    ]
    if len(own) != 1:
        names = ", ".join(sorted(one.__name__ for one in own)) or "none"
        raise VmalabError(f"{where}: one subclass of VmaInternal is needed, it defines {names}")
    return own[0]


def checked(rule: type[VmaInternal]) -> type[CheckingInternal]:
    """Return a rule with the test kit's checks: the class itself when it has them."""
    if issubclass(rule, CheckingInternal):
        return rule
    # What both define, the checks do first, and then the rule.
    return cast("type[CheckingInternal]", type(rule.__name__, (CheckingInternal, rule), {}))
