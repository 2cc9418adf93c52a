# SPDX-License-Identifier: GPL-2.0-or-later
"""Files on an overlayfs: a VMA holds the file below, not the one that was opened.

Mirrors ovl_mmap() of fs/overlayfs/file.c (v6.18).  So a new mapping, which asks for the file that
was opened, never merges with a neighbour, while the pieces of one mapping do.  Where nothing tells
on which file system the file below is, it counts as one that aligns huge pages.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.fs.filesystems import fops_of_type
from vmalab.linux.mm.filemap import thp_fops
from vmalab.linux.types.file import File, FileOps
from vmalab.linux.types.files import fput, get_file
from vmalab.linux.types.mm_types import Vma, VmOps
from vmalab.linux.types.super_block import UNKNOWN_TYPE


class OverlayFileOps(FileOps):
    """file_operations of overlayfs: no placement of its own, and mmap passed on to the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.vm_ops: VmOps = thp_fops.vm_ops

    def mmap(self, file: File, vma: Vma) -> i64:
        """Give the VMA the file below in the place of `file` (`backing_file_mmap`)."""
        real = real_file(file)
        vma.vm_file = get_file(real)
        fput(file)
        return real.f_op.mmap(real, vma)

    def release(self, file: File) -> None:
        """Let go of the file below."""
        real = file.private_data
        file.private_data = None
        if isinstance(real, File):
            fput(real)


overlay_fops: Final = OverlayFileOps()


def real_file(file: File) -> File:
    """Return the file below an open one, the same for all its mappings (`ovl_real_file`)."""
    real = file.private_data
    if isinstance(real, File):
        # It has the name of the file above.
        real.path = file.path
        return real
    sb = file.inode.i_sb
    f_op = fops_of_type(UNKNOWN_TYPE if sb is None else sb.layer)
    real = File(file.inode, file.path, file.f_mode, f_op)
    real.noexec = file.noexec
    file.private_data = real
    return real
