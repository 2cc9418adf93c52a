# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles our files of the tree's side as the tree compiles one of its own."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from vmalab.targets.tree.objects import KERNEL_SIDE, BuildError, TreeObjects, run_command

HOST_SIDE: Final = Path(__file__).parent / "host"
# The object whose command line is taken: it sees mm/internal.h and all that the core includes.
MODEL: Final = "mm/mmap.o"
_LOOK: Final = "-fsyntax-only -fmax-errors=0"
_OUTPUT: Final = re.compile(r"\s-o \S+ \S+\.c\s*.*$")
_NOTES: Final = re.compile(r"\s-Wp,-MM?D,\S+")


def command(objects: TreeObjects, source: Path, rest: str, model: str = MODEL) -> str:
    """Return the command line that compiles a file of ours like `model`. Errors: BuildError."""
    line = objects.command_of(model)
    bare, count = _OUTPUT.subn("", _NOTES.sub("", line))
    if count != 1:
        raise BuildError(f"{model}: its command line is of no known form", line)
    folders = (objects.tree.path / "mm", KERNEL_SIDE, HOST_SIDE, objects.folder.parent)
    place = " ".join(f"-I{folder}" for folder in folders)
    # A function that no header declares would be taken for one that returns an int.
    strict = "-Wno-error -Werror=implicit-function-declaration -Wno-missing-prototypes"
    return f"{bare.replace(' -w ', ' ')} {strict} {place} {rest} {source}"


def compile_unit(
    objects: TreeObjects, source: Path, output: Path, defines: str, model: str = MODEL
) -> None:
    """Compile a file of ours. Errors: BuildError."""
    line = command(objects, source, f"{defines} -o {output}", model)
    run_command(line, objects.folder, f"{objects.tree.path}: {source.name}")


def compile_for_errors(objects: TreeObjects, source: Path) -> str:
    """Let the compiler only look at a file: what it says. Errors: BuildError."""
    line = command(objects, source, _LOOK)
    try:
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=objects.folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)},
        )
    except OSError as error:
        raise BuildError(f"{source}: {error.strerror}", "") from None
    return done.stderr
