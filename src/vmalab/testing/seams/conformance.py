# SPDX-License-Identifier: GPL-2.0-or-later
"""What any implementation of the seam must do, as a suite of laws that it can be held against.

    for complaint in conformance(MySeam):
        print(complaint)

A rule may change what merges, what is allowed and what is noted; it may not lose an object, a
charge or a lock.  Each law makes a seam of its own and works without the VMA core, but for the last
ones, which let the core loose on it.
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.mm_flags import VM_MAY_FLAGS, VM_READ, VM_WRITE
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.lib.slab import FailNth
from vmalab.linux.mm.page_tables import PTE_ANON, PageTables
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.mm.vma_internal import VmaInternal
from vmalab.linux.types.file import FMODE_READ, I_REG, File, FileOps, Inode
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import Mempolicy, Mm, Vma

Maker = Callable[[KernelState], VmaInternal]
FLAGS: Final = VM_READ | VM_WRITE | VM_MAY_FLAGS


def conformance(make: Maker) -> list[str]:
    """Return every law that a seam breaks, a sentence each; empty when it conforms."""
    found = []
    for law in LAWS:
        try:
            broken = law(make)
        except (AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
            broken = f"{type(error).__name__}: {error}"
        if broken:
            found.append(f"{law.__name__}: {broken}")
    return found


def new_mm(make: Maker) -> Mm:
    """Return an address space, locked, with a seam of its own."""
    seam = make(KernelState(KernelConfig()))
    mm = Mm(seam, PageTables())
    seam.mmap_write_lock(mm)
    return mm


def new_vma(mm: Mm, start: int, end: int, file: File | None = None) -> Vma:
    """Return a counted VMA in no tree; pages."""
    assert mm.seam.kmem_cache_alloc(mm.kernel.vm_area_cache), "an allocation fails unasked"
    vma = Vma(mm)
    vma.vm_start, vma.vm_end, vma.vm_pgoff, vma.vm_flags = (
        start << PAGE_SHIFT,
        end << PAGE_SHIFT,
        start,
        FLAGS,
    )
    vma.vm_file = file
    return vma


def new_file() -> File:
    """Return an open file of 16 pages."""
    inode = Inode(I_REG, "00:01", 1)
    inode.size = 16 << PAGE_SHIFT
    return File(inode, "f", FMODE_READ, FileOps())


def allocations_are_counted_and_fail_when_arranged(make: Maker) -> str:
    """Each cache counts what it hands out, refuses when told to, and takes back."""
    seam = make(KernelState(KernelConfig()))
    for cache in seam.kernel.caches():
        if not seam.kmem_cache_alloc(cache) or cache.nr_active != 1:
            return f"{cache.name} does not count an object"
        seam.kernel.set_fault(FailNth(1))
        if seam.kmem_cache_alloc(cache) or cache.nr_active != 1:
            return f"{cache.name} does not fail, or counts what it refused"
        seam.kernel.set_fault(None)
        seam.kmem_cache_free(cache, object())
        if cache.nr_active != 0:
            return f"{cache.name} does not take back"
    return ""


def anon_vmas_are_chained_and_unchained(make: Maker) -> str:
    """attach, clone and unlink keep links and users of anon_vmas."""
    mm = new_mm(make)
    seam = mm.seam
    first, second = new_vma(mm, 16, 18), new_vma(mm, 18, 20)
    if seam.anon_vma_attach(first, None) != 0 or first.anon_vma is None:
        return "attach makes no anon_vma"
    second.anon_vma = first.anon_vma
    if seam.anon_vma_clone(second, first) != 0 or len(second.anon_vma_chain) != 1:
        return "clone does not copy the chain"
    own = first.anon_vma
    if (own.nr_links, own.num_active_vmas) != (2, 2):
        return f"two VMAs, {own.nr_links} links and {own.num_active_vmas} users"
    seam.unlink_anon_vmas(first)
    seam.unlink_anon_vmas(second)
    left = [cache.name for cache in seam.kernel.caches()[2:4] if cache.nr_active]
    return f"{left[0]} leaks" if left else ""


def a_failed_clone_changes_nothing(make: Maker) -> str:
    """clone that runs out of memory leaves its destination without a chain."""
    mm = new_mm(make)
    seam = mm.seam
    first, second = new_vma(mm, 16, 18), new_vma(mm, 18, 20)
    seam.anon_vma_attach(first, None)
    second.anon_vma = first.anon_vma
    seam.kernel.set_fault(FailNth(1))
    failed = seam.anon_vma_clone(second, first) < 0
    seam.kernel.set_fault(None)
    if not failed or second.anon_vma_chain or second.anon_vma is not None:
        return "a failed clone leaves links, or does not fail"
    own = first.anon_vma
    return "" if own is not None and own.num_active_vmas == 1 else "it miscounts users"


def reverse_maps_find_what_was_entered(make: Maker) -> str:
    """A VMA is found by the pages that it maps, from its entry to its removal."""
    mm = new_mm(make)
    seam, file = mm.seam, new_file()
    mapping = file.inode.i_mapping
    vmas = [new_vma(mm, start, start + 4, file) for start in (16, 18, 32)]
    seam.i_mmap_lock_write(mapping)
    for vma in vmas:
        seam.vma_interval_tree_insert(vma, mapping)
    if mapping.vmas_in(19, 19) != vmas[:2] or mapping.vmas_in(22, 31) != []:
        return "a search by pages does not find the VMAs that map them"
    for vma in vmas:
        seam.vma_interval_tree_remove(vma, mapping)
    seam.i_mmap_unlock_write(mapping)
    return "the reverse map is not empty in the end" if mapping.mapped() else ""


def locks_are_marked(make: Maker) -> str:
    """Reverse-map locks are seen while they are held, an anon_vma's at its root."""
    mm = new_mm(make)
    seam, mapping = mm.seam, new_file().inode.i_mapping
    seam.i_mmap_lock_write(mapping)
    held = mapping.i_mmap_locked
    seam.i_mmap_unlock_write(mapping)
    if not held or mapping.i_mmap_locked:
        return "an i_mmap lock is not marked"
    vma = new_vma(mm, 16, 18)
    seam.anon_vma_attach(vma, None)
    own = vma.anon_vma
    assert own is not None
    seam.anon_vma_lock_write(own)
    held = own.root.locked
    seam.anon_vma_unlock_write(own)
    return "" if held and not own.root.locked else "an anon_vma lock is not marked"


