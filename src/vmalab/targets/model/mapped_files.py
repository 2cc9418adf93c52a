# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that mmap calls of a recording map: what notes at their descriptors tell of them."""

from typing import final

from vmalab.calls.call import Call
from vmalab.calls.snapshot import NO_FILE, VmaLine
from vmalab.linux.fs.open import anon_file, file_open, open_mode
from vmalab.linux.include.page import PAGE_SHIFT, page_align_ulong
from vmalab.linux.include.uapi.errno import ENOMEM, ENOSYS
from vmalab.linux.include.uapi.fcntl import O_RDONLY, O_RDWR
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.linux.mm.filemap import thp_fops
from vmalab.linux.mm.hugetlb import hstate_file, huge_page_size
from vmalab.linux.mm.mmap import get_unmapped_area_ulong, round_hint_to_min
from vmalab.linux.types.file import I_REG, File, Inode
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.task import Task
from vmalab.targets.model.descriptors import memory_file
from vmalab.targets.model.file_notes import Told, told_by
from vmalab.targets.model.file_systems import refit, refit_file, state
from vmalab.targets.model.identity import Identities


def told_is_enough(told: Told | None) -> bool:
    """Return whether a tracer's note says all that mappings depend on: not so of memory files.

    Their seals are not in the note.
    """
    return told is not None and not told.path.startswith("/memfd:")


def told_by_line(line: VmaLine | None) -> Told:
    """Return what a line of the map tells of the file behind it."""
    if line is None or line.identity == NO_FILE:
        return Told("")
    writable = line.flags is None or "sh" not in line.flags or "mw" in line.flags
    return Told(line.name, line.dev, line.inode, O_RDWR if writable else O_RDONLY)


@final
class MappedFiles:
    """Follows what a log tells of the files behind the descriptors of mmap calls."""

    def __init__(self, machine: MachineState, identities: Identities) -> None:
        self._machine = machine
        self._identities = identities
        # Files of descriptors that were never seen to be opened, and of which not all is known.
        self.supplied: dict[File | None, None] = {}

    def supply(self, task: Task, call: Call, line: VmaLine | None) -> bool:
        """Give an mmap's descriptor the file that its note tells; whether nothing tells of which.

        line: of the map, at the place of the mapping, where there is one. Where the log has not
        shown the file to be opened, a note or a mapping that succeeded proves that it was.
        """
        fd = call.args[4] & 0xFFFFFFFF
        told = told_by(call, 4)
        file = task.files.fget(fd)
        unseen = file is None and told is None
        if file is None:
            if told is None and (call.ret is None or call.ret < 0):
                return False
            file = install_unseen(task, fd, told or told_by_line(line))
            if unseen or not told_is_enough(told):
                self.supplied[file] = None
        if told is not None and told.inode >= 0:
            self._tell(file, told)
        return unseen

    def _tell(self, file: File, told: Told) -> None:
        """Let a file be the one that a note tells."""
        if told.is_memory_file and file.inode.ino < 0:
            self._identities.tell(file, told.dev, told.inode)
        if file.inode.kind != I_REG:
            return
        self._identities.tell_apart(file, (told.dev, told.inode))
        inode = file.inode
        if inode.hugetlb is None and told.size >= 0:
            inode.size = told.size
        inode.linked = told.linked
        if inode.i_sb is None:
            return
        sb, fs = self._machine.super_block(told.dev, file.path), told.fs
        if fs is not None and fs.fs_type and sb.s_type != fs.fs_type:
            state(sb, fs)
            refit(self._machine, sb)
        inode.i_sb = sb
        # By its path it may have been taken for a file of another.
        refit_file(self._machine, file)
        if fs is not None:
            self._machine.mount_at(file.path).noexec_known = True
            file.noexec = fs.noexec


def install_unseen(task: Task, fd: int, told: Told) -> File:
    """Return a file that can be mapped, for a descriptor whose opening the log does not show."""
    machine = task.machine
    path = told.path
    if path.startswith("/memfd:"):
        file = memory_file(path)
    elif path.startswith("/"):
        file = file_open(machine, path, 0)
    elif path:
        # A socket, or an inode without a name: a driver's.
        file = anon_file(machine, path)
    else:
        file = File(Inode(I_REG, "00:00", -1), f"fd {fd}", 0, thp_fops)
    file.f_mode = open_mode(told.flags)
    if not file.f_op.can_mmap and file.inode.kind == I_REG:
        file.f_op = thp_fops
    task.files.install_at(fd, file)
    return file


def file_of(task: Task | None, call: Call) -> File | None:
    """Return the open file that an mmap is of; None for one of anonymous memory."""
    if task is None or call.args[3] & MAP_ANONYMOUS:
        return None
    return task.files.fget(call.args[4] & 0xFFFFFFFF)


def place_of(task: Task | None, call: Call) -> int:
    """Return where an mmap would go, or -errno; nothing changes."""
    if task is None or task.mm is None:
        return -ENOSYS
    mm = task.mm
    addr, length, _, flags, _, offset = call.args
    hint = round_hint_to_min(addr, mm.config.mmap_min_addr)
    file = file_of(task, call)
    length, pgoff = page_align_ulong(length), offset >> PAGE_SHIFT
    if hstate_file(file) is not None:
        size = huge_page_size(file)
        length = (length + size - 1) & -size
    if not 0 < length <= mm.task_size:
        return -ENOMEM
    return get_unmapped_area_ulong(mm, file, hint, length, pgoff, flags, 0)
