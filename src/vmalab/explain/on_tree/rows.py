# SPDX-License-Identifier: GPL-2.0-or-later
"""VMAs of the model as commands that lay them out in a tree's program, and as rows to compare."""

from dataclasses import dataclass
from typing import Final, final

from vmalab.calls.snapshot import VmaLine
from vmalab.linux.fs.exec import SpecialMappingOps
from vmalab.linux.include.mm_flags import (
    VM_DONTEXPAND,
    VM_HUGETLB,
    VM_IO,
    VM_MIXEDMAP,
    VM_PFNMAP,
)
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.linux.mm.shmem import shmem_anon_vm_ops, shmem_vm_ops
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import AnonVma, Vma

# VmFlags words that decide nothing here: soft-dirty bits and guard markers belong to pages.
_IGNORED: Final = frozenset(("sd", "gu"))
# Flags that only a file gives its mappings; with them come all that it gives.
_FILES_OWN: Final = VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_DONTEXPAND
_GIVEN: Final = frozenset(("io", "pf", "mm", "de", "dd"))
_SECRET: Final = frozenset(("lo", "dd"))
_UNKNOWN_SIZE: Final = 1 << 46


@dataclass(frozen=True, slots=True)
class MapRow:
    """What two maps must have in common: bytes `[start, end)`, permissions, VmFlags, file offset.

    offset: in bytes, None without a file.
    """

    start: int
    end: int
    perms: str
    flags: tuple[str, ...]
    offset: int | None

    def text(self) -> str:
        """Return it as a line for a person."""
        offset = "" if self.offset is None else f" offset {self.offset:x}"
        return f"{self.start:x}-{self.end:x} {self.perms} {' '.join(self.flags)}{offset}"


def words_of(vma: Vma) -> list[str]:
    """Return a VMA's flags as words."""
    return [word for word in vm_flag_letters(vma.vm_flags, True) if word not in _IGNORED]


def row_of_vma(vma: Vma, known: frozenset[str]) -> MapRow:
    """Return a VMA of the model as a row. known: the words of flags that the tree has."""
    flags = tuple(sorted(known.intersection(words_of(vma))))
    offset = None if vma.vm_file is None else int(vma.vm_pgoff) << PAGE_SHIFT
    return MapRow(int(vma.vm_start), int(vma.vm_end), vma_perms(vma.vm_flags), flags, offset)


def row_of_line(line: VmaLine, known: frozenset[str]) -> MapRow:
    """Return a VMA of the tree's map as a row."""
    flags = tuple(sorted(known.intersection(line.flags or ()) - _IGNORED))
    return MapRow(line.start, line.end, line.perms, flags, line.pgoff if line.inode else None)


def is_carried(vma: Vma) -> bool:
    """Return whether a tree's program can have such a VMA: not one of huge pages."""
    return vma.vm_flags & VM_HUGETLB == 0


def kind_of(vma: Vma) -> str:
    """Return the letter for what a VMA's operations are."""
    ops = vma.vm_ops
    if ops is None:
        return "a"
    if isinstance(ops, SpecialMappingOps):
        return "p"
    if ops is shmem_vm_ops or ops is shmem_anon_vm_ops:
        return "s"
    return "c" if ops.has_close else "f"


@final
class Numbers:
    """Files and anon_vmas of the model by number: the same object has the same one for good."""

    def __init__(self) -> None:
        self._files: dict[int, tuple[int, File]] = {}
        self._anon_vmas: dict[int, tuple[int, AnonVma]] = {}

    def of_file(self, file: File) -> int:
        """Return the number of an open file."""
        return self._files.setdefault(id(file), (len(self._files), file))[0]

    def of_anon_vma(self, anon_vma: AnonVma) -> int:
        """Return the number of an anon_vma."""
        return self._anon_vmas.setdefault(id(anon_vma), (len(self._anon_vmas), anon_vma))[0]


def file_command(number: int, vma: Vma, file: File) -> str:
    """Return the command that makes the file of a VMA known."""
    kind = kind_of(vma)
    given = _GIVEN.intersection(words_of(vma)) if vma.vm_flags & _FILES_OWN else frozenset()
    if file.f_op.is_secretmem:
        given = _SECRET.intersection(words_of(vma))
    size = _UNKNOWN_SIZE if file.inode.size < 0 else file.inode.size
    letter = "z" if kind == "a" else kind
    words = ",".join(sorted(given)) or "-"
    return f"file {number:x} {letter} {file.f_mode & 3:x} {size:x} {words}"


def map_command(vma: Vma, file: int | None, anon_vma: int | None) -> str:
    """Return the command that lays a VMA out, as it is."""
    start, end = int(vma.vm_start >> PAGE_SHIFT), int(vma.vm_end >> PAGE_SHIFT)
    flags = ",".join(words_of(vma)) or "-"
    name = "-" if not vma.anon_name else vma.anon_name.encode("utf-8", "surrogateescape").hex()
    anon_pgoff = int(vma.vm_pgoff) if vma.vm_file is None else start + int(vma.anon_delta)
    return " ".join(
        (
            f"map {start:x} {end:x} {vma.vm_pgoff:x} {flags} {kind_of(vma)}",
            "-" if file is None else f"{file:x}",
            name,
            "-" if anon_vma is None else f"{anon_vma:x}",
            f"{max(anon_pgoff, 0):x}",
        )
    )
