# SPDX-License-Identifier: GPL-2.0-or-later
"""Checking every invariant of an address space, and saying which one is broken.

Each check answers "" or one sentence that names the invariant and the VMA; `validate_mm` joins
them. Counters are compared with a recount, so a drift is found at the operation that caused it.
"""

from mypy_extensions import i64

from vmalab.linux.mm.vma_internal import (
    PAGE_MASK,
    PAGE_SHIFT,
    TASK_SIZE_5LEVEL,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_SHARED,
    Mm,
    Vma,
    Vmi,
    is_data_mapping,
    is_exec_mapping,
    is_stack_mapping,
    mapping_maps,
    vma_pages,
)


def mm_violations(mm: Mm) -> list[str]:
    """Return every broken invariant of `mm`, a sentence each; empty when all hold."""
    found = tree_violations(mm)
    check_attached(mm, found)
    check_counters(mm, found)
    return found


def tree_violations(mm: Mm) -> list[str]:
    """Return every broken invariant but those that hold between operations only.

    Page counters change last, and a VMA that is about to go is marked before it leaves the tree.

    Kernel: validate_mm(), which checks the tree against the VMAs, and map_count.
    """
    found: list[str] = []
    mm.validate_tree()
    count: i64 = 0
    previous: Vma | None = None
    vmi = Vmi(mm, 0)
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        count += 1
        where = f"{vma.vm_start:x}-{vma.vm_end:x}"
        if vmi.addr() != vma.vm_start or vmi.end() != vma.vm_end:
            found.append(f"{where}: the tree holds it at {vmi.addr():x}-{vmi.end():x}")
        check_vma(mm, vma, where, found)
        if previous is not None and previous.vm_end > vma.vm_start:
            found.append(f"{where}: overlaps the VMA below it")
        check_anon_vma(vma, where, found)
        previous = vma
        vma = vmi.find(TASK_SIZE_5LEVEL)
    if count != mm.map_count:
        found.append(f"map_count is {mm.map_count}, the tree holds {count} VMAs")
    return found


def check_vma(mm: Mm, vma: Vma, where: str, found: list[str]) -> None:
    """What must hold for one VMA by itself."""
    if vma.vm_mm is not mm:
        found.append(f"{where}: belongs to another mm")
    if vma.vm_start >= vma.vm_end:
        found.append(f"{where}: empty or reversed range")
    if vma.vm_start & ~PAGE_MASK != 0 or vma.vm_end & ~PAGE_MASK != 0:
        found.append(f"{where}: not page aligned")
    if not 0 <= vma.vm_start < vma.vm_end <= mm.task_size:
        found.append(f"{where}: outside the address space")
    if vma.vm_pgoff < 0:
        found.append(f"{where}: negative page offset")
    may = (vma.vm_flags & (VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)) >> 4
    if vma.vm_flags & 7 & ~may != 0 and vma.vm_ops is None:
        found.append(f"{where}: has access rights that it may not have")
    if vma.vm_flags & VM_SHARED != 0 and vma.vm_file is None:
        found.append(f"{where}: shared without a file")
    file = vma.vm_file
    if file is not None:
        node = vma.shared
        if node is None or not mapping_maps(file.inode.i_mapping, vma):
            found.append(f"{where}: missing in its file's reverse map")
        elif node.start != vma.vm_pgoff or node.last != vma.vm_pgoff + vma_pages(vma) - 1:
            found.append(f"{where}: its file's reverse map has it at other pages")
        if file.f_count <= 0:
            found.append(f"{where}: its file has no references left")


def check_anon_vma(vma: Vma, where: str, found: list[str]) -> None:
    """What must hold between a VMA and the anon_vmas it is chained to."""
    own = vma.anon_vma
    if own is None:
        if len(vma.anon_vma_chain) != 0:
            found.append(f"{where}: a chain of anon_vmas without one of its own")
        return
    linked = False
    for avc in vma.anon_vma_chain:
        if avc.vma is not vma:
            found.append(f"{where}: a chain link of another VMA")
        if avc.anon_vma.nr_links <= 0:
            found.append(f"{where}: chained to an anon_vma that counts no links")
        if avc.anon_vma.root is not own.root:
            found.append(f"{where}: chained to an anon_vma of another root")
        linked = linked or avc.anon_vma is own
    if not linked:
        found.append(f"{where}: its anon_vma is not in its chain")
    if own.num_active_vmas <= 0:
        found.append(f"{where}: its anon_vma counts no active VMA")


def check_attached(mm: Mm, found: list[str]) -> None:
    """Find VMAs in the tree that are marked as taken out of it."""
    vmi = Vmi(mm, 0)
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        if not vma.attached:
            found.append(f"{vma.vm_start:x}-{vma.vm_end:x}: in the tree but marked detached")
        vma = vmi.find(TASK_SIZE_5LEVEL)


def check_counters(mm: Mm, found: list[str]) -> None:
    """Compare the mm's page counters with a recount."""
    total: i64 = 0
    locked: i64 = 0
    executable: i64 = 0
    stack: i64 = 0
    data: i64 = 0
    vmi = Vmi(mm, 0)
    vma = vmi.find(TASK_SIZE_5LEVEL)
    while vma is not None:
        pages = (vma.vm_end - vma.vm_start) >> PAGE_SHIFT
        total += pages
        if vma.vm_flags & VM_LOCKED != 0:
            locked += pages
        if is_exec_mapping(vma.vm_flags):
            executable += pages
        elif is_stack_mapping(vma.vm_flags):
            stack += pages
        elif is_data_mapping(vma.vm_flags):
            data += pages
        vma = vmi.find(TASK_SIZE_5LEVEL)
    # The kernel itself miscounts locked pages after MREMAP_DONTUNMAP in some versions.
    locked += mm.locked_vm_miscount
    for name, kept, counted in (
        ("total_vm", mm.total_vm, total),
        ("locked_vm", mm.locked_vm, locked),
        ("exec_vm", mm.exec_vm, executable),
        ("stack_vm", mm.stack_vm, stack),
        ("data_vm", mm.data_vm, data),
    ):
        if kept != counted:
            found.append(f"{name} is {kept} pages, a recount gives {counted}")
