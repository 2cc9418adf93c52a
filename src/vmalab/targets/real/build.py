# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the executor with the machine's C compiler, once, into the user's cache."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.real.temporary_folder import OwnFolder

FOLDER: Final = Path(__file__).parent
SOURCES: Final = ("executor.c", "confine.c", "permitted.c", "bound.c", "turns.c", "events.c")
HEADER: Final = "executor.h"
COMPILERS: Final = ("cc", "gcc", "clang")
FLAGS: Final = (
    "-Os",
    "-static",
    "-nostdlib",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fno-pie",
    "-no-pie",
    "-fno-asynchronous-unwind-tables",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
)


def cache_folder() -> Path:
    """Return where what can be made again is kept; VMALAB_CACHE overrides the user's cache."""
    chosen = os.environ.get("VMALAB_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "vmalab"


def compiler() -> str:
    """Return the C compiler to use: $CC, or the first there is. Errors: TargetError, none."""
    for name in (os.environ.get("CC", ""), *COMPILERS):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise TargetError(
        "no C compiler found (looked for $CC, cc, gcc, clang): real kernels are checked by a small "
        "program that must be built first"
    )


def executor_path() -> Path:
    """Return the built executor. Errors: TargetError when there is no compiler, or it fails."""
    text = b"".join((FOLDER / name).read_bytes() for name in (HEADER, *SOURCES))
    folder = cache_folder()
    key = hashlib.sha256(text + " ".join(FLAGS).encode()).hexdigest()[:16]
    path = folder / f"executor-{key}"
    if path.exists():
        return path
    command = compiler()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = OwnFolder(str(folder), "build")
    except OSError as error:
        raise TargetError(f"{folder}: {error.strerror}") from None
    try:
        name = os.path.join(place.path, "executor")
        sources = [str(FOLDER / source) for source in SOURCES]
        done = subprocess.run(
            [command, *FLAGS, "-o", name, *sources], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise TargetError(f"{command} cannot build the executor: {' '.join(said[:3])}")
        os.chmod(name, 0o755)
        os.replace(name, path)
    except OSError as error:
        raise TargetError(f"{command} cannot build the executor: {error}") from None
    finally:
        place.close()
    return path
