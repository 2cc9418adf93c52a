# SPDX-License-Identifier: GPL-2.0-or-later
"""Packs this Python with some modules, and whatever these import, for a guest.

The modules are packed as code, without their sources, so that nothing is compiled over there.
"""

import json
import marshal
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, SourceFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import PurePosixPath
from typing import Final

from vmalab.targets.real.initramfs import Packed
from vmalab.targets.real.programs.elf_files import elf_files
from vmalab.targets.real.target_errors import TargetError

# Where modules lie over there; a Python that is told so looks nowhere else.
FOLDER: Final = "/python"
ENVIRONMENT: Final = {"PYTHONHOME": FOLDER, "PYTHONPATH": FOLDER}
# What `python -m` needs, and encodings, which are loaded when a name is first encoded so.
_ALWAYS: Final = ("runpy", "encodings.ascii", "encodings.latin_1", "encodings.utf_8")
# How a file begins whose code is used whatever became of its source.
_HEAD: Final = MAGIC_NUMBER + b"\1\0\0\0" + bytes(8)
_ASK: Final = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
print(json.dumps({name: file for name, file in files.items() if file and name != "__main__"}))
"""


def interpreter() -> str:
    """Return the program of this Python, not a link to it."""
    return os.path.realpath(sys.executable)


def _loaded(modules: Sequence[str]) -> dict[str, str]:
    """Return the files of modules, and of those that they load. Errors: TargetError."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [interpreter(), "-S", "-c", _ASK, *_ALWAYS, *modules],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise TargetError(f"{interpreter()}: cannot be packed: {' '.join(said[-1:])}")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def _packed(name: str, file: str) -> dict[str, Packed]:
    """Return one module, with the libraries of an extension. Errors: TargetError."""
    place = PurePosixPath(FOLDER.lstrip("/"), *name.split("."))
    if file.endswith(tuple(EXTENSION_SUFFIXES)):
        found = elf_files(file, library=True)
        module = found.pop(file.lstrip("/"))
        if os.path.basename(file).startswith("__init__."):
            place /= "__init__"
        return {f"{place}{EXTENSION_SUFFIXES[-1]}": module, **found}
    code = SourceFileLoader(name, file).get_code(name)
    if os.path.basename(file) == "__init__.py":
        place /= "__init__"
    return {f"{place}.pyc": Packed(_HEAD + marshal.dumps(code))}


def python_files(modules: Sequence[str]) -> dict[str, Packed]:
    """Return the interpreter with modules and all that they load, by names in the archive.

    Errors: TargetError.
    """
    found = elf_files(interpreter())
    for name, file in _loaded(modules).items():
        found.update(_packed(name, file))
    return found
