# SPDX-License-Identifier: GPL-2.0-or-later
"""Opening files by path, and what kind of mapping each kind of file has.

Whether an open succeeds is not known here (permissions, what exists): it is a fact of a recording,
unless the machine's files are all known (`Machine.closed_world`).
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from vmalab.linux.fs.hugetlbfs import hugetlb_fops
from vmalab.linux.fs.truncate import do_truncate
from vmalab.linux.include.mm_flags import VM_MAYSHARE, VM_SHARED
from vmalab.linux.include.uapi.errno import EEXIST, EISDIR, ENOENT, ENOTDIR
from vmalab.linux.include.uapi.fcntl import (
    F_SEAL_SEAL,
    O_ACCMODE,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_PATH,
    O_RDWR,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
)
from vmalab.linux.mm.hugetlb_pool import HugetlbInode, hugetlb_pool_written
from vmalab.linux.mm.shmem import shmem_fops, shmem_zero_setup
from vmalab.linux.types.file import (
    FMODE_READ,
    FMODE_WRITE,
    I_CHR,
    I_DIR,
    I_OTHER,
    I_REG,
    PLACE_DRIVER,
    PLACE_THP,
    File,
    FileOps,
    Inode,
)
from vmalab.linux.types.files import fput
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Vma, VmOps

DEVTMPFS_DEV: Final = "00:06"
TMPFS_DEV: Final = "00:20"
# Where huge pages have names.
HUGETLBFS: Final = "/dev/hugepages/"
# There wherever there is a /dev at all.
STANDARD_DEVICES: Final = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")


class GenericVmOps(VmOps):
    """vm_operations_struct of page-cache mappings: nothing to do at their start or end."""


class GenericFileOps(FileOps):
    """file_operations of regular files on a disk file system."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = PLACE_THP
        self.has_mmap_prepare = True
        self.vm_ops: VmOps = GenericVmOps()

    def mmap(self, file: File, vma: Vma) -> i64:
        """Give the VMA the page cache's operations."""
        vma.vm_ops = self.vm_ops
        return 0


generic_fops: Final = GenericFileOps()


class UnmappableFileOps(FileOps):
    """file_operations without mmap: directories, sockets, pipes, eventfds, most devices."""

    def __init__(self) -> None:
        super().__init__()
        self.can_mmap = False


unmappable_fops: Final = UnmappableFileOps()


class ZeroFileOps(FileOps):
    """file_operations of /dev/zero (drivers/char/mem.c)."""

    def __init__(self) -> None:
        super().__init__()
        self.placement = PLACE_DRIVER

    def mmap(self, file: File, vma: Vma) -> i64:
        """Shared: a new shmem object instead of the device; private: anonymous, naming the device.

        A shared mapping of a device that is open for reading only has lost VM_SHARED before, and so
        becomes a private one, unless the kernel looks at VM_MAYSHARE.
        """
        always = vma.vm_mm.features.shared_zero_is_always_shmem
        if vma.vm_flags & (VM_MAYSHARE if always else VM_SHARED) == 0:
            vma.vm_ops = None
            return 0
        err = shmem_zero_setup(vma)
        if err == 0:
            fput(file)
        return err


zero_fops: Final = ZeroFileOps()


def open_mode(flags: int) -> int:
    """FMODE_* for the O_* flags of an open."""
    if flags & O_PATH != 0:
        return 0
    access = flags & O_ACCMODE
    if access == O_WRONLY:
        return FMODE_WRITE
    return FMODE_READ | FMODE_WRITE if access == O_RDWR else FMODE_READ


def lookup_inode(machine: MachineState, path: str, flags: int, dev: str, ino: int) -> Inode:
    """The inode of a path: the one that it had before, or a new one of the kind the path implies.

    `dev` and `ino` ("" and -1 when not known) identify it as /proc/PID/maps prints them; a path
    that was another inode before is a new file.
    """
    inode = machine.inodes.get(path)
    if inode is not None and (ino < 0 or inode.ino < 0 or (inode.dev, inode.ino) == (dev, ino)):
        if inode.ino < 0 and ino >= 0:
            inode.dev, inode.ino = dev, ino
        return inode
    kind = I_REG
    if path.startswith("/dev/") and not path.startswith(("/dev/shm/", HUGETLBFS)):
        kind, dev = I_CHR, dev or DEVTMPFS_DEV
    elif path.startswith("/dev/shm/"):
        dev = dev or TMPFS_DEV
    elif flags & O_DIRECTORY != 0 and flags & O_TMPFILE != O_TMPFILE:
        kind = I_DIR
    inode = Inode(kind, dev or "00:00", ino)
    if kind == I_REG and machine.is_tmpfs(path):
        # The seals of a file that is no memfd: none may be added.
        inode.seals = F_SEAL_SEAL
    machine.inodes[path] = inode
    if path.startswith(HUGETLBFS) and kind == I_REG and len(machine.hstates) > 0:
        inode.hugetlb = HugetlbInode(machine.hstates[0], False)
        inode.hugetlb.linked = True
    return inode


