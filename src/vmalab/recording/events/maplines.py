# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of a map, as /proc/PID/smaps has them, from what the kernel says of its VMAs."""

from dataclasses import dataclass
from typing import Final

from vmalab.linux.include.mm_flags import VM_PKEY_MASK, VM_PKEY_SHIFT, VM_SEALED
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import maps_line, vm_flag_letters, vma_perms
from vmalab.recording.events import layout

# Linux 6.12 gave VM_LOCKONFAULT its letters.
_NAMES_LOCKONFAULT: Final = (6, 12)
_MINOR_BITS: Final = 20


@dataclass(frozen=True, slots=True)
class KernelVma:
    """One VMA. flags: the kernel's own. dev: "fe:00", inode: 0 for none. name: of its file, or of
    what the kernel put there. anon: whether it has an anon_vma. bits: as `layout` has them.
    """

    start: int
    end: int
    flags: int
    pgoff: int
    dev: str
    inode: int
    name: str
    anon: bool
    bits: int = 0

    @property
    def chained(self) -> bool:
        """Whether its anon_vma is chained to those of other processes, too."""
        return self.bits & layout.ANON_CHAIN != 0

    def path(self, known: str) -> str:
        """Return the path of its file, as maps print it. known: what is known of it."""
        if self.bits & layout.FILE_PSEUDO and self.name:
            # Anonymous inodes have their names in brackets, the memory of shmem and secretmem not.
            made = f"anon_inode:{self.name}" if self.name[0] == "[" else f"/{self.name}"
            return made if self.name[0] == "[" else f"{made} (deleted)"
        return f"{known} (deleted)" if self.bits & layout.FILE_UNLINKED else known


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses that give VMAs their names: the heap's bounds, and the stack's."""

    start_brk: int
    brk: int
    start_stack: int


def device(number: int) -> str:
    """Return a device number of the kernel as maps print it."""
    return f"{number >> _MINOR_BITS:02x}:{number & (1 << _MINOR_BITS) - 1:02x}"


def text_at(view: "bytes | memoryview", offset: int, size: int) -> str:
    """Return the string in a field of a record."""
    return bytes(view[offset : offset + size]).split(b"\0")[0].decode("utf-8", "surrogateescape")


def vma_at(view: "bytes | memoryview", offset: int) -> KernelVma:
    """Return the VMA of a record."""
    fields = layout.vma.unpack_from(view, offset)
    start, end, flags, pgoff, dev, anon, inode = fields[5:]
    name = text_at(view, offset + layout.VM_NAME, layout.NAME_SIZE)
    return KernelVma(
        start, end, flags, pgoff, device(dev), inode, name, anon & layout.ANON != 0, anon
    )


def _known_flags(flags: int) -> int:
    """Return flags as Linux 6.18 has them. Kernel: VM_SEALED was bit 63 before."""
    return flags & ~(1 << 63) | VM_SEALED if flags >> 63 else flags


def _name(vma: KernelVma, places: Places) -> str:
    """Return the name that a VMA without a file has."""
    if vma.name.startswith("["):
        return vma.name
    if vma.start <= places.brk and vma.end >= places.start_brk and places.start_brk:
        return "[heap]"
    if vma.start <= places.start_stack <= vma.end:
        return "[stack]"
    return ""


def smaps_lines(vma: KernelVma, path: str, places: Places, kernel: tuple[int, int]) -> str:
    """Return the lines of a VMA. path: of its file."""
    flags = _known_flags(vma.flags)
    # A map shows no offset where there is no file.
    has_file = vma.inode != 0 or vma.dev != "00:00"
    offset = vma.pgoff << PAGE_SHIFT if has_file else 0
    name = (path if has_file else _name(vma, places)).replace("\n", "\\012")
    head = maps_line(vma.start, vma.end, vma_perms(flags), offset, vma.dev, vma.inode, name)
    words = vm_flag_letters(flags, kernel >= _NAMES_LOCKONFAULT)
    key = (flags & VM_PKEY_MASK) >> VM_PKEY_SHIFT
    more = f"ProtectionKey:  {key:>8}\n" if key else ""
    return f"{head}\nVmFlags: {''.join(f'{word} ' for word in words)}\n{more}"
