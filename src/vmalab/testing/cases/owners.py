# SPDX-License-Identifier: GPL-2.0-or-later
"""Owners of a case's VMAs: operations and files that note what they are told, and may refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mypy_extensions import i64

from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import VM_FLAG_OF_LETTERS
from vmalab.linux.include.uapi.errno import EINVAL
from vmalab.linux.types.file import File, FileOps
from vmalab.linux.types.mm_types import (
    MMAP_MAP_KERNEL_PAGES,
    MMAP_REMAP_PFN,
    MmapAction,
    Vma,
    VmAreaDesc,
    VmOps,
)
from vmalab.testing.cases.kinds import HOOK_WORDS, Kind, with_word

if TYPE_CHECKING:
    from vmalab.testing.cases.workbench import Bench


def pages_of(vma: Vma) -> str:
    """Return the range of a VMA in pages, as drawings name it."""
    return f"{vma.vm_start >> PAGE_SHIFT:x}-{vma.vm_end >> PAGE_SHIFT:x}"


class CaseVmOps(VmOps):
    """Operations that note what they are told, with the hooks of a kind."""

    def __init__(self, log: list[str], hooks: tuple[str, ...]) -> None:
        super().__init__()
        self.log = log
        self.hooks = hooks
        self.has_close = "close" in hooks

    def open(self, vma: Vma) -> None:
        """Note the VMA that was copied."""
        self.log.append(f"open {pages_of(vma)}")

    def close(self, vma: Vma) -> None:
        """Note the VMA that goes."""
        self.log.append(f"close {pages_of(vma)}")

    def mapped(self, vma: Vma) -> i64:
        """Note the VMA that stands, or object to it as its file was told to."""
        self.log.append(f"mapped {pages_of(vma)}")
        ops = vma.vm_file.f_op if vma.vm_file is not None else None
        if isinstance(ops, CaseFileOps) and ops.objects:
            return vma.vm_mm.refusal.blame(-ops.objects, "fd", "the owner objects to the mapping")
        return 0

    def may_split(self, vma: Vma, addr: i64) -> i64:
        """Refuse, for a `nosplit` kind."""
        return -EINVAL if "nosplit" in self.hooks else 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a file says beforehand of its mappings.

    flags: VM_* bits that are added; pgoff: another page offset, None for the one asked for; file:
    the name of another file, ""; hooks: those of the operations; ops: False for anonymous memory.
    """

    flags: int = 0
    pgoff: int | None = None
    file: str = ""
    hooks: tuple[str, ...] = ()
    ops: bool = True


def parse_prepared(words: Sequence[str]) -> Prepared:
    """Read what follows `prepares`.  ValueError: what cannot be understood."""
    flags, hooks, kind = 0, [], Kind(0)
    for word in words:
        if word in VM_FLAG_OF_LETTERS:
            flags |= VM_FLAG_OF_LETTERS[word]
        elif word in HOOK_WORDS:
            hooks.append(word)
        elif word.startswith(("pgoff=", "file:")):
            kind = with_word(kind, word)
        elif word != "noops":
            raise ValueError(f"a file prepares no {word!r}")
    return Prepared(flags, kind.pgoff, kind.file, tuple(sorted(hooks)), "noops" not in words)


class CaseFileOps(FileOps):
    """The operations of a case's file: they may refuse to map it, or say how."""

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self.bench = bench
        self.error = 0
        self.adds = 0
        self.prepared: Prepared | None = None
        # Errnos (negative): with which the owner objects to what stands, and what is said instead.
        self.objects = 0
        self.override = 0
        self.hides = False
        # The mapping shows frames from this one on (-1: none), or pages of the kernel.
        self.frames = -1
        self.shows_pages = False

    def prepare(self, prepared: Prepared) -> None:
        """Have the file say beforehand what its mappings will be."""
        self.prepared = prepared
        self.has_mmap_prepare = True

    def mmap_prepare(self, desc: VmAreaDesc) -> i64:
        """Say what the mapping will be."""
        prepared, bench = self.prepared, self.bench
        if prepared is None:
            return 0
        desc.vm_flags |= prepared.flags
        if prepared.pgoff is not None:
            desc.pgoff = prepared.pgoff
        file = bench.file(prepared.file)
        if file is not None:
            bench.seam.get_file(file)
            desc.vm_file = file
        desc.vm_ops = bench.ops(Kind(0, hooks=prepared.hooks, ops=True)) if prepared.ops else None
        desc.action = action = MmapAction()
        action.error_override, action.hide_from_rmap_until_complete = self.override, self.hides
        action.start, action.size = desc.start, desc.end - desc.start
        if self.frames >= 0:
            action.type, action.start_pfn = MMAP_REMAP_PFN, self.frames
        elif self.shows_pages:
            action.type = MMAP_MAP_KERNEL_PAGES
        return 0

    def mmap(self, file: File, vma: Vma) -> i64:
        """Set up a VMA with the operations of the kind that is being mapped, or refuse."""
        if self.has_mmap_prepare:
            return 0
        self.bench.log.append(f"mmap {pages_of(vma)}")
        if self.error:
            return vma.vm_mm.refusal.blame(-self.error, "fd", "the file refuses to be mapped")
        vma.vm_flags |= self.adds
        vma.vm_ops = self.bench.ops(self.bench.mapping)
        return 0

    def release(self, file: File) -> None:
        """Note that the last reference went away."""
        self.bench.log.append(f"release {file.path}")
