# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes an address space be as a recorded map shows it, where the two differ, and nothing else.

This is for after a difference, so that one mistake is not reported a thousand times, and for what a
recording alone can know. What lines do not show (anon_vmas, policies, names of inodes) is kept from
the VMAs that were at the place.
"""

from vmalab.calls.map_line import map_line
from vmalab.calls.snapshot import NO_FILE, Snapshot, VmaLine
from vmalab.calls.vm_flag_words import SHOWN, UNKNOWN_WORD
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import (
    VM_ACCOUNT,
    VM_LOCKED,
    VM_MAYSHARE,
    is_data_mapping,
    is_exec_mapping,
    is_stack_mapping,
)
from vmalab.linux.include.page import PAGE_SHIFT, USER_END
from vmalab.linux.mm.rmap import anon_vma_clone
from vmalab.linux.types.file import File
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import Mm, Vma, vma_pages
from vmalab.targets.model.capture import hold, let_go, new_vma, remove, store
from vmalab.targets.model.identity import Identities, difference_of
from vmalab.targets.model.map_image import anonymous_pgoff, file_of_line, file_of_vma, ops_of
from vmalab.targets.model.vmflags import (
    PERMISSIONS,
    bits_of_line,
    flags_to_restore,
)


def charged_pages(mm: Mm) -> int:
    """Return pages of the VMAs that count against the commit limit."""
    return sum(vma_pages(vma) for vma in mm_vmas(mm) if vma.vm_flags & VM_ACCOUNT)


def reshape(machine: MachineState, identities: Identities, mm: Mm, lines: Snapshot) -> int:
    """Make the map be `lines`; answers in how many places it was not."""
    charged = charged_pages(mm)
    vmas = mm_vmas(mm)
    lines = _sane(lines, mm.task_size)
    places = 0
    i = j = 0
    while i < len(vmas) or j < len(lines):
        if i < len(vmas) and j < len(lines):
            if not difference_of(vmas[i], map_line(lines[j]), identities, False):
                i += 1
                j += 1
                continue
        first_vma, first_line = i, j
        end = 0
        if i < len(vmas) and (j == len(lines) or vmas[i].vm_start <= lines[j].start):
            end = vmas[i].vm_end
        else:
            end = lines[j].end
        grown = True
        while grown:
            grown = False
            while i < len(vmas) and vmas[i].vm_start < end:
                end = max(end, vmas[i].vm_end)
                i += 1
                grown = True
            while j < len(lines) and lines[j].start < end:
                end = max(end, lines[j].end)
                j += 1
                grown = True
        _replace(machine, identities, mm, vmas[first_vma:i], lines[first_line:j])
        places += 1
    if places:
        recount(mm, charged)
    return places


def _sane(lines: Snapshot, task_size: int) -> Snapshot:
    """Return the lines that can be VMAs at the same time; a map that was read torn has others."""
    sane: Snapshot = []
    end = 0
    for line in lines:
        if end <= line.start < line.end <= task_size:
            sane.append(line)
            end = line.end
    return sane


def _replace(
    machine: MachineState, identities: Identities, mm: Mm, vmas: list[Vma], lines: Snapshot
) -> None:
    donors = [hold(vma) for vma in vmas]
    for vma in vmas:
        remove(vma)
    for line in lines:
        if line.start < USER_END:
            _make(machine, identities, mm, line, _donor(donors, line))
    for donor in donors:
        let_go(donor)


def _donor(donors: list[Vma], line: VmaLine) -> Vma | None:
    """The old VMA that a line continues: it overlaps, and has the same file or none either."""
    for donor in donors:
        if donor.vm_start < line.end and line.start < donor.vm_end:
            file = donor.vm_file
            shown = NO_FILE if file is None else (file.inode.dev, file.inode.ino)
            if shown == line.identity:
                return donor
    return None


def _flags(line: VmaLine, donor: Vma | None) -> int:
    if donor is None:
        return flags_to_restore(line)
    told = PERMISSIONS if line.flags is None else SHOWN
    return (donor.vm_flags & ~told) | (bits_of_line(line) & ~UNKNOWN_WORD)


def _make(
    machine: MachineState, identities: Identities, mm: Mm, line: VmaLine, donor: Vma | None
) -> None:
    """Enter a VMA that looks like the line, with what the donor had besides."""
    vma = new_vma(mm)
    vma.vm_start, vma.vm_end = line.start, line.end
    vma.vm_flags = _flags(line, donor)
    file: File | None = None
    if line.identity != NO_FILE:
        file = donor.vm_file if donor is not None else None
        if file is None:
            opened = file_of_line(machine, identities, line)
            file = file_of_vma(opened)
            if file is not opened:
                machine.seam.get_file(file)
                machine.seam.fput(opened)
        else:
            machine.seam.get_file(file)
    vma.vm_file = file
    if file is not None:
        vma.vm_pgoff = line.pgoff >> PAGE_SHIFT
        vma.vm_ops = donor.vm_ops if donor is not None else ops_of(file.f_op)
    elif donor is not None:
        vma.vm_pgoff = max(donor.vm_pgoff + ((line.start - donor.vm_start) >> PAGE_SHIFT), 0)
        vma.vm_ops = donor.vm_ops
    else:
        vma.vm_pgoff = anonymous_pgoff(line)
    if donor is not None:
        vma.vm_userfaultfd_ctx = donor.vm_userfaultfd_ctx
        vma.anon_name = donor.anon_name
        mm.seam.vma_dup_policy(donor, vma)
        if vma.vm_flags & VM_MAYSHARE == 0:
            vma.anon_vma = donor.anon_vma
            anon_vma_clone(vma, donor)
    store(mm, vma)


def recount(mm: Mm, charged_before: int) -> None:
    """Make the counters of an mm agree with its VMAs. charged_before: its charge then, pages."""
    mm.total_vm = mm.data_vm = mm.exec_vm = mm.stack_vm = 0
    locked = charged = 0
    for vma in mm_vmas(mm):
        pages = vma_pages(vma)
        mm.total_vm += pages
        if vma.vm_flags & VM_LOCKED:
            locked += pages
        if vma.vm_flags & VM_ACCOUNT:
            charged += pages
        if is_exec_mapping(vma.vm_flags):
            mm.exec_vm += pages
        elif is_stack_mapping(vma.vm_flags):
            mm.stack_vm += pages
        elif is_data_mapping(vma.vm_flags):
            mm.data_vm += pages
    mm.locked_vm = locked + mm.locked_vm_miscount
    mm.kernel.committed_as += charged - charged_before
