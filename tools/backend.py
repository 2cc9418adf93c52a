# SPDX-License-Identifier: GPL-2.0-or-later
"""The build backend: setuptools, and mypyc too where the engine can be compiled.

An editable install never compiles, so the developer's environment needs no compiler. Nor does a
build where `why_not` gives a reason; it installs the plain source, and says so in one line.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
    "why_not",
]

MYPYC: Final = "mypy>=2.4,<3"
# Set to 0, the package is installed as plain source whatever there is to compile it with.
SWITCH: Final = "VMALAB_COMPILE"


def why_not() -> str:
    """Why the engine is not to be compiled here, or "" when it is."""
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH}=0 says so"
    if sys.implementation.name != "cpython":
        return f"mypyc is for CPython, and this is {sys.implementation.name}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "the engine's compiled form needs a Python with the global lock"
    return why_no_compiler()


def why_no_compiler() -> str:
    """What keeps C programs that use Python from being compiled, or "" when nothing does."""
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    headers = sysconfig.get_path("include")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "trial.c")
        source.write_text("#include <Python.h>\n")
        command = [*compiler.split(), f"-I{headers}", "-c", str(source), "-o", f"{source}.o"]
        try:
            trial = subprocess.run(command, capture_output=True, check=False)
        except OSError:
            return f"there is no C compiler ({compiler.split()[0]})"
    if trial.returncode:
        return f"the C compiler does not find Python's headers ({headers}/Python.h)"
    return ""


def get_requires_for_build_wheel(config_settings: dict[str, object] | None = None) -> list[str]:
    """What building a wheel needs besides setuptools."""
    needed = build_meta.get_requires_for_build_wheel(config_settings)
    return needed if why_not() else [*needed, MYPYC]