def files_go_with_their_last_reference(make: Maker) -> str:
    """get_file and fput count, and the last one releases the file once."""

    class Ops(FileOps):
        """Operations that count releases."""

        def __init__(self) -> None:
            super().__init__()
            self.released: list[File] = []

        def release(self, file: File) -> None:
            self.released.append(file)

    seam, ops = make(KernelState(KernelConfig())), Ops()
    file = File(Inode(I_REG, "00:01", 1), "f", FMODE_READ, ops)
    seam.get_file(file)
    seam.fput(file)
    if ops.released or file.f_count != 1:
        return "a file goes while there are references"
    seam.fput(file)
    return "" if ops.released == [file] else "the last reference does not release the file"


def policies_are_copied_and_put(make: Maker) -> str:
    """A policy equals its copy; copies are counted and given back."""
    mm = new_mm(make)
    seam, policy = mm.seam, Mempolicy(2, 0, 1, -1)
    src, dst = new_vma(mm, 16, 18), new_vma(mm, 18, 20)
    src.vm_policy = policy
    if not seam.mpol_equal(policy, policy) or not seam.mpol_equal(None, None):
        return "a policy does not equal itself"
    if seam.vma_dup_policy(src, dst) != 0 or dst.vm_policy is None:
        return "a policy is not copied"
    if not seam.mpol_equal(policy, dst.vm_policy) or not seam.mpol_equal(dst.vm_policy, policy):
        return "a policy does not equal its copy"
    seam.mpol_put(dst.vm_policy)
    return "a policy leaks" if seam.kernel.mempolicy_cache.nr_active else ""


def pages_go_and_move_with_their_range(make: Maker) -> str:
    """unmap_region drops the pages of its range alone; move_page_tables takes all along."""
    mm = new_mm(make)
    vma = new_vma(mm, 16, 24)
    mm.page_tables.set(16 << PAGE_SHIFT, 24 << PAGE_SHIFT, PTE_ANON)
    mm.seam.unmap_region(mm, 18 << PAGE_SHIFT, 20 << PAGE_SHIFT, 18 << PAGE_SHIFT, 20 << PAGE_SHIFT)
    left = [
        (first >> PAGE_SHIFT, last >> PAGE_SHIFT)
        for first, last, _ in mm.page_tables.ranges(0, 1 << 30)
    ]
    if left != [(16, 18), (20, 24)]:
        return f"pages {left} are left"
    if (
        mm.seam.move_page_tables(vma, 20 << PAGE_SHIFT, 40 << PAGE_SHIFT, 4 << PAGE_SHIFT)
        != 4 << PAGE_SHIFT
    ):
        return "a move does not say that it was complete"
    left = [
        (first >> PAGE_SHIFT, last >> PAGE_SHIFT)
        for first, last, _ in mm.page_tables.ranges(0, 1 << 30)
    ]
    return "" if left == [(16, 18), (40, 44)] else f"after a move the pages are at {left}"


def the_core_leaves_nothing_behind(make: Maker) -> str:
    """A process under the seam maps, changes, forks and ends; nothing is left."""
    config = KernelConfig()
    machine = LinuxMachine(config, make(KernelState(config)))
    task = machine.spawn()
    base = 0x10000000
    calls = [
        ("mmap", (base, 0x10000, 3, 0x32, 2**64 - 1, 0)),
        ("mmap", (base + 0x20000, 0x10000, 3, 0x32, 2**64 - 1, 0)),
        ("madvise", (base, 0x8000, 23)),
        ("mprotect", (base + 0x2000, 0x3000, 1)),
        ("mremap", (base + 0x20000, 0x4000, 0x8000, 1)),
        ("fork", ()),
        ("munmap", (base + 0x4000, 0x6000)),
        ("mprotect", (base, 0x4000, 3)),
    ]
    for name, args in calls:
        a0, a1, a2, a3, a4, a5 = (*args, 0, 0, 0, 0, 0, 0)[:6]
        do_syscall(task, name, a0, a1, a2, a3, a4, a5)
        for one in machine.tasks.values():
            broken = [] if one.mm is None else mm_violations(one.mm)
            if broken:
                return f"after {name}: {broken[0]}"
    for one in list(machine.tasks.values()):
        machine.exit_task(one)
    leaks = machine.leaks()
    return leaks[0] if leaks else ""


LAWS: Final[tuple[Callable[[Maker], str], ...]] = (
    allocations_are_counted_and_fail_when_arranged,
    anon_vmas_are_chained_and_unchained,
    a_failed_clone_changes_nothing,
    reverse_maps_find_what_was_entered,
    locks_are_marked,
    files_go_with_their_last_reference,
    policies_are_copied_and_put,
    pages_go_and_move_with_their_range,
    the_core_leaves_nothing_behind,
)
