# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the file system that a guest starts from: a cpio archive."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_MAGIC: Final = "070701"
_DIRECTORY: Final = 0o040755
_PROGRAM: Final = 0o100755
_FILE: Final = 0o100644
_DEVICE: Final = 0o020600
_TRAILER: Final = "TRAILER!!!"
# What a guest's process 1 mounts on.
_FOLDERS: Final = ("dev", "proc", "sys")


@dataclass(frozen=True, slots=True)
class Packed:
    """A file of the archive. program: may be executed."""

    content: bytes
    program: bool = False


def _entry(
    number: int, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)
) -> bytes:
    """One file in the format `newc`: a header of hexadecimal fields, the name, the content."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
    head = _MAGIC + "".join(f"{field:08X}" for field in fields)
    return _padded(head.encode() + name.encode() + b"\0") + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _folders(files: Mapping[str, Packed]) -> list[str]:
    """Return the folders that files need, each behind the one that it is in."""
    found = dict.fromkeys(_FOLDERS)
    for name in files:
        for folder in reversed(PurePosixPath(name).parents[:-1]):
            found[str(folder)] = None
    return list(found)


def initramfs(files: Mapping[str, Packed]) -> bytes:
    """Return the archive of files by name, with their folders, those to mount on, and a console.

    A name is relative to the root: "init" is what the kernel starts if it is told nothing else.
    """
    entries = [_entry(number, name, _DIRECTORY) for number, name in enumerate(_folders(files), 1)]
    entries.append(_entry(len(entries) + 1, "dev/console", _DEVICE, device=(5, 1)))
    for name, file in files.items():
        mode = _PROGRAM if file.program else _FILE
        entries.append(_entry(len(entries) + 1, name, mode, file.content))
    entries.append(_entry(0, _TRAILER, 0))
    archive = b"".join(entries)
    return archive + bytes(-len(archive) % 512)
