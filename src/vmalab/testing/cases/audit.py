# SPDX-License-Identifier: GPL-2.0-or-later
"""Recounting everything that an address space on the bench holds, and saying what does not agree.

The engine keeps counters: links of anon_vmas, references of files, pages, objects of slab caches.
Here each is counted again from the VMAs that are there.
"""

from collections import Counter

from vmalab.linux.include.mm_flags import VM_ACCOUNT, VM_MAYWRITE, VM_SHARED
from vmalab.linux.include.page import PAGE_SHIFT, TASK_SIZE_MAX
from vmalab.linux.mm.page_tables import PTE_ANON
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.mm_types import AnonVma, Vma
from vmalab.testing.cases.leaks import active_objects, counters
from vmalab.testing.cases.owners import pages_of
from vmalab.testing.cases.workbench import Bench


def audit(bench: Bench) -> list[str]:
    """Return every disagreement, a sentence each; empty when all is well."""
    vmas = bench.vmas()
    found = mm_violations(bench.mm)
    found += audit_anon_vmas(bench, vmas)
    found += audit_files(bench, vmas)
    found += audit_objects(bench, vmas)
    found += audit_pages(bench, vmas)
    charged = bench.kernel.committed_as - bench.kernel.commit_miscount
    accounted = accounted_pages(bench, vmas)
    if charged != accounted:
        found.append(f"{charged} pages are charged, accounted VMAs and files have {accounted}")
    return found


def accounted_pages(bench: Bench, vmas: list[Vma]) -> int:
    """Return pages of accounted VMAs, and those that files are charged for as a whole."""
    files = [vma.vm_file for vma in vmas if vma.vm_file is not None] + list(bench.files.values())
    charged = sum(inode.charged for inode in {file.inode for file in files})
    accounted = [vma for vma in vmas if vma.vm_flags & VM_ACCOUNT]
    return int(charged + sum((vma.vm_end - vma.vm_start) >> PAGE_SHIFT for vma in accounted))


def audit_anon_vmas(bench: Bench, vmas: list[Vma]) -> list[str]:
    """Links and active VMAs of each anon_vma, and locks that were not given back."""
    links: Counter[AnonVma] = Counter()
    active: Counter[AnonVma] = Counter()
    for vma in vmas + bench.parents:
        links.update(link.anon_vma for link in vma.anon_vma_chain)
        if vma.anon_vma is not None:
            active[vma.anon_vma] += 1
    found = []
    for anon_vma in {*links, *bench.anon_vmas.values()}:
        name = bench.name_of_anon(anon_vma)
        if anon_vma.nr_links != links[anon_vma]:
            found.append(f"{name} counts {anon_vma.nr_links} links, there are {links[anon_vma]}")
        if anon_vma.num_active_vmas != active[anon_vma]:
            counted = anon_vma.num_active_vmas
            found.append(f"{name} counts {counted} active VMAs, there are {active[anon_vma]}")
        if anon_vma.locked:
            found.append(f"{name} is still locked")
    return found


def audit_files(bench: Bench, vmas: list[Vma]) -> list[str]:
    """References, reverse map and writers of each file, and locks that were not given back."""
    found = []
    for name, file in bench.files.items():
        opened = 0 if name in bench.borrowed else 1
        references = opened + sum(vma.vm_file is file for vma in vmas)
        if file.f_count != references:
            found.append(
                f"file {name} has {file.f_count} references, {references} are accounted for"
            )
        mapping = file.inode.i_mapping
        mapped = {vma for vma in vmas if vma.vm_file and vma.vm_file.inode is file.inode}
        for vma in mapped ^ set(mapping.vmas()):
            found.append(f"file {name}: its reverse map and the VMA {pages_of(vma)} disagree")
        shared = VM_SHARED | VM_MAYWRITE
        writers = sum(vma.vm_flags & shared == shared for vma in mapped)
        writers -= 1 if file.inode.seals > 0 else 0
        if mapping.i_mmap_writable != writers:
            found.append(f"file {name} counts {mapping.i_mmap_writable} writers, not {writers}")
        if mapping.i_mmap_locked:
            found.append(f"file {name}: its reverse map is still locked")
    return found


def audit_pages(bench: Bench, vmas: list[Vma]) -> list[str]:
    """Return pages where nothing is mapped, and anonymous ones of VMAs without an anon_vma."""
    found = []
    for first, last, kind in bench.mm.page_tables.ranges(0, TASK_SIZE_MAX):
        covered = first
        for vma in vmas:
            if vma.vm_start <= covered < min(vma.vm_end, last):
                covered = min(vma.vm_end, last)
                if kind == PTE_ANON and vma.anon_vma is None:
                    found.append(f"{pages_of(vma)} has anonymous pages and no anon_vma")
        if covered < last:
            found.append(f"page {covered >> PAGE_SHIFT:x} is there, and no VMA is")
    return found


# Start, end and page offset of a VMA, and whether it has anon_vmas.
Placing = tuple[int, int, int, bool]


def ranges(bench: Bench) -> dict[Vma, Placing]:
    """Return where each VMA is, to be compared after a call."""
    return {
        vma: (vma.vm_start, vma.vm_end, vma.vm_pgoff, bool(vma.anon_vma_chain))
        for vma in bench.vmas()
    }


def audit_changes(before: dict[Vma, Placing], bench: Bench) -> list[str]:
    """Return VMAs that were made or got another range, and were not locked for writing meanwhile.

    Those that had anon_vmas must also have left and entered the anon_vmas' trees of ranges.
    """
    found = []
    for vma, now in ranges(bench).items():
        was = before.get(vma)
        if was is not None and was[:3] == now[:3]:
            continue
        if not any(one is vma for one in bench.seam.locked):
            found.append(f"the VMA {pages_of(vma)} was made or changed without being locked")
        if was is not None and was[3] and now[3] and vma not in bench.seam.updated:
            found.append(f"the VMA {pages_of(vma)} was changed behind the back of its anon_vmas")
    return found + [f"{pages_of(vma)} has not come back" for vma in bench.seam.updating]


def audit_objects(bench: Bench, vmas: list[Vma]) -> list[str]:
    """Return objects of the slab caches against those that can be reached."""
    everything = vmas + bench.parents
    anon_vmas = {link.anon_vma for vma in everything for link in vma.anon_vma_chain}
    reachable = {
        "vm_area_struct": len(everything),
        "anon_vma": len(anon_vmas | {anon_vma.root for anon_vma in anon_vmas}),
        "anon_vma_chain": sum(len(vma.anon_vma_chain) for vma in everything),
        "numa_policy": sum(vma.vm_policy is not None for vma in vmas),
    }
    active = active_objects(bench.kernel)
    return [
        f"{active[name]} objects of {name} are in use, {count} can be reached"
        for name, count in reachable.items()
        if active[name] != count
    ]


def audit_end(bench: Bench) -> list[str]:
    """Return what is left after everything was unmapped."""
    found = [
        f"{count} objects of {name} leak" for name, count in left(active_objects(bench.kernel))
    ]
    counts = counters(bench.mm)
    # Some versions of the kernel miscount by themselves.
    counts["locked_vm"] -= int(bench.mm.locked_vm_miscount)
    counts["committed"] -= int(bench.kernel.commit_miscount)
    found += [f"{name} is {count} in the end" for name, count in left(counts)]
    if not bench.mm.mm_mt.empty():
        found.append("the tree is not empty in the end")
    return found + audit_files(bench, []) + audit_anon_vmas(bench, [])


def left(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return the counts that are not zero."""
    return [(name, count) for name, count in counts.items() if count]
