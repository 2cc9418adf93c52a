# SPDX-License-Identifier: GPL-2.0-or-later
"""The forms in which tools print one range of a memory map, each as a pattern of its line.

What a form does not print is unknown in the line that is read (`UNKNOWN`), never taken for zero.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vmalab.calls.snapshot import (
    NO_DEV,
    NO_INODE,
    UNKNOWN,
    UNKNOWN_DEV,
    UNKNOWN_PERMS,
    VmaLine,
)
from vmalab.patterns import pattern

_ANON: Final = ("", "anon", "[ anon ]", "[anon]")
_KERNEL_NAMES: Final = pattern(r"\[ ?(stack|heap|vdso|vvar|vsyscall|vvar_vclock)[^\]]*\]$")
_TOP: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Form:
    """A form.

    name: whose it is, for messages. read: a line's match as a range; ValueError when it is none.
    all_vmas: whether it shows every VMA, so that what lies between two lines is a hole.
    """

    name: str
    pattern: re.Pattern[str]
    read: Callable[[re.Match[str]], VmaLine]
    all_vmas: bool = True


def line_of(
    start: int,
    end: int,
    perms: str,
    name: str,
    pgoff: int = UNKNOWN,
    dev: str = UNKNOWN_DEV,
    inode: int = UNKNOWN,
) -> VmaLine:
    """Return a range. Memory without a file is known by its name, or by having none.

    Errors: ValueError for no range.
    """
    if not start < end <= _TOP or (start | end) & 0xFFF:
        raise ValueError("no range of pages")
    name = name.strip()
    special = _KERNEL_NAMES().match(name)
    if special is not None:
        name = f"[{special.group(1)}]"
    if name in _ANON or special is not None:
        name = name if special is not None else ""
        dev, inode = NO_DEV, NO_INODE
        pgoff = 0 if pgoff == UNKNOWN else pgoff
    return VmaLine(start, end, perms, pgoff, dev, inode, name)


def _sized(start: str, kib: str) -> tuple[int, int]:
    first = int(start, 16)
    return first, first + (int(kib) << 10)


def _mode(mode: str) -> str:
    """pmap's mode: read, write, execute, shared, no reserve."""
    return mode[:3] + ("s" if mode[3] == "s" else "p")


def _dev(major: str, minor: str) -> str:
    return f"{int(major, 16):02x}:{int(minor, 16):02x}"


def _gdb(match: re.Match[str]) -> VmaLine:
    start, end, size, offset, perms, name = match.groups()
    first, last = int(start, 16), int(end, 16)
    if last - first != int(size, 16):
        raise ValueError("a size that is not the range's")
    return line_of(first, last, perms or UNKNOWN_PERMS, name or "", int(offset, 16))


def _pmap(match: re.Match[str]) -> VmaLine:
    start, kib, mode, name = match.groups()
    return line_of(*_sized(start, kib), _mode(mode), name)


def _pmap_device(match: re.Match[str]) -> VmaLine:
    start, kib, mode, offset, major, minor, name = match.groups()
    where = _sized(start, kib)
    return line_of(*where, _mode(mode), name, int(offset, 16), _dev(major, minor))


def _pmap_wide(match: re.Match[str]) -> VmaLine:
    start, perms, offset, dev, inode, kib, words, name = match.groups()
    first, last = _sized(start, kib)
    name = name.strip()
    flags = tuple(words.split()) or None
    number = int(inode)
    return VmaLine(first, last, perms, int(offset, 16), dev, number, name, flags)


def _sanitizer(match: re.Match[str]) -> VmaLine:
    start, end, perms, name = match.groups()
    return line_of(int(start, 16), int(end, 16), perms or UNKNOWN_PERMS, name or "")


def _lldb(match: re.Match[str]) -> VmaLine:
    start, end, perms, name = match.groups()
    path = (name or "").split(" PT_LOAD[")[0]
    return line_of(int(start, 16), int(end, 16), f"{perms}?", path)


def _elfutils(match: re.Match[str]) -> VmaLine:
    start, end, offset, size, name = match.groups()
    first, last = int(start, 16), int(end, 16)
    if last - first != int(size):
        raise ValueError("a size that is not the range's")
    return line_of(first, last, UNKNOWN_PERMS, name, int(offset, 16))


