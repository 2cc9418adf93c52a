# SPDX-License-Identifier: GPL-2.0-or-later
"""Opening files by path, and what kind of mapping each kind of file has.

Whether an open succeeds is not known here (permissions, what exists): it is a fact of a recording,
unless the machine's files are all known (`LinuxMachine.closed_world`).
"""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from vmalab.linux.fs.filesystems import SHMEM_TYPES, fops_of_type
from vmalab.linux.fs.hugetlbfs import hugetlb_fops
from vmalab.linux.fs.overlayfs import overlay_fops
from vmalab.linux.fs.truncate import do_truncate
from vmalab.linux.include.features import Features
from vmalab.linux.include.mm_flags import VM_MAYSHARE, VM_SHARED
from vmalab.linux.include.uapi.errno import EEXIST, EISDIR, ENOENT, ENOTDIR, ENXIO
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
from vmalab.linux.mm.hugetlb_pool import HState, HugetlbInode, hugetlb_pool_written
from vmalab.linux.mm.shmem import shmem_fops, shmem_zero_setup
from vmalab.linux.types.file import (
    FMODE_PATH,
    FMODE_READ,
    FMODE_WRITE,
    I_CHR,
    I_DIR,
    I_OTHER,
    I_REG,
    PLACE_DRIVER,
    File,
    FileOps,
    Inode,
)
from vmalab.linux.types.files import fput
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Vma
from vmalab.linux.types.super_block import (
    HUGETLBFS,
    OVERLAYFS,
    SuperBlock,
)

DEVTMPFS_DEV: Final = "00:06"
TMPFS_DEV: Final = "00:20"
# Where there are regular files below /dev.
FILES_IN_DEV: Final = ("/dev/shm/", "/dev/hugepages/")
KERNELS_OWN: Final = ("/proc/", "/sys/")
# How the names of pipes and sockets begin, in /proc/PID/fd or by the call that makes them: pipe2,
# pipe:[7], socketpair, accept4.
PIPES_AND_SOCKETS: Final = ("pipe", "sock", "accept")
# Links in the folder of a process to what lies elsewhere.
PROC_LINKS: Final = ("exe", "cwd", "root", "map_files")
# There wherever there is a /dev at all.
STANDARD_DEVICES: Final = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")
# What can be opened again though it has no name: pipes, and what a generator began with.
REOPENED: Final = ("pipe", "inherited")


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


def is_kernels_own(path: str) -> bool:
    """Tell whether a path is a file of the kernel's own, which nothing maps or executes.

    /proc has links to other files, as /proc/self/exe.
    """
    if not path.startswith(KERNELS_OWN):
        return False
    parts = path.split("/")
    at = 5 if parts[3:4] == ["task"] else 3
    return parts[1] != "proc" or len(parts) <= at or parts[at] not in PROC_LINKS


def open_mode(flags: int) -> int:
    """FMODE_* for the O_* flags of an open."""
    if flags & O_PATH != 0:
        return FMODE_PATH
    access = flags & O_ACCMODE
    if access == O_WRONLY:
        return FMODE_WRITE
    return FMODE_READ | FMODE_WRITE if access == O_RDWR else FMODE_READ


def lookup_inode(machine: MachineState, path: str, flags: int, dev: str, ino: int) -> Inode:
    """The inode of a path: the one that it had before, or a new one of the kind the path implies.

    `dev` and `ino` ("" and -1 when not known) identify it as /proc/PID/maps prints them; a path
    that was another inode before is a new file.
    """
    if flags & O_TMPFILE == O_TMPFILE:
        return tmpfile_inode(machine, path, dev, ino)
    inode = machine.inodes.get(path)
    if inode is not None and (ino < 0 or inode.ino < 0 or (inode.dev, inode.ino) == (dev, ino)):
        if inode.ino < 0 and ino >= 0:
            inode.dev, inode.ino = dev, ino
        return inode
    kind = I_REG
    sb = machine.super_block(dev, path)
    if path.startswith("/dev/") and not path.startswith(FILES_IN_DEV):
        kind, dev = I_CHR, dev or DEVTMPFS_DEV
    elif path.startswith("/dev/shm/"):
        dev = dev or TMPFS_DEV
    elif flags & O_DIRECTORY != 0:
        kind = I_DIR
    inode = Inode(kind, dev or "00:00", ino)
    if kind == I_REG:
        put_on(machine, inode, sb)
        if flags & O_CREAT != 0 and (flags & O_EXCL != 0 or machine.closed_world):
            # It was not there before.
            inode.size = 0
    machine.inodes[path] = inode
    return inode


