# SPDX-License-Identifier: GPL-2.0-or-later
"""Which files of this machine a program needs, to be packed into a guest: its loader, libraries."""

import os
import re
import subprocess
from typing import Final

from vmalab.recording.tracer.program_headers import elf_headers
from vmalab.targets.real.initramfs import Packed
from vmalab.targets.real.target_errors import TargetError

# Where the loader looks up libraries; without it, it looks into its own folders only.
_CACHE: Final = "/etc/ld.so.cache"
_LOADER: Final = "/lib64/ld-linux-x86-64.so.2"
_FOUND: Final = re.compile(r"^\s+(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.M)


def file_of(path: str) -> Packed:
    """Return a file of this machine as it is packed. Errors: TargetError, it cannot be read."""
    try:
        with open(path, "rb") as file:
            return Packed(file.read(), program=os.access(path, os.X_OK))
    except OSError as error:
        raise TargetError(f"{path}: {error.strerror}") from None


def _is_linked(path: str, *, library: bool) -> bool:
    """Tell what a loader has to link from a static program. Errors: TargetError, no ELF file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            headers = elf_headers(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise TargetError(f"{path}: {error.strerror}") from None
    if not headers:
        raise TargetError(f"{path}: no program of 64 bits")
    return library or "interp" in headers


def _libraries(path: str) -> list[str]:
    """Return what the loader would map beside a file. Errors: TargetError, something is missing."""
    done = subprocess.run([_LOADER, "--list", path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise TargetError(f"{path}: its libraries cannot be found: {' '.join(said[:2])}")
    return [_LOADER, *_FOUND.findall(done.stdout)]


def elf_files(path: str, *, library: bool = False) -> dict[str, Packed]:
    """Return a program, or a library, with all that it needs, by their names in the archive.

    Errors: TargetError.
    """
    names = [path]
    if _is_linked(path, library=library):
        names += _libraries(path)
        if os.path.exists(_CACHE):
            names.append(_CACHE)
    return {name.lstrip("/"): file_of(name) for name in dict.fromkeys(names)}
