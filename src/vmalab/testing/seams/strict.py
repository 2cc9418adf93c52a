# SPDX-License-Identifier: GPL-2.0-or-later
"""A seam that knows the kernel's rules of locking and lifetime, and raises at the first offence.

Locks are taken in the order mmap_lock, VMAs, i_mmap, anon_vma (the comment at the top of the
kernel's mm/rmap.c); a VMA's fields change under the mmap lock and its own write lock only
(Documentation/mm/process_addrs.rst), its range moreover only while it is out of its file's reverse
map and out of its anon_vmas' trees; nothing that was freed is used again; a file that is mapped has
a reference for each VMA.

It looks whenever a call ends and whenever the core validates the mm.  What happens to an mm between
calls, as when a target states how a map was, is taken for granted.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.mm_flags import VM_MAYBE_GUARD
from vmalab.linux.include.page import LONG_MAX, PAGE_SHIFT
from vmalab.linux.lib.maple_node import Node
from vmalab.linux.lib.slab import KmemCache, SlabDebug
from vmalab.linux.types.file import File, FileAddressSpace
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import AnonVma, Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi
from vmalab.testing.seams.checking import CheckingInternal, VmaBug

# Kinds of locks, in the order in which they are taken.
ORDER: Final = ("VMA", "i_mmap", "anon_vma")

# Locks that are remembered at most.
MAX_NOTES: Final = 10000

# Start, end, page offset, flags.
Fields = tuple[int, int, int, int]


def fields(vma: Vma) -> Fields:
    """Return what of a VMA may be written under its lock only.

    VM_MAYBE_GUARD is set atomically, under a read lock (`vma_set_atomic_flag`).
    """
    flags = int(vma.vm_flags & ~VM_MAYBE_GUARD)
    return int(vma.vm_start), int(vma.vm_end), int(vma.vm_pgoff), flags


def place(at: Fields) -> str:
    """Return a range in pages, as drawings have it."""
    return f"{at[0] >> PAGE_SHIFT:x}-{at[1] >> PAGE_SHIFT:x}"


class Graves(SlabDebug):
    """Remembers what was freed, and what it was like then.  Objects keep their identity there."""

    def __init__(self) -> None:
        self.vmas: dict[Vma, Fields] = {}
        self.anon_vmas: set[AnonVma] = set()
        self.nodes: set[Node] = set()

    def freed(self, cache: KmemCache, obj: object | None) -> None:
        """Bury an object, once."""
        if isinstance(obj, Vma):
            if obj in self.vmas:
                raise VmaBug(f"the VMA {place(fields(obj))} is freed twice")
            self.vmas[obj] = fields(obj)
        elif isinstance(obj, AnonVma):
            if obj in self.anon_vmas:
                raise VmaBug("an anon_vma is freed twice")
            if obj.nr_links:
                raise VmaBug(f"an anon_vma with {obj.nr_links} links is freed")
            self.anon_vmas.add(obj)
        elif isinstance(obj, Node):
            if obj in self.nodes:
                raise VmaBug("a node of a tree is freed twice")
            self.nodes.add(obj)

    def forget(self) -> None:
        """Let the dead rest, once they were looked at: nothing else refers to most of them."""
        self.vmas.clear()
        self.anon_vmas.clear()
        self.nodes.clear()

    def check(self) -> None:
        """Raise when a VMA was written to after it was freed."""
        for vma, at in self.vmas.items():
            if fields(vma) != at:
                raise VmaBug(f"the VMA {place(at)} was written to after it was freed")


class StrictInternal(CheckingInternal):
    """A checking seam that watches locks, order of locks, lifetimes and references."""

    def __init__(self, kernel: KernelState) -> None:
        super().__init__(kernel)
        self.graves = Graves()
        for cache in self.kernel.caches():
            cache.debug = self.graves
        # Reverse-map locks that are held, in order.
        self.held: list[tuple[str, object]] = []
        # VMAs that are locked for writing until the mmap lock is given back.
        self.writing: set[Vma] = set()
        # By mm, its VMAs as they were when they were last looked at.
        self.known: dict[Mm, dict[Vma, Fields]] = {}
        # Those of them that had anon_vmas then.
        self.chained: set[Vma] = set()
        # Checks that were made.
        self.checked = 0

    # Locks.

    def mmap_write_lock(self, mm: Mm) -> None:
        """Custom: a call begins; what the mm is like now is taken for granted."""
        if mm.mmap_lock != 0:
            raise VmaBug("the mmap lock is taken twice")
        super().mmap_write_lock(mm)
        self.known[mm] = {}
        for vma in vmas_of(mm):
            self.know(mm, vma)

    def mmap_write_unlock(self, mm: Mm) -> None:
        """Custom: a call ends: look at everything, then forget the locks."""
        if self.held:
            raise VmaBug(f"a call ends and an {self.held[-1][0]} lock is held")
        if self.updating:
            raise VmaBug(f"a call ends and {place(fields(self.updating[0]))} has not come back")
        if mm.mm_users > 0:
            self.look_at(mm)
        self.graves.check()
        self.graves.forget()
        self.known.pop(mm, None)
        if not self.known:
            self.chained.clear()
            self.writing.clear()
            if len(self.locked) > MAX_NOTES:
                # A bench reads them after the call and forgets them; a replay never does.
                self.forget()
        super().mmap_write_unlock(mm)

    def vma_start_write(self, vma: Vma) -> None:
        """Custom: note the VMA as locked, which comes before the locks of reverse maps."""
        self.alive(vma, "locked")
        if self.held:
            raise VmaBug(f"a VMA is locked under an {self.held[-1][0]} lock: wrong order")
        super().vma_start_write(vma)
        self.writing.add(vma)

    def take(self, kind: str, lock: object) -> None:
        """Note a lock of a reverse map, none that comes after it being held."""
        if self.held and ORDER.index(self.held[-1][0]) > ORDER.index(kind):
            raise VmaBug(f"an {kind} lock is taken under an {self.held[-1][0]} lock: wrong order")
        self.held.append((kind, lock))

    def i_mmap_lock_write(self, mapping: FileAddressSpace) -> None:
        """Custom: lock a reverse map, before any anon_vma."""
        super().i_mmap_lock_write(mapping)
        self.take("i_mmap", mapping)

    def i_mmap_unlock_write(self, mapping: FileAddressSpace) -> None:
        """Custom: unlock it."""
        super().i_mmap_unlock_write(mapping)
        self.held.remove(("i_mmap", mapping))

    def anon_vma_lock_write(self, anon_vma: AnonVma) -> None:
        """Custom: lock an anon_vma's family, last of all."""
        self.anon_alive(anon_vma)
        super().anon_vma_lock_write(anon_vma)
        self.take("anon_vma", anon_vma.root)

    def anon_vma_unlock_write(self, anon_vma: AnonVma) -> None:
        """Custom: unlock it."""
        super().anon_vma_unlock_write(anon_vma)
        self.held.remove(("anon_vma", anon_vma.root))

    # Lifetimes.

    def alive(self, vma: Vma, what: str) -> None:
        """Raise when a VMA was freed."""
        if vma in self.graves.vmas:
            raise VmaBug(f"the VMA {place(self.graves.vmas[vma])} is {what} after it was freed")

    def anon_alive(self, anon_vma: AnonVma) -> None:
        """Raise when an anon_vma was freed."""
        if anon_vma in self.graves.anon_vmas or anon_vma.root in self.graves.anon_vmas:
            raise VmaBug("an anon_vma is used after it was freed")

    def anon_vma_attach(self, vma: Vma, mergeable: AnonVma | None) -> i64:
        """Custom: neither may be dead."""
        self.alive(vma, "given an anon_vma")
        if mergeable is not None:
            self.anon_alive(mergeable)
        return super().anon_vma_attach(vma, mergeable)

    def anon_vma_clone(self, dst: Vma, src: Vma) -> i64:
        """Custom: neither may be dead, nor any anon_vma of the chain."""
        self.alive(dst, "chained")
        self.alive(src, "copied")
        for link in src.anon_vma_chain:
            self.anon_alive(link.anon_vma)
        return super().anon_vma_clone(dst, src)

    def unlink_anon_vmas(self, vma: Vma) -> None:
        """Custom: it may not be dead."""
        self.alive(vma, "unlinked")
        super().unlink_anon_vmas(vma)

    def vma_interval_tree_insert(self, vma: Vma, mapping: FileAddressSpace) -> None:
        """Custom: it may not be dead."""
        self.alive(vma, "entered into a reverse map")
        super().vma_interval_tree_insert(vma, mapping)

    def vma_interval_tree_remove(self, vma: Vma, mapping: FileAddressSpace) -> None:
        """Custom: it must not have moved since it was entered."""
        node = vma.shared
        last = vma.vm_pgoff + ((vma.vm_end - vma.vm_start) >> PAGE_SHIFT) - 1
        if node is not None and (node.start, node.last) != (vma.vm_pgoff, last):
            raise VmaBug(f"{place(fields(vma))} was changed while it was in its file's reverse map")
        super().vma_interval_tree_remove(vma, mapping)

    def get_file(self, file: File) -> None:
        """Custom: a file without references is gone."""
        if file.f_count <= 0:
            raise VmaBug(f"the file {file.path} is taken after it was released")
        super().get_file(file)

    def fput(self, file: File) -> None:
        """Custom: there must be a reference to drop."""
        if file.f_count <= 0:
            raise VmaBug(f"the file {file.path} is put once too often")
        super().fput(file)

    # Looking.

    def validate_mm(self, mm: Mm) -> None:
        """Custom: the tree, and everything that this seam knows."""
        super().validate_mm(mm)
        self.look_at(mm)
        self.graves.check()

    def look_at(self, mm: Mm) -> None:
        """Compare all VMAs with what they were: those that differ must be locked for writing."""
        self.checked += 1
        if mm not in self.known:
            return
        before = self.known[mm]
        now: dict[Vma, Fields] = {}
        mapped: dict[File, int] = {}
        for vma in vmas_of(mm):
            self.alive(vma, "in the tree")
            now[vma] = fields(vma)
            if before.get(vma) != now[vma] and vma not in self.writing:
                was = f", was {place(before[vma])}" if vma in before else ", is new"
                raise VmaBug(f"the VMA {place(now[vma])}{was}: changed without its write lock")
            if vma.vm_file is not None:
                mapped[vma.vm_file] = mapped.get(vma.vm_file, 0) + 1
            if vma in before and before[vma][:3] != now[vma][:3]:
                self.check_moved(vma)
            if vma.anon_vma_chain:
                self.chained.add(vma)
        for file, count in mapped.items():
            if file.f_count < count:
                raise VmaBug(f"the file {file.path} has {file.f_count} references, {count} VMAs")
        self.known[mm] = now

    def know(self, mm: Mm, vma: Vma) -> None:
        """Take a VMA for granted as it is."""
        self.known[mm][vma] = fields(vma)
        if vma.anon_vma_chain:
            self.chained.add(vma)

    def check_moved(self, vma: Vma) -> None:
        """A VMA whose range changed has left and entered its anon_vmas' trees meanwhile."""
        if vma in self.chained and vma.anon_vma_chain and vma not in self.updated:
            raise VmaBug(f"{place(fields(vma))} was changed in the trees of its anon_vmas")


def vmas_of(mm: Mm) -> list[Vma]:
    """Return the VMAs of an mm, lowest first."""
    found = []
    vmi = Vmi(mm, 0)
    while (vma := vmi.find(LONG_MAX)) is not None:
        found.append(vma)
    return found
