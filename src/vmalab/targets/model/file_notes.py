# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tracer's note at a descriptor tells of the file: its name, identity, size, file system."""

import re
from typing import Final, NamedTuple

from vmalab.calls.call import Call, FdPath
from vmalab.linux.include.uapi.fcntl import O_RDWR
from vmalab.patterns import pattern
from vmalab.recording.format.filesystem import FileSystem, parse_file_system

# `path<dev inode flags>`, and for regular files `path<dev inode flags size file-system>`.
_DETAILED: Final = pattern(
    r"(.*)<([0-9a-f]{2,8}:[0-9a-f]{2,8}) (\d{1,19}) ([0-7]{1,12})(?: (\d{1,18}) (\S{1,256}))?>$",
    re.ASCII | re.DOTALL,
)


class Told(NamedTuple):
    """One note. dev: as maps prints it, "" where it is not told; inode: -1 likewise; flags: O_*.

    size: bytes, -1 where it is not told. fs: None where it is not told.
    """

    path: str
    dev: str = ""
    inode: int = -1
    flags: int = O_RDWR
    size: int = -1
    fs: FileSystem | None = None

    @property
    def is_memory_file(self) -> bool:
        """Whether it is one of memfd_create, which has no name to be known by."""
        return self.path.startswith("/memfd:") and self.inode >= 0

    @property
    def linked(self) -> bool:
        """Whether a name leads to the file."""
        return not self.path.endswith(" (deleted)")


def told_by(call: Call, index: int) -> Told | None:
    """Return the note at a descriptor in an argument of a call, if there is one."""
    note = None if call.mem is None else call.mem.get(index)
    if not isinstance(note, FdPath):
        return None
    match = _DETAILED().match(note)
    if match is None:
        return Told(str(note))
    path, dev, inode, flags, size, words = match.groups()
    fs = None if words is None else parse_file_system(words)
    told_size = -1 if size is None else int(size)
    return Told(path, dev, int(inode), int(flags, 8), told_size, fs)
