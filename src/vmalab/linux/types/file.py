# SPDX-License-Identifier: GPL-2.0-or-later
"""Open files, inodes and their page-cache mappings, as far as mapping them needs.

A kernel `address_space` is a file's page-cache mapping: it is never called an mm here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.uapi.errno import EBUSY, EPERM
from vmalab.linux.lib.interval_tree import IntervalTree
from vmalab.linux.lib.xarray import XA_MAX_INDEX, XArray

if TYPE_CHECKING:
    from vmalab.linux.fs.elf import ElfFile
    from vmalab.linux.mm.hugetlb_pool import HugetlbInode
    from vmalab.linux.types.mm_types import Mm, Vma, VmAreaDesc
    from vmalab.linux.types.super_block import SuperBlock

FMODE_READ: Final = 1
FMODE_WRITE: Final = 2
# Opened by O_PATH: it only stands for a place in the file system.
FMODE_PATH: Final = 0x4000

# What lies behind an inode.
I_REG: Final = 0
I_DIR: Final = 1
I_CHR: Final = 2
I_OTHER: Final = 3

# How a file's mappings are placed (f_op->get_unmapped_area).
PLACE_DEFAULT: Final = 0
# File systems with huge-page placement: thp_get_unmapped_area.
PLACE_THP: Final = 1
# shmem_get_unmapped_area.
PLACE_SHMEM: Final = 2
# A driver's own.
PLACE_DRIVER: Final = 3
# hugetlb_get_unmapped_area.
PLACE_HUGETLB: Final = 4
# io_uring_get_unmapped_area.
PLACE_IO_URING: Final = 5
# By a function of ramfs's own, which does as for any other file.
PLACE_RAMFS: Final = 6


@final
@mypyc_attr(native_class=True)
class FileAddressSpace:
    """struct address_space: the page-cache mapping of one inode."""

    def __init__(self, host: Inode) -> None:
        self.host: Inode = host
        # The VMAs that map it, by page offset: nodes that the VMAs keep as `shared`.
        self.i_mmap: IntervalTree = IntervalTree()
        # The pages in the page cache, by page offset: an entry is there or not, and marked
        # PAGECACHE_TAG_DIRTY when a shared mapping has written to it.
        self.i_pages: XArray = XArray()
        # Shared mappings that may write (negative: writing is denied by a seal).
        self.i_mmap_writable: i64 = 0
        self.i_mmap_locked: bool = False

    def vmas(self) -> list[Vma]:
        """Return the VMAs that map it, lowest page offset first."""
        return self.vmas_in(0, XA_MAX_INDEX)

    def vmas_in(self, first: i64, last: i64) -> list[Vma]:
        """Return the VMAs that map a page of `first` to `last` (page offsets, inclusive)."""
        found: list[Vma] = []
        node = self.i_mmap.iter_first(first, last)
        while node is not None:
            found.append(cast("Vma", node.owner))
            node = self.i_mmap.iter_next(node, first, last)
        return found

    def mapped(self) -> bool:
        """Tell whether any VMA maps it (`mapping_mapped`)."""
        return self.i_mmap.root is not None


@final
@mypyc_attr(native_class=True)
class Inode:
    """struct inode: identity, kind, size and seals of a file."""

    def __init__(self, kind: int, dev: str, ino: int) -> None:
        self.kind: int = kind
        # As /proc/PID/maps prints them; ino -1 while the recording has not shown it.
        self.dev: str = dev
        self.ino: int = ino
        # Bytes; -1 when not known (then no access is beyond the end).
        self.size: int = -1
        # Pages charged against the commit limit for the file as a whole.
        self.charged: i64 = 0
        # F_SEAL_* of a memfd, -1 for files that cannot be sealed.
        self.seals: int = -1
        self.append: bool = False
        # The mounted file system it is on; None: one that the kernel mounts for itself.
        self.i_sb: SuperBlock | None = None
        # What files of huge pages have besides.
        self.hugetlb: HugetlbInode | None = None
        # Its headers as exec reads those of a program, and of an interpreter; None: not known.
        self.program: ElfFile | None = None
        self.interp: ElfFile | None = None
        # False once no name leads to the file, as for memory files from the start.
        self.linked: bool = True
        self.i_mapping: FileAddressSpace = FileAddressSpace(self)


@mypyc_attr(allow_interpreted_subclasses=True)
class FileOps:
    """struct file_operations: how a file is mapped and where."""

    def __init__(self) -> None:
        self.can_mmap: bool = True
        self.placement: int = PLACE_DEFAULT
        self.is_shmem: bool = False
        self.is_hugetlb: bool = False
        self.is_secretmem: bool = False
        self.supports_sync: bool = False
        # Says before a VMA is made what it will be (f_op->mmap_prepare), so it may merge as such.
        self.has_mmap_prepare: bool = False
        self.can_fallocate: bool = True
        self.can_fsync: bool = True

    def mmap_prepare(self, desc: VmAreaDesc) -> i64:
        """Say what a mapping will be, before it is merged or made: 0 or -errno."""
        return 0

    def mmap(self, file: File, vma: Vma) -> i64:
        """Set up a new VMA of the file (operations, flags, another file): 0 or -errno."""
        return 0

    def has_region(self, file: File, pgoff: i64) -> bool:
        """Tell whether the driver has something to map at a page offset."""
        return True

    def release(self, file: File) -> None:
        """The last reference to the open file went away."""


@final
@mypyc_attr(native_class=True)
class File:
    """struct file: one open file description."""

    def __init__(self, inode: Inode, path: str, f_mode: int, f_op: FileOps) -> None:
        self.inode: Inode = inode
        # What maps prints; a path, or "/dev/zero (deleted)", "/memfd:x (deleted)", ...
        self.path: str = path
        self.f_mode: int = f_mode
        self.f_op: FileOps = f_op
        self.f_count: i64 = 1
        self.noexec: bool = False
        # Owner data of special files (a userfaultfd's context, an io_uring, ...).
        self.private_data: object | None = None
        self.mm: Mm | None = None


def mapping_maps(mapping: FileAddressSpace, vma: Vma) -> bool:
    """Tell whether a VMA is in a mapping's reverse map."""
    node = vma.shared
    return node is not None and mapping.i_mmap.holds(node)


def mapping_map_writable(mapping: FileAddressSpace) -> i64:
    """Count a shared mapping that may write: 0, or -EPERM when a seal denies writing."""
    if mapping.i_mmap_writable < 0:
        return -EPERM
    mapping.i_mmap_writable += 1
    return 0


def mapping_allow_writable(mapping: FileAddressSpace) -> None:
    """Count one more shared mapping that may write, which was allowed before."""
    mapping.i_mmap_writable += 1


def mapping_unmap_writable(mapping: FileAddressSpace) -> None:
    """Take back `mapping_map_writable` or `mapping_allow_writable`."""
    mapping.i_mmap_writable -= 1


def mapping_deny_writable(mapping: FileAddressSpace) -> i64:
    """Forbid shared writable mappings (F_SEAL_WRITE): 0, or -EBUSY when there are some."""
    if mapping.i_mmap_writable > 0:
        return -EBUSY
    mapping.i_mmap_writable -= 1
    return 0