def tmpfile_inode(machine: MachineState, path: str, dev: str, ino: int) -> Inode:
    """Return the inode of a new file without a name, made in the directory `path` (O_TMPFILE)."""
    inode = Inode(I_REG, dev or "00:00", ino)
    inode.size = 0
    inode.linked = False
    put_on(machine, inode, machine.super_block(dev, path + "/"))
    return inode


def put_on(machine: MachineState, inode: Inode, sb: SuperBlock) -> None:
    """State which file system a regular file is on."""
    inode.i_sb = sb
    if sb.s_type in SHMEM_TYPES and inode.seals < 0:
        # The seals of a file that is no memfd: none may be added.
        inode.seals = F_SEAL_SEAL
    h = hstate_of(machine, sb)
    if h is not None and inode.hugetlb is None:
        inode.hugetlb = HugetlbInode(h, False)
        inode.hugetlb.linked = inode.linked
        inode.hugetlb.opens = 0


def hstate_of(machine: MachineState, sb: SuperBlock) -> HState | None:
    """Return the pool of a hugetlbfs's files, None for other file systems."""
    if sb.s_type != HUGETLBFS:
        return None
    for h in machine.hstates:
        if sb.pagesize in (0, h.size):
            return h
    return None


def fs_fops(sb: SuperBlock | None) -> FileOps:
    """Return the operations of regular files on a file system; None: the kernel's own shmem."""
    if sb is None:
        return shmem_fops
    return overlay_fops if sb.s_type == OVERLAYFS else fops_of_type(sb.s_type)


def file_ops(path: str, inode: Inode) -> FileOps:
    """Return the operations of a file of this path and kind."""
    if path == "/dev/zero":
        return zero_fops
    if inode.kind != I_REG or is_kernels_own(path):
        return unmappable_fops
    return hugetlb_fops if inode.hugetlb is not None else fs_fops(inode.i_sb)


def file_open(machine: MachineState, path: str, flags: int, dev: str = "", ino: int = -1) -> File:
    """Open a file that is known to have been opened; the reference is the caller's.

    The same absolute path is the same inode until it is unlinked.  O_TRUNC empties the file, and
    its mappings.  A size that nothing has told is -1.
    """
    inode = lookup_inode(machine, path, flags, dev, ino)
    f_op = unmappable_fops if flags & O_PATH != 0 else file_ops(path, inode)
    file = File(inode, path, open_mode(flags), f_op)
    if inode.hugetlb is not None:
        inode.hugetlb.opens += 1
    # The kernel's own file systems let nothing be executed (SB_I_NOEXEC).
    file.noexec = is_kernels_own(path)
    sb = inode.i_sb
    if inode.kind == I_DIR:
        # It cannot be mapped, but that is looked at last.
        file.noexec = file.noexec or machine.mount_at(f"{path}/").noexec
    elif sb is not None:
        # A file system may be mounted at several places, each with its own flags.
        file.noexec = file.noexec or sb.noexec or machine.mount_at(path).noexec
    if file.f_mode & FMODE_WRITE != 0:
        hugetlb_pool_written(machine.hstates, path)
    if not inode.linked and flags & O_TMPFILE == O_TMPFILE:
        file.path = f"{path}/#{max(ino, 0)} (deleted)"
    if flags & O_TRUNC != 0 and inode.kind == I_REG and flags & O_PATH == 0:
        do_truncate(inode, 0)
    return file


