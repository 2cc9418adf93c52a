# SPDX-License-Identifier: GPL-2.0-or-later
"""The core of Linux's memory map in userland: recordings go in, exact answers come out.

The library is what `__all__` lists. The layers, each importing only those after it: `vmalab.cli`,
`vmalab.api`, `vmalab.views`, `vmalab.explain` and
`vmalab.bench`, `vmalab.replay` and `vmalab.check`, `vmalab.targets`, `vmalab.recording`,
`vmalab.calls`; beside them `vmalab.linux`, the engine, which imports nothing of the package, and
`vmalab.testing`, the test kit for it.
"""

import os
import sys
from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vmalab.api.machine import Machine
    from vmalab.api.maps import Maps
    from vmalab.api.recording import Recording
    from vmalab.api.refused import CallRefused
    from vmalab.api.space import AddressSpace
    from vmalab.api.watch import Watch, watch
    from vmalab.calls.errors import VmalabError
    from vmalab.calls.snapshot import VmaLine

__version__ = "0.1.0"


MUTANT: Final[str] = os.environ.get("VMALAB_MUTANT", "")
"""The historic bug that the engine has here, "" for none."""


def _engine_is_compiled() -> bool:
    """Return whether the engine's modules here are extension modules.

    They are not imported for it.
    """
    if MUTANT:
        from vmalab.mutated import install

        install(MUTANT)
        return False
    if os.environ.get("VMALAB_INTERPRETED") == "1":
        from vmalab.source_only import SourceOnly

        sys.meta_path.insert(0, SourceOnly())
        return False
    spec = PathFinder.find_spec("maple_tree", [f"{path}/linux/lib" for path in __path__])
    return spec is not None and spec.origin is not None and not spec.origin.endswith(".py")


COMPILED: Final[bool] = _engine_is_compiled()
"""True when the engine runs as compiled code, False when it runs interpreted."""

__all__ = [
    "COMPILED",
    "MUTANT",
    "AddressSpace",
    "CallRefused",
    "Machine",
    "Maps",
    "Recording",
    "VmaLine",
    "VmalabError",
    "Watch",
    "__version__",
    "watch",
]

# Where the names of the library are; they are loaded when somebody asks for them.
_HOME: Final = {
    "AddressSpace": "vmalab.api.space",
    "CallRefused": "vmalab.api.refused",
    "Machine": "vmalab.api.machine",
    "Maps": "vmalab.api.maps",
    "Recording": "vmalab.api.recording",
    "VmaLine": "vmalab.calls.snapshot",
    "VmalabError": "vmalab.calls.errors",
    "Watch": "vmalab.api.watch",
    "watch": "vmalab.api.watch",
}


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
