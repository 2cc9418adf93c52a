# SPDX-License-Identifier: GPL-2.0-or-later
"""One address space on the bench: built from a drawing, handed to the core, read back, torn down.

The layout is built VMA by VMA as it is drawn, without asking the code under test what would merge.
Files, anon_vmas, policies and userfaultfd contexts have names, by which they are found again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.mm_flags import VM_ACCOUNT, VM_LOCKED, VM_SEALED
from vmalab.linux.include.page import PAGE_SHIFT, TASK_SIZE_MAX
from vmalab.linux.include.uapi.userfaultfd import UFFD_FEATURE_EVENT_UNMAP
from vmalab.linux.mm.accounting import vm_stat_account
from vmalab.linux.mm.page_tables import PTE_ANON, PageTables
from vmalab.linux.mm.rmap import anon_vma_clone, anon_vma_fork, attach_anon_vma, unlink_anon_vmas
from vmalab.linux.mm.vma.link import vma_link
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.mm.vma_init import vm_area_alloc, vm_area_free
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, I_REG, File, Inode
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import AnonVma, Mempolicy, Mm, UserfaultfdCtx, Vma, VmOps
from vmalab.linux.types.vma_iterator import Vmi
from vmalab.testing.cases.kinds import Kind, first_pgoff
from vmalab.testing.cases.owners import CaseFileOps, CaseVmOps
from vmalab.testing.cases.picture import Box
from vmalab.testing.seams.checking import CheckingInternal

MPOL_BIND: Final = 2


@dataclass(frozen=True, slots=True)
class Region:
    """A VMA by its properties: pages `[start, end)` and its kind, page offset included."""

    start: int
    end: int
    kind: Kind


class Bench:
    """An mm with a checking seam, and the named objects that its VMAs use.

    legend: kinds by letter.  seam: makes the seam, and so may replace any part of the rest of the
    kernel.  log: what owners were told, as text.
    """

    def __init__(
        self,
        legend: dict[str, Kind],
        seam: Callable[[KernelState], CheckingInternal] = CheckingInternal,
    ) -> None:
        self.legend = legend
        self.config = KernelConfig()
        self.kernel = KernelState(self.config)
        self.seam = seam(self.kernel)
        self.mm = Mm(self.seam, PageTables())
        self.seam.mmap_write_lock(self.mm)
        self.log: list[str] = []
        # Page offset minus page, for each letter that has appeared.
        self.deltas: dict[str, int] = {}
        self.file_deltas: dict[str, int] = {}
        self.files: dict[str, File] = {}
        # Names of files that the core opened: the bench holds no reference to them.
        self.borrowed: set[str] = set()
        self.anon_vmas: dict[str, AnonVma] = {}
        self.contexts: dict[str, UserfaultfdCtx] = {}
        self.policies: dict[str, int] = {}
        self.vm_ops: dict[tuple[str, ...], CaseVmOps] = {}
        # One VMA for each named anon_vma, in this mm or a parent's.
        self.holders: dict[str, Vma] = {}
        self.parents: list[Vma] = []
        # Barriers that a case wants but does not draw.
        self.crowd: list[Box] = []
        # The kind that an mmap in progress maps.
        self.mapping = Kind(0)

    # Names.

    def kind(self, letter: str) -> Kind:
        """Return the kind of a letter.  ValueError when nothing says what it stands for."""
        if letter not in self.legend:
            raise ValueError(f"nothing says what {letter} stands for")
        return self.legend[letter]

    def pgoff(self, letter: str, page: int) -> int:
        """Return the page offset that a letter has at a page.

        Its first appearance settles the offset.

        A letter of a file that says no offset continues the file's first letter.
        """
        if letter not in self.deltas:
            kind = self.kind(letter)
            file = kind.file.split("#")[0]
            delta = first_pgoff(kind, page) - page
            if file and kind.pgoff is None:
                delta = self.file_deltas.get(file, delta)
            if file:
                self.file_deltas.setdefault(file, delta)
            self.deltas[letter] = delta
        return page + self.deltas[letter]

    def file(self, name: str) -> File | None:
        """Return the open file of a name; `lib#2` is another open of `lib`."""
        if not name:
            return None
        if name not in self.files:
            path = name.split("#")[0]
            inode = Inode(I_REG, "00:01", 1 + len(self.files))
            for known, file in self.files.items():
                if known.split("#")[0] == path:
                    inode = file.inode
            self.files[name] = File(inode, path, FMODE_READ | FMODE_WRITE, CaseFileOps(self))
        return self.files[name]

    def ops(self, kind: Kind) -> VmOps | None:
        """Return the operations of a kind, None for an anonymous one."""
        if not kind.ops:
            return None
        if kind.hooks not in self.vm_ops:
            self.vm_ops[kind.hooks] = CaseVmOps(self.log, kind.hooks)
        return self.vm_ops[kind.hooks]

    def context(self, name: str) -> UserfaultfdCtx | None:
        """Return the userfaultfd context of a name."""
        if name and name not in self.contexts:
            self.contexts[name] = UserfaultfdCtx()
            self.contexts[name].features = UFFD_FEATURE_EVENT_UNMAP
        return self.contexts.get(name)

    def policy(self, name: str) -> Mempolicy | None:
        """Return a new, counted policy; those of one name are equal and never the same object."""
        if not name:
            return None
        number = self.policies.setdefault(name, len(self.policies))
        # It is the case that makes this one: an arranged failure is meant for the core.
        cache = self.kernel.mempolicy_cache
        fault, cache.fault = cache.fault, None
        cache.alloc()
        cache.fault = fault
        return Mempolicy(MPOL_BIND, 0, 1 << number, -1)

    # Building.

    def build(self, boxes: Sequence[Box]) -> None:
        """Map what is drawn."""
        for box in boxes:
            self.add(box.start, box.end, self.kind(box.letter), self.pgoff(box.letter, box.start))

    def new_vma(self, start: int, end: int, kind: Kind, pgoff: int) -> Vma:
        """Return a VMA of a kind in no tree, with its references but without anon_vma; pages."""
        # It is the case that makes this one: an arranged failure is meant for the core.
        cache = self.kernel.vm_area_cache
        fault, cache.fault = cache.fault, None
        vma = vm_area_alloc(self.mm)
        cache.fault = fault
        assert vma is not None, "nothing fails that was not arranged to"
        vma.vm_start, vma.vm_end, vma.vm_pgoff = start << PAGE_SHIFT, end << PAGE_SHIFT, pgoff
        vma.vm_flags = kind.flags
        vma.vm_ops = self.ops(kind)
        vma.vm_policy = self.policy(kind.policy)
        vma.vm_userfaultfd_ctx = self.context(kind.uffd)
        vma.anon_name = kind.name or None
        file = self.file(kind.file)
        if file is not None:
            vma.vm_file = file
            self.seam.get_file(file)
        return vma

    def add(self, start: int, end: int, kind: Kind, pgoff: int) -> None:
        """Map one VMA; pages."""
        vma = self.new_vma(start, end, kind, pgoff)
        if kind.chain:
            self.chain(vma, kind.chain)
            self.mm.page_tables.set(start << PAGE_SHIFT, end << PAGE_SHIFT, PTE_ANON)
        vma_link(self.mm, vma)
        self.account(kind.flags, end - start)

    def account(self, flags: int, pages: int) -> None:
        """Count pages of such flags in the mm, as the core's callers do; negative takes off."""
        vm_stat_account(self.mm, flags, pages)
        if flags & VM_ACCOUNT:
            self.kernel.committed_as += pages
        if flags & VM_LOCKED:
            self.mm.locked_vm += pages

    def chain(self, vma: Vma, names: tuple[str, ...]) -> None:
        """Give a VMA the anon_vmas of these names, its own first, its parent's next, and so on."""
        own, *ancestors = names
        holder = self.holders.get(own)
        if holder is not None:
            vma.anon_vma = holder.anon_vma
            anon_vma_clone(vma, holder)
            return
        if not ancestors:
            attach_anon_vma(vma, self.anon_vmas.get(own))
        else:
            parent = vm_area_alloc(Mm(self.seam, PageTables()))
            assert parent is not None, "the bench arranges no failure while it builds"
            self.parents.append(parent)
            self.chain(parent, tuple(ancestors))
            anon_vma_fork(vma, parent)
        if vma.anon_vma is not None:
            self.anon_vmas[own] = vma.anon_vma
        self.holders.setdefault(own, vma)

    # Reading back.

    def vmas(self) -> list[Vma]:
        """Return the VMAs of the mm, lowest first."""
        found = []
        vmi = Vmi(self.mm, 0)
        while (vma := vmi.find(TASK_SIZE_MAX)) is not None:
            found.append(vma)
        return found

    def region(self, vma: Vma) -> Region:
        """Return a VMA by its properties; objects without a name appear as `?`."""
        chain = [self.name_of_anon(link.anon_vma) for link in vma.anon_vma_chain]
        if vma.anon_vma is not None:
            own = self.name_of_anon(vma.anon_vma)
            chain = [own, *sorted(name for name in chain if name != own)]
        ops = vma.vm_ops
        hooks = ops.hooks if isinstance(ops, CaseVmOps) else ()
        kind = Kind(
            int(vma.vm_flags),
            self.name_of_file(vma.vm_file),
            int(vma.vm_pgoff),
            tuple(chain),
            self.name_of_policy(vma.vm_policy),
            vma.anon_name or "",
            self.name_of_context(vma.vm_userfaultfd_ctx),
            hooks,
            ops is not None,
        )
        return Region(int(vma.vm_start >> PAGE_SHIFT), int(vma.vm_end >> PAGE_SHIFT), kind)

    def regions(self) -> list[Region]:
        """Return the layout as it is, without the crowd."""
        hidden = {(box.start, box.end) for box in self.crowd}
        found = [self.region(vma) for vma in self.vmas()]
        return [one for one in found if (one.start, one.end) not in hidden]

    def expected(self, boxes: Sequence[Box]) -> list[Region]:
        """Return the layout that a drawing says."""
        found = []
        for box in sorted(boxes, key=lambda box: box.start):
            kind = self.kind(box.letter)
            chain = kind.chain[:1] + tuple(sorted(kind.chain[1:]))
            kind = replace(kind, pgoff=self.pgoff(box.letter, box.start), chain=chain)
            found.append(Region(box.start, box.end, kind))
        return found

    def name_of_anon(self, anon_vma: AnonVma) -> str:
        """Return the name of an anon_vma, "a?" for one that has none."""
        names = [name for name, known in self.anon_vmas.items() if known is anon_vma]
        return names[0] if names else "a?"

    def name_of_file(self, file: File | None) -> str:
        """Return the name of an open file, "?" for one that the case did not open."""
        if file is None:
            return ""
        names = [name for name, known in self.files.items() if known is file]
        return names[0] if names else "?"

    def name_of_policy(self, policy: Mempolicy | None) -> str:
        """Return the name of a policy that says the same."""
        if policy is None:
            return ""
        names = [name for name, number in self.policies.items() if policy.nodes == 1 << number]
        return names[0] if names else "?"

    def name_of_context(self, context: UserfaultfdCtx | None) -> str:
        """Return the name of a userfaultfd context."""
        if context is None:
            return ""
        names = [name for name, known in self.contexts.items() if known is context]
        return names[0] if names else "?"

    def adopt_names(self, expected: Sequence[Region]) -> None:
        """Let names that stand for nothing yet name what was made where the drawing has them."""
        vmas = {(vma.vm_start >> PAGE_SHIFT, vma.vm_end >> PAGE_SHIFT): vma for vma in self.vmas()}
        for region in expected:
            vma = vmas.get((region.start, region.end))
            if vma is None:
                continue
            chain, name = region.kind.chain, region.kind.file
            if vma.anon_vma is not None and chain and chain[0] not in self.anon_vmas:
                if self.name_of_anon(vma.anon_vma) == "a?":
                    self.anon_vmas[chain[0]] = vma.anon_vma
            if vma.vm_file is not None and name and name not in self.files:
                if self.name_of_file(vma.vm_file) == "?":
                    self.files[name] = vma.vm_file
                    self.borrowed.add(name)

    def begin_call(self) -> None:
        """Give every lock back and take the mmap lock again, as between two system calls.

        What refused an earlier call is forgotten.
        """
        self.mm.refusal.clear()
        self.seam.mmap_write_unlock(self.mm)
        self.seam.mmap_write_lock(self.mm)
        self.seam.forget()

    # The end.

    def tear_down(self) -> None:
        """Unmap everything and let the parents go: nothing may be left."""
        self.seam.interrupted = False
        self.mm.task_size = TASK_SIZE_MAX
        self.seam.mmap_write_unlock(self.mm)
        for vma in self.vmas():
            vma.vm_flags &= ~VM_SEALED
        self.seam.mmap_write_lock(self.mm)
        do_munmap(self.mm, 0, TASK_SIZE_MAX, None)
        for parent in reversed(self.parents):
            unlink_anon_vmas(parent)
            vm_area_free(parent)
        self.parents.clear()
        self.holders.clear()
