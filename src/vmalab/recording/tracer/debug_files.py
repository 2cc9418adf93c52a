# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the debug information that was split from a file, as gdb looks for it.

A debug file is told by the build ID that it shares with its file. A file may also name one itself,
in its section .gnu_debuglink, with a checksum of it.
"""

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from vmalab.recording.tracer.code_places import CodeFile

# Bytes of a debug file that are read at most.
MAX_FILE: Final = 1 << 31
_SECTION: Final = ".gnu_debuglink"
_MAX_LINK: Final = 4096
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DebugLink:
    """The debug file that a file names: a name without a folder, and a checksum of its bytes."""

    name: str
    crc: int


def debug_link(path: str) -> DebugLink | None:
    """Return what a file says in its .gnu_debuglink; None: nothing, or nothing that is right."""
    from elftools.elf.elffile import ELFFile

    try:
        with open(path, "rb") as file:
            section = ELFFile(file).get_section_by_name(_SECTION)
            if section is None or not 8 <= section["sh_size"] <= _MAX_LINK:
                return None
            raw = section.data()
    except Exception:
        return None
    name, end, _ = raw.partition(b"\0")
    at = (len(name) + 4) & ~3
    if not end or at + 4 > len(raw):
        return None
    text = name.decode("utf-8", "surrogateescape")
    # A name, not a way: it is looked for in certain folders only.
    if not text or "/" in text or text in (".", ".."):
        return None
    return DebugLink(text, int.from_bytes(raw[at : at + 4], "little"))


def debug_files(file: CodeFile, build: str, link: DebugLink | None) -> Iterator[str]:
    """Yield where the debug information of a file may be, first as the program sees its files.

    build: its build ID, "" without. link: what the file says.
    """
    folder, name = os.path.split(file.path)
    names = [f"{name}.debug", *([link.name] if link is not None else [])]
    places = [f"/usr/lib/debug/.build-id/{build[:2]}/{build[2:]}.debug"] if build else []
    for one in dict.fromkeys(names):
        places += [f"{folder}/{one}", f"{folder}/.debug/{one}", f"/usr/lib/debug{folder}/{one}"]
    places += [f"{folder}/.debug/{name}", f"/usr/lib/debug{file.path}"]
    roots = [f"/proc/self/fd/{file.root}"] if file.root >= 0 else []
    for root in (*roots, ""):
        for place in places:
            path = root + place
            with suppress(OSError):
                there = os.stat(path)
                if stat.S_ISREG(there.st_mode) and there.st_size <= MAX_FILE:
                    yield path


def has_checksum(path: str, link: DebugLink) -> bool:
    """Return whether a file has the checksum of a link. Errors: OSError."""
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc == link.crc
