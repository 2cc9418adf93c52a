# SPDX-License-Identifier: GPL-2.0-or-later
"""Which file of the model is which device and inode of a recording, and whether a VMA is a line.

A log names files by path; the map shows what they are. The first time that a file of the model is
shown, its device and inode are noted; from then on they are demanded.
"""

from typing import Final, final

from vmalab.calls.map_line import UNTOLD, LineEnd, RecordedLine
from vmalab.calls.snapshot import NO_FILE, VmaLine
from vmalab.calls.vm_flag_words import SHOWN
from vmalab.linux.fs.proc.task_mmu import vma_dev, vma_ino, vma_name, vma_pgoff_shown
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.linux.mm.hugetlb_pool import HState
from vmalab.linux.mm.vma.prepare import vma_is_shared_maywrite
from vmalab.linux.types.file import File, Inode
from vmalab.linux.types.mm_types import Vma
from vmalab.targets.model.vmflags import PERMISSIONS

_PKEY_MASK: Final = 0xF00000000


@final
class Identities:
    """The inodes of one recording by (device, inode), as maps prints them."""

    def __init__(self) -> None:
        self._inodes: dict[tuple[str, int], Inode] = {}
        # The same by what fstat says of a file. On overlayfs and btrfs it is not what maps shows.
        self._told: dict[tuple[str, int], Inode] = {}
        self._told_of: dict[Inode, tuple[str, int]] = {}
        # Pools of huge pages whose device a map has shown.
        self._pools: set[HState] = set()
        # Files whose identity a map has shown.
        self._shown: dict[File, None] = {}

    def inode(self, line: VmaLine) -> Inode | None:
        """Return the inode that a line shows, if it is known already."""
        return self._inodes.get(line.identity)

    def enter(self, inode: Inode, identity: tuple[str, int]) -> None:
        """Note that an inode is the one that lines show with a device and a number."""
        inode.dev, inode.ino = identity
        self._inodes[identity] = inode

    def tell(self, file: File, dev: str, number: int) -> None:
        """A log has told which inode an open file is of."""
        known = self._inodes.get((dev, number))
        if known is None:
            file.inode.dev, file.inode.ino = dev, number
            self._inodes[dev, number] = file.inode
        else:
            move_to_inode(file, known)

    def tell_apart(self, file: File, told: tuple[str, int]) -> None:
        """Note device and inode of an open file, as fstat says: two names may be one file."""
        inode, known = file.inode, self._told.get(told)
        if known is None and self._told_of.get(inode, told) != told:
            # By its path it was taken for another file.
            known = Inode(inode.kind, inode.dev, -1)
            known.i_sb = inode.i_sb
        if known is None:
            known = inode
        elif known is not inode:
            move_to_inode(file, known)
        self._told[told] = known
        self._told_of[known] = told

    def of_stat(self, told: tuple[str, int]) -> Inode | None:
        """Return the inode that fstat says a device and number of."""
        return self._told.get(told) or self._inodes.get(told)

    def same(self, file: File | None, line: LineEnd) -> bool:
        """Return whether a file is the one that a line shows.

        Binds it when nothing had shown it yet.
        """
        if file is None:
            return not line.has_file
        inode = file.inode
        if inode.ino >= 0:
            if inode.ino == line.inode and inode.dev == line.dev:
                self._show(file, line)
                return True
            if self._is_of_pool(inode, line):
                return True
            return self._rebind(file, line)
        return self._bind(file, line)

    def _is_of_pool(self, inode: Inode, line: LineEnd) -> bool:
        """Tell whether a line shows the device of a segment's pool, which the first one tells.

        A segment's number is its id, so that only the device can be wrong: of the first that is
        shown, and of those that were made before.
        """
        info = inode.hugetlb
        if info is None or not info.is_shm or inode.ino != line.inode:
            return False
        if info.h not in self._pools:
            self._pools.add(info.h)
            info.h.dev = line.dev
        if info.h.dev != line.dev:
            return False
        inode.dev = line.dev
        return True

    def _show(self, file: File, line: LineEnd) -> None:
        """Note that a map has shown a file; it has the name that the map gives it."""
        if file not in self._shown:
            self._shown[file] = None
        if file.path != line.name and line.name.startswith("/"):
            file.path = line.name

    def _bind(self, file: File, line: LineEnd) -> bool:
        """Return a file whose inode has no number yet."""
        if line.identity == NO_FILE:
            return False
        known = self._inodes.get(line.identity)
        if known is None or known is file.inode:
            self.enter(file.inode, line.identity)
        elif _opened_by_path(file) or min(file.inode.size, known.size) < 0:
            # A second name of an inode; or a file that came over a socket, seen on either side.
            move_to_inode(file, known)
        elif known.i_mapping.mapped():
            # What the kernel makes is new; this number belongs to something that is still mapped.
            return False
        else:
            self.enter(file.inode, line.identity)
        self._show(file, line)
        return True

    def _rebind(self, file: File, line: LineEnd) -> bool:
        """Return a path whose inode is known, opened again: by now it may be another file."""
        if file in self._shown or not _opened_by_path(file) or line.identity == NO_FILE:
            return False
        inode = self._inodes.get(line.identity)
        if inode is None:
            old = file.inode
            inode = Inode(old.kind, line.dev, line.inode)
            inode.seals = old.seals
            self.enter(inode, line.identity)
        move_to_inode(file, inode)
        self._show(file, line)
        return True