def file_reopen(file: File, flags: int) -> File:
    """Open the file behind an open one again, through its link in /proc; a reference is taken.

    It has the same inode, so the same size and seals.
    """
    # One that was opened for its path alone can be mapped when it is opened through its link.
    f_op = file.f_op if file.f_mode & FMODE_PATH == 0 else file_ops(file.path, file.inode)
    if flags & O_PATH != 0:
        f_op = unmappable_fops
    again = File(file.inode, file.path, open_mode(flags), f_op)
    if file.inode.hugetlb is not None:
        file.inode.hugetlb.opens += 1
    again.noexec = file.noexec
    if flags & O_TRUNC != 0 and file.inode.kind == I_REG and flags & O_PATH == 0:
        do_truncate(file.inode, 0)
    return again


def file_open_checked(machine: MachineState, path: str, flags: int) -> int:
    """Return what keeps an open from succeeding when all files are known: 0 or -errno.

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
    return inode_open_checked(inode, flags)


def inode_open_checked(inode: Inode, flags: int) -> int:
    """Return what keeps a file that is there from being opened: 0 or -errno, as above."""
    if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL:
        return -EEXIST
    if flags & O_DIRECTORY != 0 and inode.kind != I_DIR:
        return -ENOTDIR
    writes = flags & O_ACCMODE != 0 and flags & O_PATH == 0
    if inode.kind == I_DIR and (writes or flags & O_CREAT != 0):
        return -EISDIR
    return 0


def link_open_checked(file: File, flags: int) -> int:
    """Return what keeps an open file from being opened again through its link: 0 or -errno.

    Errors: ENXIO (it was never opened by a name: secret memory, eventfds, sockets), and as above.
    """
    nameless = file.inode.kind == I_OTHER and not file.path.startswith(REOPENED)
    if flags & O_PATH == 0 and (nameless or file.f_op.is_secretmem):
        return -ENXIO
    return inode_open_checked(file.inode, flags)


def anon_file(machine: MachineState, name: str, f_mode: int = FMODE_READ | FMODE_WRITE) -> File:
    """An open file that has no path and cannot be mapped: a socket, pipe, eventfd, epoll, ...

    `name` is what /proc/PID/fd shows, such as "anon_inode:[eventfd]".
    """
    inode = Inode(I_OTHER, "00:00", -1)
    file = File(inode, name, f_mode, unmappable_fops)
    file.noexec = anon_file_is_noexec(machine.config.features, name)
    return file


def anon_file_is_noexec(features: Features, name: str) -> bool:
    """Tell whether a file without a path refuses PROT_EXEC before it refuses to be mapped."""
    if name.startswith(PIPES_AND_SOCKETS):
        return features.pipes_are_noexec
    if "pidfd" in name:
        return features.pidfds_are_noexec
    return features.anon_inodes_are_noexec


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


def rename(machine: MachineState, old: str, new: str) -> None:
    """Give a file another path, in the place of what had that; its directory may be renamed too."""
    if old == new:
        return
    unlink(machine, new)
    inode = machine.inodes.pop(old, None)
    if inode is not None:
        machine.inodes[new] = inode
    below = old + "/"
    for path in [path for path in machine.inodes if path.startswith(below)]:
        machine.inodes[new + path[len(old) :]] = machine.inodes.pop(path)
    for task in machine.tasks.values():
        for file in task.files.fdt.values():
            if file.path == old or file.path.startswith(below):
                file.path = new + file.path[len(old) :]


def exchange(machine: MachineState, one: str, other: str) -> None:
    """Let two paths change places (RENAME_EXCHANGE)."""
    first, second = machine.inodes.pop(one, None), machine.inodes.pop(other, None)
    if second is not None:
        machine.inodes[one] = second
    if first is not None:
        machine.inodes[other] = first


def link(machine: MachineState, old: str, new: str) -> None:
    """Give a file a second path."""
    inode = machine.inodes.get(old)
    if inode is not None and new not in machine.inodes:
        inode.linked = True
        machine.inodes[new] = inode


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
