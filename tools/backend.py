# SPDX-License-Identifier: GPL-2.0-or-later
"""The build backend: setuptools, and mypyc too where the engine can be compiled.

An editable install never compiles, so the developer's environment needs no compiler. Nor does a
build where `why_not` gives a reason; it installs the plain source, and says so in one line. So does
one whose compiling fails half-way: no memory, a full disk, a compiler that is too old.
VMALAB_COMPILE=1 makes that an error, for those who build wheels for others.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
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
    "say",
    "why_not",
]

MYPYC: Final = "mypy>=2.4,<3"
# Set to 0, the package is installed as plain source whatever there is to compile it with. Set to 1,
# it is compiled, or not installed.
SWITCH: Final = "VMALAB_COMPILE"
# Seconds that compiling takes on one processor, about.
SECONDS: Final = 250
# What pip shows of a build is nothing; what is written here is seen by whoever sits before it.
TERMINAL: Final = "/dev/tty"
# Why compiling was given up, "" before.
_failed: list[str] = []


def say(text: str) -> None:
    """Print a line for whoever waits for the build, also where its output is kept from them."""
    print(f"vmalab: {text}", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        return
    try:
        with open(TERMINAL, "w") as terminal:
            terminal.write(f"vmalab: {text}\n")
    except OSError:
        pass


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, object] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build a wheel, with the engine compiled where that can be done; Returns: its name."""
    reason = why_not()
    if reason and os.environ.get(SWITCH) == "1":
        raise SystemExit(f"vmalab: {SWITCH}=1, but {reason}")
    if not reason:
        processors = len(os.sched_getaffinity(0))
        seconds = -(-SECONDS // processors)
        say(
            f"compiling the engine on {processors} processors: about {seconds} s "
            f"({SWITCH}=0 installs it as plain Python, at once and slower)"
        )
    try:
        return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))
    except (Exception, SystemExit) as error:
        if reason or os.environ.get(SWITCH) == "1":
            raise
        told = " ".join(str(error).split())[-200:]
        if not told or told.isdecimal():
            told = "mypyc says why above"
        _failed.append(f"it could not be compiled ({told})")
    for left in Path("build").glob("*"):
        if left.name.startswith(("lib", "bdist", "temp")):
            shutil.rmtree(left, ignore_errors=True)
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def why_not() -> str:
    """Why the engine is not to be compiled here, or "" when it is."""
    if _failed:
        return _failed[0]
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
    """What building a wheel needs besides setuptools: what the sources import, and mypyc."""
    needed = build_meta.get_requires_for_build_wheel(config_settings)
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    needed += project["dependencies"]
    return needed if why_not() else [*needed, MYPYC]
