# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the headers of the program that a process has just become, and of its interpreter.

What exec does follows from them; a recording holds them so that a replay can do it anew.
"""

import os
import struct
from typing import Final

from vmalab.recording.format.program import MAX_PHDRS
from vmalab.recording.tracer.proc_files import lines_of

_HEADER = struct.Struct("<16sHHIQQQIHHH")
_PHDR = struct.Struct("<IIQQQQQQ")
_PT_INTERP: Final = 3
_CLASS64: Final = 2
_MAX_INTERP: Final = 4096


def _line_at(smaps: bytes, address: int) -> list[bytes]:
    """The fields of the range that covers an address: [range, perms, offset, dev, inode, name]."""
    for line in lines_of(smaps):
        if line[:1].isupper():
            continue
        fields = line.split(None, 5)
        start, _, end = fields[0].partition(b"-")
        if int(start, 16) <= address < int(end, 16):
            return fields
    return []


def elf_headers(fd: int) -> dict[str, object]:
    """Return what meta.json says of an ELF file; empty when it is none of 64 bits."""
    raw = os.pread(fd, 64, 0)
    if len(raw) < 64 or raw[:4] != b"\x7fELF" or raw[4] != _CLASS64:
        return {}
    kind, machine, _, entry, phoff, _, _, _, size, count = _HEADER.unpack_from(raw)[1:]
    if size != _PHDR.size or count > MAX_PHDRS:
        return {}
    table = os.pread(fd, size * count, phoff)
    rows = []
    interp = ""
    for at in range(0, len(table) - size + 1, size):
        p_type, flags, offset, vaddr, _, filesz, memsz, align = _PHDR.unpack_from(table, at)
        rows.append([p_type, flags, offset, vaddr, filesz, memsz, align])
        if p_type == _PT_INTERP and filesz <= _MAX_INTERP:
            text = os.pread(fd, filesz, offset).split(b"\0")[0]
            interp = text.decode("utf-8", "surrogateescape")
    found: dict[str, object] = {
        "size": os.fstat(fd).st_size,
        "type": kind,
        "machine": machine,
        "entry": entry,
        "phdrs": rows,
    }
    return found | ({"interp": interp} if interp else {})


def headers_of_file(path: str, inode: int) -> dict[str, object]:
    """Return the headers of a file, {} when it is not the one of that inode, or no program."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        return {}
    try:
        return elf_headers(fd) if os.fstat(fd).st_ino == inode else {}
    except OSError:
        return {}
    finally:
        os.close(fd)


def _file(path: str, smaps: bytes, address: int) -> dict[str, object]:
    """Return the headers of a file that is mapped at an address, {} when it is not that file."""
    fields = _line_at(smaps, address)
    if len(fields) < 6:
        return {}
    found = headers_of_file(path, int(fields[4]))
    if not found:
        return {}
    name = fields[5].decode("utf-8", "surrogateescape")
    return {"path": name, "dev": fields[3].decode(), "inode": int(fields[4])} | found


def program_headers(pid: int, smaps: bytes, auxv: dict[str, str]) -> dict[str, object]:
    """Return the `elf` of an image in meta.json: of a process that is held at its exec."""
    program = _file(f"/proc/{pid}/exe", smaps, int(auxv.get("AT_PHDR", "0"), 16))
    if not program:
        return {}
    base = int(auxv.get("AT_BASE", "0"), 16)
    if not program.get("interp"):
        return {"program": program}
    fields = _line_at(smaps, base)
    name = fields[5].decode("utf-8", "surrogateescape") if len(fields) > 5 else ""
    interpreter = _file(f"/proc/{pid}/root{name}", smaps, base) if name else {}
    return {"program": program, "interpreter": interpreter} if interpreter else {}
