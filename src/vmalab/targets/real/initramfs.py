# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the file system that a guest starts from: a cpio archive that holds the executor alone."""

from typing import Final

_MAGIC: Final = "070701"
_DIRECTORY: Final = 0o040755
_PROGRAM: Final = 0o100755
_DEVICE: Final = 0o020600
_TRAILER: Final = "TRAILER!!!"


def _entry(
    number: int, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)
) -> bytes:
    """One file in the format `newc`: a header of hexadecimal fields, the name, the content."""
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
    head = _MAGIC + "".join(f"{field:08X}" for field in fields)
    return _padded(head.encode() + name.encode() + b"\0") + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def initramfs(program: bytes) -> bytes:
    """Return the archive: `program` as /init, the directories that it mounts on, and a console."""
    entries = [
        _entry(number, name, _DIRECTORY) for number, name in enumerate(("dev", "proc", "sys"), 1)
    ]
    entries.append(_entry(4, "dev/console", _DEVICE, device=(5, 1)))
    entries.append(_entry(5, "init", _PROGRAM, program))
    entries.append(_entry(0, _TRAILER, 0))
    archive = b"".join(entries)
    return archive + bytes(-len(archive) % 512)
