# SPDX-License-Identifier: GPL-2.0-or-later
"""A line of a recorded map in native numbers, for maps that change with every call.

It is compared as it is. The value that stands for it elsewhere is made for who asks for it.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.snapshot import NO_DEV, NO_INODE, Snapshot, VmaLine
from vmalab.calls.vm_flag_words import bits_of_words
from vmalab.linux.include.proc_maps import vm_flags_of_perms, vma_perms

# The bits of a line without VmFlags.
UNTOLD: Final = -1
# Addresses of no VMA, as those of the vsyscall page: all that are not below it.
BEYOND: Final = (1 << 63) - 1


@final
@mypyc_attr(native_class=True, acyclic=True)
class LineEnd:
    """What a line has behind its offset, which many lines have in common.

    dev, inode, name, flags: as in `VmaLine`. bits: those of the flags; UNTOLD without. has_file:
    whether it shows a device or an inode.
    """

    def __init__(self, dev: str, inode: int, name: str, flags: tuple[str, ...] | None) -> None:
        self.dev = dev
        self.inode = inode
        self.name = name
        self.flags = flags
        self.bits: i64 = UNTOLD if flags is None else bits_of_words(flags)
        self.has_file = inode != NO_INODE or dev != NO_DEV

    @property
    def identity(self) -> tuple[str, int]:
        """The file: device and inode."""
        return (self.dev, self.inode)


@final
@mypyc_attr(native_class=True, acyclic=True)
class RecordedLine:
    """One line of maps or smaps.

    start, end: bytes, half-open; BEYOND for more. permissions: bits that its permissions show.
    pgoff: bytes, as printed. behind: what it has behind that.
    """

    def __init__(
        self,
        start: i64,
        end: i64,
        permissions: i64,
        pgoff: int,
        behind: LineEnd,
        line: VmaLine | None = None,
    ) -> None:
        self.start: i64 = start
        self.end: i64 = end
        self.permissions: i64 = permissions
        self.pgoff = pgoff
        self.behind = behind
        self._line = line

    @property
    def line(self) -> VmaLine:
        """The same as a value."""
        line = self._line
        if line is None:
            behind = self.behind
            line = self._line = VmaLine(
                int(self.start),
                int(self.end),
                vma_perms(self.permissions),
                self.pgoff,
                behind.dev,
                behind.inode,
                behind.name,
                behind.flags,
            )
        return line


def map_line(line: VmaLine) -> RecordedLine:
    """Return a line with its numbers made native."""
    behind = LineEnd(line.dev, line.inode, line.name, line.flags)
    start, end = min(line.start, BEYOND), min(line.end, BEYOND)
    return RecordedLine(start, end, vm_flags_of_perms(line.perms), line.pgoff, behind, line)


def map_lines(lines: Snapshot) -> list[RecordedLine]:
    """Return lines with their numbers made native."""
    return [map_line(line) for line in lines]
