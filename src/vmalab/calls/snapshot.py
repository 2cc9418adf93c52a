# SPDX-License-Identifier: GPL-2.0-or-later
"""A memory map at one moment: the lines of /proc/PID/maps as values, and their exact text."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from vmalab.linux.include.page import USER_END
from vmalab.linux.include.proc_maps import maps_line

# What a text that is not maps or smaps may leave out: an offset or inode, a device, permissions.
UNKNOWN: Final = -1
UNKNOWN_DEV: Final = "??:??"
UNKNOWN_PERMS: Final = "????"
# The device and inode of memory without a file.
NO_DEV: Final = "00:00"
NO_INODE: Final = 0
NO_FILE: Final = (NO_DEV, NO_INODE)


@dataclass(frozen=True, slots=True, repr=False)
class VmaLine:
    """One line of maps or smaps, or of another list of ranges; what that leaves out is unknown.

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

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        flags = "" if self.flags is None else f" [{' '.join(self.flags)}]"
        return f"<{self.text.rstrip()}{flags}>"

    def __reduce__(self) -> tuple[object, ...]:
        """Return how a line is handed to another process, compiled or not."""
        where = (self.start, self.end, self.perms, self.pgoff)
        what = (self.dev, self.inode, self.name, self.flags, self.pkey)
        return VmaLine, (*where, *what, self.rss, self.anonymous)

    @property
    def text(self) -> str:
        """The line of /proc/PID/maps, without its newline; `?` for what is not known."""
        if UNKNOWN in (self.pgoff, self.inode):
            pgoff = "????????" if self.pgoff == UNKNOWN else f"{self.pgoff:08x}"
            inode = "?" if self.inode == UNKNOWN else str(self.inode)
            where = f"{self.start:08x}-{self.end:08x} {self.perms} {pgoff} {self.dev} {inode}"
            return f"{where:72} {self.name}"
        return maps_line(
            self.start, self.end, self.perms, self.pgoff, self.dev, self.inode, self.name
        )

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
