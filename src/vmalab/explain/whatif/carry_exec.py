# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries over what exec maps: program, loader, vdso and stack may lie elsewhere with a change.

Another layout, or another limit of the stack, moves where mappings begin.
"""

from vmalab.calls.snapshot import NO_FILE, VmaLine
from vmalab.explain.whatif.address_map import AddressMap
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.types.mm_types import Mm
from vmalab.targets.model.model import line_of_vma

# What a VMA is: its file or its name, and where in the file; with what it lies behind, and which of
# several alike it is.
_Part = tuple[object, ...]


def carried_image(mm: Mm, other: Mm) -> AddressMap:
    """Return where the VMAs of a new program are in another address space; some may be lost."""
    translation = AddressMap()
    there = _parts(other)
    for part, line in _parts(mm).items():
        found = there.get(part)
        translation.set(line.start, line.end, None if found is None else found.start - line.start)
    return translation


def _parts(mm: Mm) -> dict[_Part, VmaLine]:
    """Return the VMAs of a new program by what they are."""
    found: dict[_Part, VmaLine] = {}
    behind: _Part = ()
    for vma in mm_vmas(mm):
        line = line_of_vma(vma)
        part: _Part = (line.identity, line.name, line.pgoff)
        if line.identity == NO_FILE:
            # The bss of the file below, or one of the kernel's own.
            part = (line.name, behind if line.name == "" else ())
        else:
            behind = part
        count = 0
        while (*part, count) in found:
            count += 1
        found[(*part, count)] = line
    return found
