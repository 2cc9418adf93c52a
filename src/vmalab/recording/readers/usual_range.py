# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads usual lines of maps character by character: numbers are short, columns the kernel's."""

from sys import intern
from typing import Final

from vmalab.calls.snapshot import VmaLine
from vmalab.linux.include.proc_maps import NAME_WIDTH
from vmalab.recording.readers.characters import COLON, MINUS, SPACE
from vmalab.recording.readers.scanner import Scanner, bytes_of, text_of

# The digits of either half of a device.
_LEAST_DEV: Final = 2
_MOST_DEV: Final = 8

_PERMS: Final[dict[str, str]] = {
    perms: perms
    for perms in (r + w + x + s for r in "r-" for w in "w-" for x in "x-" for s in "ps")
}


def usual_range(line: str, flags: tuple[str, ...] | None) -> VmaLine | None:
    """Return the VMA of a line, with these flags; None where it takes a closer look."""
    raw = bytes_of(line)
    if not raw:
        return None
    scanner = Scanner(raw)
    start = scanner.hexadecimal(MINUS)
    end = scanner.hexadecimal(SPACE) if start >= 0 else -1
    if end <= start:
        return None
    perms = _PERMS.get(scanner.word())
    pgoff = scanner.hexadecimal(SPACE)
    if perms is None or pgoff < 0:
        return None
    dev = _device(scanner)
    inode = scanner.decimal(SPACE) if dev else -1
    if inode < 0:
        return None
    name = "" if scanner.done else name_behind(line, int(scanner.at))
    return VmaLine(int(start), int(end), perms, int(pgoff), dev, int(inode), name, flags)


def _device(scanner: Scanner) -> str:
    """Return a device's two halves, as they are printed; "" for none."""
    start = scanner.at
    if scanner.hexadecimal(COLON) < 0:
        return ""
    second = scanner.at
    if scanner.hexadecimal(SPACE) < 0:
        return ""
    end = scanner.at - 1
    if not _LEAST_DEV <= second - 1 - start <= _MOST_DEV:
        return ""
    return (
        intern(text_of(scanner.text[start:end])) if _LEAST_DEV <= end - second <= _MOST_DEV else ""
    )


def name_behind(line: str, head: int) -> str:
    """Return the name that stands somewhere behind the inode's space."""
    # The kernel's column; a file edited by hand may have fewer spaces.
    at = max(head, NAME_WIDTH) + 1
    return line[at:] if line[head:at].isspace() else line[head:].lstrip(" ")
