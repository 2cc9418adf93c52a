# SPDX-License-Identifier: GPL-2.0-or-later
"""File systems as a recording states them: a type and those mount options that decide mappings.

Written `TYPE[,OPTION...]`, as in mountinfo: `ext4`, `overlay`, `tmpfs,noexec,huge=always`.
"""

import re
from typing import Final, NamedTuple

from vmalab.calls.errors import UsageError
from vmalab.patterns import pattern

UNKNOWN: Final = "?"
_NAMES: Final = """
9p afs bcachefs befs btrfs ceph cifs cramfs devtmpfs ecryptfs erofs exfat ext2 ext3 ext4
f2fs fuse fuseblk gfs2 hfs hfsplus hugetlbfs iso9660 jffs2 jfs minix msdos nfs nfs4 nilfs2
ntfs ntfs3 ocfs2 omfs orangefs overlay ramfs reiserfs romfs smb3 squashfs tmpfs ubifs udf
ufs vboxsf vfat virtiofs xfs zfs zonefs
"""
# What a user may state: file systems with regular files, as /proc/filesystems names them.
KNOWN_TYPES: Final = tuple(_NAMES.split())
# Characters that a statement may have.
MAX_WORDS: Final = 256

_TYPE: Final = pattern(r"[A-Za-z0-9_.-]{1,40}$|\?$", re.ASCII)
_SIZE: Final = pattern(r"pagesize=(\d{1,9})([KMG])$", re.ASCII)
_HUGE: Final = ("always", "within_size", "advise", "never")
_SCALE: Final = {"K": 10, "M": 20, "G": 30}


class FileSystem(NamedTuple):
    """One file system.

    fs_type: as /proc/filesystems names it, "" when not known. noexec: mounted so. huge: a tmpfs's
    huge=, "never" without. pagesize: a hugetlbfs's, in bytes; 0: the default size. layer: the type
    of an overlayfs's layers, "" when not known.
    """

    fs_type: str = ""
    noexec: bool = False
    huge: str = "never"
    pagesize: int = 0
    layer: str = ""


def parse_file_system(text: str) -> FileSystem | None:
    """Return what a statement says, None when it is none; other mount options are ignored."""
    fs_type, *options = text.split(",") if len(text) <= MAX_WORDS else ("",)
    if _TYPE().match(fs_type) is None:
        return None
    huge, pagesize, layer = "never", 0, ""
    for option in options:
        if option.startswith("huge=") and option[5:] in _HUGE:
            huge = option[5:]
        if option.startswith("layer=") and _TYPE().match(option[6:]) is not None:
            layer = option[6:]
        size = _SIZE().match(option)
        if size is not None:
            pagesize = int(size.group(1)) << _SCALE[size.group(2)]
    # "fuse.sshfs": the file system below FUSE has a name of its own.
    fs_type = fs_type.partition(".")[0] if fs_type.startswith("fuse.") else fs_type
    return FileSystem(
        "" if fs_type == UNKNOWN else fs_type, "noexec" in options, huge, pagesize, layer
    )


def check_known(name: str) -> None:
    """Errors: UsageError for a name that no file system has which is known here."""
    if name in KNOWN_TYPES:
        return
    from difflib import get_close_matches

    near = get_close_matches(name, KNOWN_TYPES, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KNOWN_TYPES)}"
    raise UsageError(f"{name[:60]!r} is no file system that is known here: {hint}")


def file_system_words(fs_type: str, options: list[str]) -> str:
    """Return the statement for a type and all its mount options, those left out that say nothing.

    A type that cannot be written so is stated as unknown.
    """
    kept = [
        option
        for option in options
        if option == "noexec"
        or (option.startswith("huge=") and option[5:] in _HUGE)
        or (option.startswith("layer=") and _TYPE().match(option[6:]) is not None)
        or _SIZE().match(option) is not None
    ]
    kind = fs_type if _TYPE().match(fs_type) is not None else UNKNOWN
    return ",".join([kind, *dict.fromkeys(kept)])