def _opened_by_path(file: File) -> bool:
    """Return whether a file was opened by a path that may have got another inode since."""
    path = file.path
    return path.startswith("/") and not path.startswith(("/memfd:", "/SYSV", "/dev/zero"))


def move_to_inode(file: File, inode: Inode) -> None:
    """Let an open file, with the VMAs that map it, be one of another inode."""
    old = file.inode
    if old is inode:
        return
    source, target = old.i_mapping, inode.i_mapping
    for vma in [vma for vma in source.vmas() if vma.vm_file is file]:
        node = vma.shared
        if node is not None:
            source.i_mmap.remove(node)
            target.i_mmap.insert(node)
        if vma_is_shared_maywrite(vma.vm_flags):
            source.i_mmap_writable -= 1
            target.i_mmap_writable += 1
    if inode.size < 0:
        inode.size = old.size
        inode.seals = old.seals
    file.inode = inode


def difference_of(vma: Vma, line: RecordedLine, identities: Identities, with_pkey: bool) -> str:
    """Return the first field in which a VMA is not as a line shows it; "" when it is.

    A line without VmFlags tells the permissions only. with_pkey: whether the line tells the key.
    """
    if vma.vm_start != line.start or vma.vm_end != line.end:
        return "range"
    behind = line.behind
    bits = behind.bits
    if bits != UNTOLD:
        if vma.vm_flags & SHOWN != bits:
            return "flags"
    elif vma.vm_flags & PERMISSIONS != line.permissions:
        return "permissions"
    file = vma.vm_file
    if line.pgoff != (0 if file is None else vma_pgoff_shown(vma)):
        return "offset"
    if not identities.same(file, behind):
        return "file"
    if with_pkey and (vma.vm_flags & _PKEY_MASK) >> 32 != line.line.pkey:
        return "protection key"
    return ""


@final
class Mismatch:
    """The first place where VMAs and lines part: `what` differs, at the address `at` (bytes).

    detail: how, in words, as it was when the two were compared.
    """

    def __init__(self, what: str, at: int, detail: str = "") -> None:
        self.what = what
        self.at = at
        self.detail = detail


def _how(what: str, vma: Vma, line: VmaLine) -> str:
    """Return how a VMA differs from its line, in words."""
    if what == "range":
        recorded, predicted = f"{line.start:x}-{line.end:x}", f"{vma.vm_start:x}-{vma.vm_end:x}"
    elif what == "flags" and line.flags is not None:
        letters = vm_flag_letters(vma.vm_flags, vma.vm_mm.features.smaps_names_lockonfault)
        lacking = " ".join(word for word in line.flags if word not in letters)
        extra = " ".join(word for word in letters if word not in line.flags)
        recorded, predicted = lacking or "none more", extra or "none more"
    elif what == "permissions":
        recorded, predicted = line.perms, vma_perms(vma.vm_flags)
    elif what == "offset":
        recorded, predicted = f"{line.pgoff:#x}", f"{vma_pgoff_shown(vma):#x}"
    elif what == "file":
        recorded = f"{line.dev} {line.inode} {line.name}"
        predicted = f"{vma_dev(vma)} {max(vma_ino(vma), 0)} {vma_name(vma)}"
    else:
        recorded, predicted = str(line.pkey), str((vma.vm_flags & _PKEY_MASK) >> 32)
    return f"recorded {recorded.strip()}, predicted {predicted.strip()}"


def first_mismatch(
    vmas: list[Vma], lines: list[RecordedLine], identities: Identities, with_pkey: bool = False
) -> Mismatch | None:
    """Compare VMAs with lines one by one; None when all are the same."""
    for index in range(min(len(vmas), len(lines))):
        vma, line = vmas[index], lines[index]
        what = difference_of(vma, line, identities, with_pkey)
        if what:
            at = min(vma.vm_start, line.start)
            if vma.vm_start == line.start and vma.vm_end != line.end:
                at = min(vma.vm_end, line.end)
            return Mismatch(what, at, _how(what, vma, line.line))
    if len(vmas) > len(lines):
        vma = vmas[len(lines)]
        return Mismatch("a VMA more", vma.vm_start, f"{vma.vm_start:x}-{vma.vm_end:x}")
    if len(lines) > len(vmas):
        line = lines[len(vmas)]
        return Mismatch("a VMA less", line.start, f"{line.start:x}-{line.end:x}")
    return None