def _valgrind(match: re.Match[str]) -> VmaLine:
    kind, start, end, perms, dev, inode, offset = match.groups()
    first, last = int(start, 16), int(end, 16) + 1
    if kind.upper() == "ANON" or dev is None:
        return line_of(first, last, f"{perms}?", "")
    number = int(dev, 16)
    where = f"{number >> 8:02x}:{number & 0xFF:02x}"
    return line_of(first, last, f"{perms}?", f"(inode {inode})", int(offset), where, int(inode))


def _tombstone(match: re.Match[str]) -> VmaLine:
    start, end, perms, offset, size, name = match.groups()
    first, last = int(start.replace("'", ""), 16), int(end.replace("'", ""), 16) + 1
    if last - first != int(size, 16):
        raise ValueError("a size that is not the range's")
    return line_of(first, last, f"{perms}?", name or "", int(offset, 16))


_HEX: Final = r"([0-9a-f]{4,16})"
_OX: Final = r"0x([0-9a-f]{4,16})"
_FIVE: Final = r"([r-][w-][x-][s-][R-])"
_PERMS: Final = r"([r-][w-][x-][ps])"

FORMS: Final = (
    Form(
        "gdb's `info proc mappings`",
        re.compile(
            rf"\s*{_OX}\s+{_OX}\s+0x([0-9a-f]{{1,16}})\s+0x([0-9a-f]{{1,16}})"
            rf"(?:\s+{_PERMS})?(?:\s+(.*))?$"
        ),
        _gdb,
    ),
    Form(
        "`pmap -X`",
        re.compile(
            rf"\s*{_HEX}\s+{_PERMS}\s+([0-9a-f]{{8,16}})\s+([0-9a-f]{{2,8}}:[0-9a-f]{{2,8}})"
            r"\s+(\d{1,20})"
            r"\s+(\d{1,15})(?:\s+\d+)+((?:\s+[a-z?][a-z?0-9])*)(?!\S)\s*(.*)$"
        ),
        _pmap_wide,
    ),
    Form(
        "`pmap -d`",
        re.compile(
            rf"\s*{_HEX}\s+(\d{{1,15}})\s+{_FIVE}\s+([0-9a-f]{{16}})\s+"
            r"([0-9a-f]{3}):([0-9a-f]{5})\s*(.*)$"
        ),
        _pmap_device,
    ),
    Form(
        "`pmap -x`",
        re.compile(rf"\s*{_HEX}\s+(\d{{1,15}})\s+\d+\s+\d+\s+{_FIVE}\s*(.*)$"),
        _pmap,
    ),
    Form("`pmap`", re.compile(rf"\s*{_HEX}\s+(\d{{1,15}})K\s+{_FIVE}\s*(.*)$"), _pmap),
    Form(
        "`eu-readelf -n`",
        re.compile(rf"\s*{_HEX}-{_HEX}\s+([0-9a-f]{{8,16}})\s+(\d{{1,15}})\s+(\S.*)$"),
        _elfutils,
        all_vmas=False,
    ),
    Form(
        "a sanitizer's process memory map",
        re.compile(rf"\s*{_OX}-{_OX}(?:\s+\(?([r-][w-][x-][ps?]?)\)?)?(?:\s+(\S.*)?)?$"),
        _sanitizer,
    ),
    Form(
        "lldb's `memory region --all`",
        re.compile(rf"\s*\[{_OX}-{_OX}\) ([r-][w-][x-])(?:\s+(.*))?$"),
        _lldb,
    ),
    Form(
        "Android's tombstone",
        re.compile(
            r"(?:--->)?\s*([0-9a-f]{8}(?:'[0-9a-f]{8})?)-([0-9a-f]{8}(?:'[0-9a-f]{8})?)"
            r" ([r-][w-][x-])\s+([0-9a-f]{1,16})\s+([0-9a-f]{1,16})(?:\s+(\S.*))?$"
        ),
        _tombstone,
    ),
    Form(
        "valgrind's list of segments",
        re.compile(
            rf".*aspacem\s+\d+: (FILE|ANON|file|anon|SHM |shm ) {_HEX}-{_HEX}\s+\d+[kmgtpe]?\s+"
            r"([r-][w-][x-])[T-]?[H-]?-*(?:\s+d=0x([0-9a-f]{1,8})\s+i=(\d{1,19})\s+o=(\d{1,19}).*)?"
        ),
        _valgrind,
    ),
)
