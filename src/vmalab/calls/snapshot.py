# SPDX-License-Identifier: GPL-2.0-or-later
"""A memory map at one moment: the lines of /proc/PID/maps as values, and their exact text."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from vmalab.linux.include.page import USER_END

# The column (from 0) at which a name starts, unless what stands before it is longer.
NAME_COLUMN: Final = 73


@dataclass(frozen=True, slots=True)
class VmaLine:
    """One line of maps or smaps.

    start, end: bytes, half-open. perms: "rw-p". pgoff: bytes, as printed. dev: "fe:00". inode:
    number. name: as printed, "" for none. flags: the words of VmFlags, None when unknown.
    pkey: the protection key. rss, anonymous: bytes, where a smaps file said; not compared.
    """

    start: int
    end: int
    perms: str
    pgoff: int
    dev: str
    inode: int
    name: str
    flags: tuple[str, ...] | None = None
    pkey: int = 0
    rss: int | None = field(default=None, compare=False, repr=False)
    anonymous: int | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[object, ...]:
        """Return how a line is handed to another process, compiled or not."""
        where = (self.start, self.end, self.perms, self.pgoff)
        what = (self.dev, self.inode, self.name, self.flags, self.pkey)
        return VmaLine, (*where, *what, self.rss, self.anonymous)

    @property
    def text(self) -> str:
        """The line of /proc/PID/maps, without its newline.

        Kernel: show_map_vma() pads to a width of 72 and adds a space before a name; a line without
        a name ends in the space behind its inode.
        """
        where = f"{self.start:08x}-{self.end:08x} {self.perms} {self.pgoff:08x}"
        head = f"{where} {self.dev} {self.inode} "
        if not self.name:
            return head
        return f"{head:{NAME_COLUMN - 1}} {self.name}"

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self.end - self.start

    @property
    def identity(self) -> tuple[str, int]:
        """The file: device and inode, ("00:00", 0) for none."""
        return (self.dev, self.inode)


Snapshot = list[VmaLine]


def vmas_of(lines: Iterable[VmaLine]) -> Snapshot:
    """Return the lines that are VMAs: all but the vsyscall page."""
    return [line for line in lines if line.start < USER_END]
