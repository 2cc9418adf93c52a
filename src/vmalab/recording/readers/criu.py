# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the VMAs of a CRIU checkpoint: the JSON that `crit decode` makes of mm-PID.img.

A checkpoint says what CRIU needs to map it all again. Whether memory is charged, what permissions a
mapping may get, and device and inode of files are not in it: all that a private mapping can have is
taken to be there, and each file is told by its number in the checkpoint.
"""

import re
from collections.abc import Mapping
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.include.page import PAGE_MASK
from vmalab.linux.include.uapi import mman
from vmalab.recording.json_text import parse_json

# Bits of an entry's status.
_AREA_STACK: Final = 1 << 1
_AREA_VSYSCALL: Final = 1 << 2
_AREA_VDSO: Final = 1 << 3
_AREA_HEAP: Final = 1 << 5
_FILE: Final = 1 << 6 | 1 << 7
_ANON_SHARED: Final = 1 << 8
_SYSVIPC: Final = 1 << 10
_AREA_VVAR: Final = 1 << 12
_AREA_MEMFD: Final = 1 << 14
_STATUS: Final = {
    "VMA_AREA_NONE": 0,
    "VMA_AREA_REGULAR": 1 << 0,
    "VMA_AREA_STACK": _AREA_STACK,
    "VMA_AREA_VSYSCALL": _AREA_VSYSCALL,
    "VMA_AREA_VDSO": _AREA_VDSO,
    "VMA_AREA_HEAP": _AREA_HEAP,
    "VMA_FILE_PRIVATE": 1 << 6,
    "VMA_FILE_SHARED": 1 << 7,
    "VMA_ANON_SHARED": _ANON_SHARED,
    "VMA_ANON_PRIVATE": 1 << 9,
    "VMA_AREA_SYSVIPC": _SYSVIPC,
    "VMA_AREA_SOCKET": 1 << 11,
    "VMA_AREA_VVAR": _AREA_VVAR,
    "VMA_AREA_AIORING": 1 << 13,
    "VMA_AREA_MEMFD": _AREA_MEMFD,
}
_NAMES: Final = {
    _AREA_STACK: "[stack]",
    _AREA_HEAP: "[heap]",
    _AREA_VDSO: "[vdso]",
    _AREA_VVAR: "[vvar]",
    _AREA_VSYSCALL: "[vsyscall]",
}
_MMAP_FLAGS: Final = vars(mman) | {"MAP_ANON": mman.MAP_ANONYMOUS}
# Flags of mmap, and advice (as bits), by the words of VmFlags that they show as.
_FLAGS: Final = (
    (mman.MAP_GROWSDOWN, "gd"),
    (mman.MAP_LOCKED, "lo"),
    (mman.MAP_NORESERVE, "nr"),
    (mman.MAP_HUGETLB, "ht"),
)
_ADVICE: Final = (
    (mman.MADV_SEQUENTIAL, "sr"),
    (mman.MADV_RANDOM, "rr"),
    (mman.MADV_DONTFORK, "dc"),
    (mman.MADV_DONTDUMP, "dd"),
    (mman.MADV_WIPEONFORK, "wf"),
    (mman.MADV_HUGEPAGE, "hg"),
    (mman.MADV_NOHUGEPAGE, "nh"),
    (mman.MADV_MERGEABLE, "mg"),
)
# The order of smaps.
_WORDS: Final = "rd wr ex sh mr mw me ms gd lo sr rr dc nr ht ac wf dd hg nh mg"
MAX_CHECKPOINT: Final = 256 << 20
_MAX_VMAS: Final = 1 << 20
_TOP: Final = 1 << 64


def parse_criu(raw: bytes, path: str) -> Snapshot:
    """Return the VMAs, in order. Errors: ReadError, which names `path` and the entry."""
    value = parse_json(raw, path)
    entries = value.get("entries") if isinstance(value, dict) else None
    if not isinstance(entries, list):
        raise ReadError(path, 0, "not a checkpoint of CRIU: a list of entries expected")
    vmas: list[object] = []
    for entry in entries:
        inner = entry.get("vmas") if isinstance(entry, dict) else None
        vmas += inner if isinstance(inner, list) else [entry]
    if len(vmas) > _MAX_VMAS:
        raise ReadError(path, 0, f"more than {_MAX_VMAS} VMAs")
    lines = [_line(item, f"vmas[{index}]", path) for index, item in enumerate(vmas)]
    return sorted(lines, key=lambda line: line.start)


def _line(item: object, where: str, path: str) -> VmaLine:
    if not isinstance(item, dict):
        raise ReadError(path, 0, f"{where}: an object expected")
    start, end = _number(item, "start", where, path), _number(item, "end", where, path)
    if not start < end <= _TOP or (start | end) & ~PAGE_MASK:
        raise ReadError(path, 0, f"{where}: an invalid range")
    prot = _bits(item, "prot", vars(mman), where, path)
    flags = _bits(item, "flags", _MMAP_FLAGS, where, path)
    status = _bits(item, "status", _STATUS, where, path)
    advice = _number(item, "madv", where, path)
    shared = flags & mman.MAP_TYPE != mman.MAP_PRIVATE
    file = _number(item, "shmid", where, path) if status & (_FILE | _AREA_MEMFD) else 0
    if status & (_ANON_SHARED | _SYSVIPC):
        file = _number(item, "shmid", where, path)
    perms = "".join(
        letter if prot & bit else "-"
        for letter, bit in (("r", mman.PROT_READ), ("w", mman.PROT_WRITE), ("x", mman.PROT_EXEC))
    )
    name = next((name for bit, name in _NAMES.items() if status & bit), "")
    return VmaLine(
        start,
        end,
        perms + ("s" if shared else "p"),
        _number(item, "pgoff", where, path) if file else 0,
        "00:01" if status & (_ANON_SHARED | _SYSVIPC) else "00:00",
        file,
        name or (f"(file {file} of the checkpoint)" if file else ""),
        _words(prot, flags, advice, shared, file),
    )


def _words(prot: int, flags: int, advice: int, shared: bool, file: int) -> tuple[str, ...]:
    """VmFlags, as far as a checkpoint tells."""
    words = {"mr", "mw", "me"}
    letters = (("rd", mman.PROT_READ), ("wr", mman.PROT_WRITE), ("ex", mman.PROT_EXEC))
    words |= {word for word, bit in letters if prot & bit}
    words |= {word for bit, word in _FLAGS if flags & bit}
    words |= {word for number, word in _ADVICE if advice >> number & 1}
    if shared:
        words |= {"sh", "ms"}
    elif prot & mman.PROT_WRITE and "nr" not in words:
        words.add("ac")
    return tuple(word for word in _WORDS.split() if word in words)


def _number(item: dict[str, object], key: str, where: str, path: str) -> int:
    """Return a number, plain or as "0x..."; 0 when it is not there."""
    value = item.get(key, 0)
    if isinstance(value, str) and re.fullmatch(r"0x[0-9a-fA-F]{1,16}|\d{1,20}", value):
        value = int(value, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _TOP:
        raise ReadError(path, 0, f"{where}.{key}: a number expected, not {str(value)[:40]!r}")
    return value


def _bits(
    item: dict[str, object], key: str, names: Mapping[str, object], where: str, path: str
) -> int:
    """Return flags: a number, or names joined by `|`."""
    value = item.get(key, 0)
    if not isinstance(value, str) or value[:1].isdigit():
        return _number(item, key, where, path)
    bits = 0
    for word in value.split("|"):
        bit = names.get(word.strip())
        if re.fullmatch(r"0x[0-9a-f]{1,16}", word.strip()):
            bit = int(word, 16)
        if not isinstance(bit, int):
            raise ReadError(path, 0, f"{where}.{key}: {word.strip()[:40]!r} is not known")
        bits |= bit
    return bits
