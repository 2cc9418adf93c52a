# SPDX-License-Identifier: GPL-2.0-or-later
"""A seam that notes, in order, every lock, reference, allocation and accounting change.

    bench = parse_layout(LAYOUT).build(ObservingInternal)
    ...
    print(bench.seam.text())

Two streams of events can be compared: of another version, another rule, before and after a change.
"""

from dataclasses import dataclass
from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.lib.slab import KmemCache, SlabDebug
from vmalab.linux.types.file import File, FileAddressSpace
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import AnonVma, Mempolicy, Mm, Vma
from vmalab.testing.seams.checking import CheckingInternal

# What an event is about.
LOCK: Final = "lock"
REFERENCE: Final = "reference"
ALLOCATION: Final = "allocation"
ACCOUNT: Final = "account"
REVERSE_MAP: Final = "reverse map"
PAGES: Final = "pages"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that the engine asked of the seam.

    kind: one of the constants above; what: the verb; whom: the object, by range, path or number;
    amount: pages, 0 where there is none.
    """

    kind: str
    what: str
    whom: str
    amount: int = 0

    def text(self) -> str:
        """Return the event as a line: "lock i_mmap lib"."""
        return f"{self.kind} {self.what} {self.whom}" + (
            f" {self.amount:+d}" if self.amount else ""
        )


class NoteObjects(SlabDebug):
    """Tells an observing seam of objects that come and go, nodes and links included."""

    def __init__(self, seam: "ObservingInternal") -> None:
        self.seam = seam

    def allocated(self, cache: KmemCache) -> None:
        """Note one that was handed out."""
        self.seam.note(ALLOCATION, "alloc", cache.name)

    def freed(self, cache: KmemCache, obj: object | None) -> None:
        """Note one that was given back."""
        self.seam.note(ALLOCATION, "free", cache.name)


def range_of(vma: Vma) -> str:
    """Return a VMA by its range in pages."""
    return f"{vma.vm_start >> PAGE_SHIFT:x}-{vma.vm_end >> PAGE_SHIFT:x}"


class ObservingInternal(CheckingInternal):
    """A checking seam that notes what it is asked.  events: since the last `clear`, in order.

    What was charged or counted shows right before the next thing that the engine asks for.
    """

    def __init__(self, kernel: KernelState) -> None:
        super().__init__(kernel)
        self.events: list[Event] = []
        # anon_vmas by the order in which they were first seen: a1, a2, ...
        self.numbers: dict[AnonVma, int] = {}
        # Pages charged, and total_vm of each mm that is locked, when they were last looked at.
        self.committed: int = int(kernel.committed_as)
        self.counted: dict[Mm, int] = {}
        for cache in self.kernel.caches():
            cache.debug = NoteObjects(self)

    def note(self, kind: str, what: str, whom: str, amount: int = 0) -> None:
        """Add an event, behind what was accounted since the last one."""
        charged = int(self.kernel.committed_as) - self.committed
        if charged != 0:
            verb = "charge" if charged > 0 else "return"
            self.events.append(Event(ACCOUNT, verb, "committed", charged))
        for mm, pages in self.counted.items():
            if mm.total_vm != pages:
                self.events.append(Event(ACCOUNT, "count", "total_vm", int(mm.total_vm) - pages))
        self.look_at_accounts()
        self.events.append(Event(kind, what, whom, amount))

    def look_at_accounts(self) -> None:
        """Take what is charged and counted for known."""
        self.committed = int(self.kernel.committed_as)
        for mm in self.counted:
            self.counted[mm] = int(mm.total_vm)

    def clear(self) -> None:
        """Forget the events so far."""
        self.look_at_accounts()
        self.events.clear()

    def text(self) -> str:
        """Return all events, a line each."""
        return "\n".join(event.text() for event in self.events)

    def of_kind(self, *kinds: str) -> list[Event]:
        """Return the events of some kinds, in order."""
        return [event for event in self.events if event.kind in kinds]

    def name(self, anon_vma: AnonVma) -> str:
        """Return an anon_vma's name: a1 is the first that was seen."""
        return f"a{self.numbers.setdefault(anon_vma, len(self.numbers) + 1)}"

    def path(self, mapping: FileAddressSpace) -> str:
        """Return a file's reverse map by the path of a file that has it."""
        paths = [vma.vm_file.path for vma in mapping.vmas() if vma.vm_file is not None]
        return paths[0] if paths else mapping.host.dev + f":{mapping.host.ino}"

    # Locks.

    def mmap_write_lock(self, mm: Mm) -> None:
        """Custom: note it."""
        self.look_at_accounts()
        self.counted[mm] = int(mm.total_vm)
        self.note(LOCK, "take", "mmap_lock")
        super().mmap_write_lock(mm)

    def mmap_write_unlock(self, mm: Mm) -> None:
        """Custom: note it."""
        self.note(LOCK, "give", "mmap_lock")
        self.counted.pop(mm, None)
        super().mmap_write_unlock(mm)

    def vma_start_write(self, vma: Vma) -> None:
        """Custom: note it."""
        self.note(LOCK, "take", f"vma {range_of(vma)}")
        super().vma_start_write(vma)

    def i_mmap_lock_write(self, mapping: FileAddressSpace) -> None:
        """Custom: note it."""
        self.note(LOCK, "take", f"i_mmap {self.path(mapping)}")
        super().i_mmap_lock_write(mapping)

    def i_mmap_unlock_write(self, mapping: FileAddressSpace) -> None:
        """Custom: note it."""
        self.note(LOCK, "give", f"i_mmap {self.path(mapping)}")
        super().i_mmap_unlock_write(mapping)

    def anon_vma_lock_write(self, anon_vma: AnonVma) -> None:
        """Custom: note it."""
        self.note(LOCK, "take", f"anon_vma {self.name(anon_vma.root)}")
        super().anon_vma_lock_write(anon_vma)

    def anon_vma_unlock_write(self, anon_vma: AnonVma) -> None:
        """Custom: note it."""
        self.note(LOCK, "give", f"anon_vma {self.name(anon_vma.root)}")
        super().anon_vma_unlock_write(anon_vma)

    # References.

    def get_file(self, file: File) -> None:
        """Custom: note it."""
        self.note(REFERENCE, "get", f"file {file.path}")
        super().get_file(file)

    def fput(self, file: File) -> None:
        """Custom: note it."""
        self.note(REFERENCE, "put", f"file {file.path}")
        super().fput(file)

    def mpol_put(self, policy: Mempolicy | None) -> None:
        """Custom: note it."""
        if policy is not None:
            self.note(REFERENCE, "put", f"policy {policy.nodes:x}")
        super().mpol_put(policy)

    def anon_vma_attach(self, vma: Vma, mergeable: AnonVma | None) -> i64:
        """Custom: note which it got."""
        result = super().anon_vma_attach(vma, mergeable)
        if vma.anon_vma is not None:
            self.note(REVERSE_MAP, "attach", f"{range_of(vma)} to {self.name(vma.anon_vma)}")
        return result

    def anon_vma_clone(self, dst: Vma, src: Vma) -> i64:
        """Custom: note it."""
        self.note(REVERSE_MAP, "clone", f"{range_of(src)} to {range_of(dst)}")
        return super().anon_vma_clone(dst, src)

    def unlink_anon_vmas(self, vma: Vma) -> None:
        """Custom: note it."""
        if vma.anon_vma_chain:
            self.note(REVERSE_MAP, "unlink", range_of(vma))
        super().unlink_anon_vmas(vma)

    def vma_interval_tree_insert(self, vma: Vma, mapping: FileAddressSpace) -> None:
        """Custom: note it."""
        self.note(REVERSE_MAP, "insert", f"{range_of(vma)} pgoff {vma.vm_pgoff:x}")
        super().vma_interval_tree_insert(vma, mapping)

    def vma_interval_tree_remove(self, vma: Vma, mapping: FileAddressSpace) -> None:
        """Custom: note it."""
        self.note(REVERSE_MAP, "remove", f"{range_of(vma)} pgoff {vma.vm_pgoff:x}")
        super().vma_interval_tree_remove(vma, mapping)

    # Pages.

    def unmap_region(self, mm: Mm, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Custom: note it."""
        self.note(PAGES, "zap", f"{start >> PAGE_SHIFT:x}-{end >> PAGE_SHIFT:x}")
        super().unmap_region(mm, start, end, floor, ceiling)

    def move_page_tables(self, vma: Vma, old: i64, new: i64, length: i64) -> i64:
        """Custom: note it."""
        self.note(
            PAGES,
            "move",
            f"{old >> PAGE_SHIFT:x} to {new >> PAGE_SHIFT:x}",
            int(length >> PAGE_SHIFT),
        )
        return super().move_page_tables(vma, old, new, length)
