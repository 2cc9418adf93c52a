# SPDX-License-Identifier: GPL-2.0-or-later
"""Which operations the regular files of each type of file system have."""

from typing import Final

from vmalab.linux.mm.filemap import generic_fops, no_fallocate_fops, ramfs_fops, thp_fops
from vmalab.linux.mm.shmem import shmem_fops
from vmalab.linux.types.file import FileOps
from vmalab.linux.types.super_block import TMPFS, UNKNOWN_TYPE

# File systems whose files have thp_get_unmapped_area; one of an unknown type counts as such.
THP_TYPES: Final = (
    UNKNOWN_TYPE,
    "bcachefs",
    "btrfs",
    "erofs",
    "ext2",
    "ext3",
    "ext4",
    "fuse",
    "fuseblk",
    "virtiofs",
    "xfs",
)
# File systems whose files have no fallocate.
NO_FALLOCATE_TYPES: Final = ("9p", "cramfs", "iso9660", "romfs", "squashfs")
RAMFS: Final = "ramfs"
# File systems made of shmem.
SHMEM_TYPES: Final = (TMPFS, "devtmpfs")


def fops_of_type(s_type: str) -> FileOps:
    """Return the operations of files of a type, overlayfs and hugetlbfs aside."""
    if s_type in SHMEM_TYPES:
        return shmem_fops
    if s_type in THP_TYPES:
        return thp_fops
    if s_type == RAMFS:
        return ramfs_fops
    return no_fallocate_fops if s_type in NO_FALLOCATE_TYPES else generic_fops
