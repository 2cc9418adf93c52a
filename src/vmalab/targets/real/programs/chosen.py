# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that a check records on each kernel: C, static and linked, a shell, Python."""

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmalab.targets.real.build import cache_folder, compiler
from vmalab.targets.real.initramfs import Packed
from vmalab.targets.real.programs.elf_files import elf_files
from vmalab.targets.real.programs.python_files import interpreter
from vmalab.targets.real.target_errors import TargetError

SOURCE: Final = Path(__file__).parent / "exercise.c"
_FLAGS: Final = ("-O1", "-w", "-pthread")
_PIPELINE: Final = "ls -l / | sort | wc -l; for i in 1 2 3; do (ls /proc/self/ns); done"
_PIPED: Final = ("ls", "sort", "wc")
# With modules that the recorder has loaded too, so that they are there.
_PYTHON: Final = """
import json, os, signal, struct
kept = [bytearray(300000 + 1000 * i) for i in range(40)]
del kept[::2]
for turn in range(2):
    child = os.fork()
    if child == 0:
        kept = [bytes(70000) for i in range(20)]
        os._exit(len(json.dumps(list(range(9000)))) % 7)
    os.waitpid(child, 0)
text = json.dumps([{str(i): [i] * 20} for i in range(2000)])
print(len(json.loads(text)))
"""


@dataclass(frozen=True, slots=True)
class WantedProgram:
    """A program to be recorded. steps: with the map after every call."""

    name: str
    command: tuple[str, ...]
    steps: bool = False


def exercise(*, static: bool) -> str:
    """Build the program that exercises memory, once, into the user's cache: its path.

    Errors: TargetError.
    """
    flags = (*_FLAGS, "-static") if static else _FLAGS
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join(flags).encode()).hexdigest()[:16]
    path = cache_folder() / f"exercise-{key}"
    if not path.exists():
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        command = compiler()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(
                [command, *flags, "-o", str(partial), str(SOURCE)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                said = " ".join(done.stderr.strip().splitlines()[:3])
                raise TargetError(f"{command} cannot build {SOURCE.name}: {said}")
            os.replace(partial, path)
        except OSError as error:
            raise TargetError(f"{path}: {error.strerror}") from None
    return str(path)


def chosen_programs() -> tuple[list[WantedProgram], dict[str, Packed]]:
    """Return the programs, and the files that a guest needs for them by name in its archive.

    Python itself is not among the files. Errors: TargetError: no compiler, a program is missing.
    """
    linked, static = exercise(static=False), exercise(static=True)
    shell = shutil.which("sh") or "/bin/sh"
    files = {**elf_files(linked), **elf_files(static), **elf_files(shell)}
    for name in _PIPED:
        found = shutil.which(name)
        if found is None:
            raise TargetError(f"{name}: no such program on this machine")
        files.update(elf_files(found))
    programs = [
        WantedProgram("static", (static,), steps=True),
        WantedProgram("linked", (linked,)),
        WantedProgram("shell", (shell, "-c", _PIPELINE)),
        WantedProgram("python", (interpreter(), "-S", "-c", _PYTHON)),
    ]
    return programs, files