def file_ops(machine: MachineState, path: str, inode: Inode) -> FileOps:
    """Return the operations of a file of this path and kind."""
    if path == "/dev/zero":
        return zero_fops
    if inode.kind != I_REG or path.startswith(("/proc/", "/sys/")):
        return unmappable_fops
    if inode.hugetlb is not None:
        return hugetlb_fops
    if machine.is_tmpfs(path):
        return shmem_fops
    return generic_fops


def file_open(machine: MachineState, path: str, flags: int, dev: str = "", ino: int = -1) -> File:
    """Open a file that is known to have been opened; the reference is the caller's.

    The same absolute path is the same inode until it is unlinked.  O_TRUNC empties the file, and
    its mappings.  A size that nothing has told is -1.
    """
    inode = lookup_inode(machine, path, flags, dev, ino)
    f_op = unmappable_fops if flags & O_PATH != 0 else file_ops(machine, path, inode)
    file = File(inode, path, open_mode(flags), f_op)
    if file.f_mode & FMODE_WRITE != 0:
        hugetlb_pool_written(machine.hstates, path)
    if flags & O_TRUNC != 0 and inode.kind == I_REG and flags & O_PATH == 0:
        do_truncate(inode, 0)
    return file


def file_open_checked(machine: MachineState, path: str, flags: int) -> int:
    """What keeps an open from succeeding when all files are known: 0 or -errno.

    Errors: ENOENT (neither there nor to be made), EEXIST (O_EXCL), ENOTDIR (O_DIRECTORY), EISDIR
    (a directory, to be written).
    """
    inode = machine.inodes.get(path)
    if inode is None and path in STANDARD_DEVICES:
        inode = lookup_inode(machine, path, flags, "", -1)
    if inode is None:
        parent = machine.inodes.get(path.rpartition("/")[0] or "/")
        if flags & O_CREAT == 0 or parent is None:
            return -ENOENT
        return 0 if parent.kind == I_DIR else -ENOTDIR
    if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL:
        return -EEXIST
    if flags & O_DIRECTORY != 0 and inode.kind != I_DIR:
        return -ENOTDIR
    if inode.kind == I_DIR and (flags & O_ACCMODE != 0 or flags & O_CREAT != 0):
        return -EISDIR
    return 0


def anon_file(machine: MachineState, name: str) -> File:
    """An open file that has no path and cannot be mapped: a socket, pipe, eventfd, epoll, ...

    `name` is what /proc/PID/fd shows, such as "anon_inode:[eventfd]".
    """
    inode = Inode(I_OTHER, "00:00", -1)
    file = File(inode, name, FMODE_READ | FMODE_WRITE, unmappable_fops)
    file.noexec = machine.config.features.pseudo_files_are_noexec
    return file


def unlink(machine: MachineState, path: str) -> int:
    """Forget the inode of a path; open files of it show " (deleted)": 0, or -ENOENT if unknown.

    Other names of the same inode are not known here, so none of it is looked at but the path.
    """
    inode = machine.inodes.pop(path, None)
    if inode is None:
        return -ENOENT
    if inode.hugetlb is not None:
        inode.hugetlb.linked = False
    inode.linked = False
    for vma in inode.i_mapping.vmas():
        if vma.vm_file is not None:
            mark_deleted(vma.vm_file, path)
    for task in machine.tasks.values():
        for file in task.files.fdt.values():
            if file.inode is inode:
                mark_deleted(file, path)
    return 0


def mark_deleted(file: File, path: str) -> None:
    """Show a file as deleted, once."""
    if file.path == path:
        file.path = path + " (deleted)"


def absolute_path(base: str, path: str) -> str:
    """`path` seen from the directory `base`, without "." and "..", which are taken as text.

    Symbolic links are not known here.
    """
    if not path.startswith("/"):
        path = f"{base}/{path}"
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if len(parts) > 0:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
