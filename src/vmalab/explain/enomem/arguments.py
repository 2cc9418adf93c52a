# SPDX-License-Identifier: GPL-2.0-or-later
"""Predicates of arguments: what about a call is against the rules, as a sentence, or "".

They explain an answer that the engine has given; nothing is decided here.
"""

from collections.abc import Callable, Iterator
from typing import Final

from vmalab.calls.call import Call
from vmalab.linux.include.mm_flags import (
    VM_HUGETLB,
    VM_LOCKED,
    VM_PFNMAP,
    VM_SPECIAL,
)
from vmalab.linux.include.page import ULONG_MAX
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.include.uapi.mempolicy import (
    MPOL_MF_MOVE,
    MPOL_MF_MOVE_ALL,
    MPOL_MF_STRICT,
)
from vmalab.linux.mm.madvise import madvise_behavior_valid
from vmalab.linux.mm.mempolicy import read_request
from vmalab.linux.mm.mmap import LEGACY_MAP_MASK
from vmalab.linux.mm.pkeys import mm_pkey_is_allocated
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, File
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi

_TOP: Final = 1 << 56

Breaks = Callable[[Call, Mm], str]
# (errno, the argument's name in the manual page, what is broken).
Rule = tuple[int, str, Breaks]


def mapped_file(call: Call, mm: Mm) -> File | None:
    """The file of an mmap's descriptor."""
    owner = mm.owner
    if owner is None or call.args[3] & m.MAP_ANONYMOUS:
        return None
    return owner.files.fget(call.args[4] & 0xFFFFFFFF)


def ranged(call: Call, mm: Mm) -> Iterator[Vma]:
    """The VMAs in the range of the first two arguments."""
    start = min(call.args[0], _TOP)
    vmi = Vmi(mm, start)
    end = min(start + call.args[1], _TOP)
    while start < end and (vma := vmi.find(end)) is not None:
        yield vma


def any_vma(call: Call, mm: Mm, flags: int) -> Vma | None:
    """The first VMA in the range with one of the flags."""
    return next((vma for vma in ranged(call, mm) if vma.vm_flags & flags), None)


def unaligned(index: int) -> Breaks:
    """An argument that must be a multiple of the page size."""

    def breaks(call: Call, mm: Mm) -> str:
        value = call.args[index]
        return f"{value:#x} is no multiple of the page size" if value & 4095 else ""

    return breaks


def zero(index: int) -> Breaks:
    """An argument that must not be 0."""

    def breaks(call: Call, mm: Mm) -> str:
        return "it is 0" if call.args[index] == 0 else ""

    return breaks


def unknown_bits(index: int, known: int) -> Breaks:
    """An argument of flags, with those that there are."""

    def breaks(call: Call, mm: Mm) -> str:
        rest = call.args[index] & 0xFFFFFFFF & ~known
        return f"the kernel knows no flag {rest:#x} here" if rest else ""

    return breaks


def wraps(call: Call, mm: Mm) -> str:
    """The first two arguments reach beyond the last address."""
    end = call.args[0] + call.args[1] + 4095
    return "address and length wrap around the end of the address space" if end > ULONG_MAX else ""


def beyond(call: Call, mm: Mm) -> str:
    """The first two arguments reach beyond the address space."""
    if call.args[0] + call.args[1] <= mm.task_size:
        return ""
    return f"the range ends beyond the address space, which ends at {mm.task_size:#x}"


def far_beyond(call: Call, mm: Mm) -> str:
    """One of the first two arguments alone reaches beyond the address space."""
    if call.args[0] <= mm.task_size and call.args[1] <= mm.task_size:
        return ""
    return f"the range ends beyond the address space, which ends at {mm.task_size:#x}"


def said(why: str) -> Breaks:
    """A rule that is the only one left."""

    def breaks(call: Call, mm: Mm) -> str:
        return why

    return breaks


# mmap.


def no_fd(call: Call, mm: Mm) -> str:
    """mmap's fd."""
    if call.args[3] & m.MAP_ANONYMOUS or mapped_file(call, mm) is not None:
        return ""
    return "it is no open descriptor, and MAP_ANONYMOUS is not set"


def mmap_length(call: Call, mm: Mm) -> str:
    """mmap's length, which may be rounded up to huge pages."""
    if call.args[3] & m.MAP_HUGETLB and call.args[1] > mm.task_size:
        return "it wraps around when it is rounded up to huge pages"
    return zero(1)(call, mm)


def fixed_unaligned(call: Call, mm: Mm) -> str:
    """mmap's addr under MAP_FIXED."""
    if call.args[3] & (m.MAP_FIXED | m.MAP_FIXED_NOREPLACE) == 0:
        return ""
    return unaligned(0)(call, mm)


def no_type(call: Call, mm: Mm) -> str:
    """mmap's flags: what kind of mapping."""
    kind = call.args[3] & m.MAP_TYPE
    if kind in (m.MAP_SHARED, m.MAP_PRIVATE):
        return ""
    if kind == m.MAP_SHARED_VALIDATE:
        return "" if mapped_file(call, mm) is not None else "MAP_SHARED_VALIDATE is for files"
    return "it has neither MAP_SHARED nor MAP_PRIVATE"


def hugetlb_of_file(call: Call, mm: Mm) -> str:
    """mmap's MAP_HUGETLB."""
    file = mapped_file(call, mm)
    if call.args[3] & m.MAP_HUGETLB == 0:
        return ""
    if file is not None and not file.f_op.is_hugetlb:
        return "MAP_HUGETLB on a file that is not of huge pages"
    if not 0 < call.args[1] <= mm.task_size:
        return ""
    return "there are no huge pages of that size, or the place is not aligned to them"


def growsdown(call: Call, mm: Mm) -> str:
    """mmap's MAP_GROWSDOWN."""
    if call.args[3] & m.MAP_GROWSDOWN == 0:
        return ""
    return "MAP_GROWSDOWN is for private anonymous memory"


def huge_alignment(call: Call, mm: Mm) -> str:
    """mmap of a file of huge pages."""
    file = mapped_file(call, mm)
    if file is None or not file.f_op.is_hugetlb:
        return ""
    return "address, length and offset must be multiples of the file's huge pages"


def unknown_mmap_flags(call: Call, mm: Mm) -> str:
    """mmap's flags under MAP_SHARED_VALIDATE."""
    rest = call.args[3] & ~LEGACY_MAP_MASK & 0xFFFFFFFF
    return f"MAP_SHARED_VALIDATE, and the file does not support {rest:#x}"


def wrong_mode(call: Call, mm: Mm) -> str:
    """How mmap's file was opened."""
    file = mapped_file(call, mm)
    if file is None:
        return ""
    shared = call.args[3] & m.MAP_SHARED and call.args[2] & m.PROT_WRITE
    if shared and file.f_mode & FMODE_WRITE == 0:
        return "MAP_SHARED and PROT_WRITE take a descriptor that is open for writing"
    if shared and file.inode.append:
        return "an append-only file cannot be mapped shared"
    if file.f_mode & FMODE_READ == 0:
        return "it is not open for reading, as every mapping takes"
    return ""


def noexec_or_sealed(call: Call, mm: Mm) -> str:
    """What mmap's file forbids."""
    file = mapped_file(call, mm)
    if file is not None and file.noexec and call.args[2] & m.PROT_EXEC:
        return "PROT_EXEC on a file of a file system that allows no execution"
    if file is not None and file.inode.seals > 0:
        return "the file is sealed against writing, and the mapping is shared and writable"
    return ""


# mprotect.


def bad_prot(call: Call, mm: Mm) -> str:
    """mprotect's prot."""
    prot = call.args[2]
    both = m.PROT_GROWSDOWN | m.PROT_GROWSUP
    if prot & both == both:
        return "PROT_GROWSDOWN and PROT_GROWSUP exclude each other"
    rest = prot & ~(both | m.PROT_READ | m.PROT_WRITE | m.PROT_EXEC | m.PROT_SEM)
    if rest:
        return f"the kernel knows no protection {rest:#x}"
    if call.name == "pkey_mprotect":
        return ""
    return "PROT_GROWSDOWN on memory that does not grow" if prot & both else ""


def bad_pkey(call: Call, mm: Mm) -> str:
    """pkey_mprotect's key."""
    key = call.args[3] & 0xFFFFFFFF
    signed = key - (1 << 32) if key >> 31 else key
    if signed == -1 or mm_pkey_is_allocated(mm, signed):
        return ""
    return f"{signed} is no allocated protection key"


def never_so(call: Call, mm: Mm) -> str:
    """Permissions that a mapping may never have."""
    for vma in ranged(call, mm):
        allowed = vma.vm_flags >> 4 & 7
        rest = call.args[2] & 7 & ~allowed
        if rest:
            names = "".join(letter for bit, letter in ((1, "r"), (2, "w"), (4, "x")) if rest & bit)
            return (
                f"the mapping at {vma.vm_start:#x} may never be {names}: its file was not opened "
                "for that, or lies where nothing is executed"
            )
    return ""


# madvise.


def advice_unknown(call: Call, mm: Mm) -> str:
    """madvise's advice, as such."""
    advice = call.args[2] & 0xFFFFFFFF
    return "" if madvise_behavior_valid(mm, advice) else "this kernel has no such advice"


# Advice -> flags of VMAs that cannot take it, and what those are.
_ADVISED: Final[dict[int, tuple[int, str]]] = {
    m.MADV_DONTNEED: (VM_LOCKED | VM_PFNMAP | VM_HUGETLB, "locked, of a device, or of huge pages"),
    m.MADV_DONTNEED_LOCKED: (VM_PFNMAP | VM_HUGETLB, "of a device, or of huge pages"),
    m.MADV_COLD: (VM_LOCKED | VM_PFNMAP | VM_HUGETLB, "locked, of a device, or of huge pages"),
    m.MADV_PAGEOUT: (VM_LOCKED | VM_PFNMAP | VM_HUGETLB, "locked, of a device, or of huge pages"),
    m.MADV_DODUMP: (VM_SPECIAL, "special: of a device, or not to be grown"),
    m.MADV_DOFORK: (VM_SPECIAL, "special: of a device, or not to be grown"),
    m.MADV_GUARD_INSTALL: (
        VM_SPECIAL | VM_HUGETLB | VM_LOCKED,
        "locked, of a device, or of huge pages",
    ),
    m.MADV_GUARD_REMOVE: (VM_SPECIAL | VM_HUGETLB, "of a device, or of huge pages"),
    m.MADV_REMOVE: (VM_LOCKED, "locked"),
}
# Advice that takes memory of a kind, and which.
_TAKES: Final[dict[int, str]] = {
    m.MADV_FREE: "private anonymous memory that is not locked",
    m.MADV_WIPEONFORK: "private anonymous memory",
    m.MADV_KEEPONFORK: "memory that is not MAP_DROPPABLE",
    m.MADV_REMOVE: "a mapping of a file",
    m.MADV_COLLAPSE: "memory that has pages and in which a huge page fits",
    m.MADV_POPULATE_READ: "memory that may be read",
    m.MADV_POPULATE_WRITE: "memory that may be written to",
}


def advised(call: Call, mm: Mm) -> str:
    """madvise's advice, and the memory that it is given."""
    advice = call.args[2] & 0xFFFFFFFF
    if advice in _ADVISED:
        flags, what = _ADVISED[advice]
        vma = any_vma(call, mm, flags)
        if vma is not None:
            return f"the mapping at {vma.vm_start:#x} is {what}"
    if advice in _TAKES:
        return f"the advice takes {_TAKES[advice]}"
    return ""


def not_shared(call: Call, mm: Mm) -> str:
    """MADV_REMOVE on private memory."""
    return "MADV_REMOVE takes a shared mapping that may be written to"


# Others.


def policy_flags(call: Call, mm: Mm) -> str:
    """mbind's flags, which are looked at before its range."""
    return unknown_bits(5, MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)(call, mm)


def policy_mode(call: Call, mm: Mm) -> str:
    """mbind's mode and nodes, which are looked at first."""
    nodes = None if call.mem is None else call.mem.get(3)
    request = read_request(mm, call.args[2], nodes, call.args[4])
    return "the mode, its flags or the nodes cannot be" if request.error else ""


def both_syncs(call: Call, mm: Mm) -> str:
    """msync's flags."""
    both = m.MS_ASYNC | m.MS_SYNC
    return "MS_ASYNC and MS_SYNC exclude each other" if call.args[2] & both == both else ""


def mlockall_flags(call: Call, mm: Mm) -> str:
    """mlockall's flags."""
    if call.args[0] & 0xFFFFFFFF in (0, m.MCL_ONFAULT):
        return "it has neither MCL_CURRENT nor MCL_FUTURE"
    return unknown_bits(0, m.MCL_CURRENT | m.MCL_FUTURE | m.MCL_ONFAULT)(call, mm)


def locked_memory(call: Call, mm: Mm) -> str:
    """MS_INVALIDATE on locked memory."""
    vma = any_vma(call, mm, VM_LOCKED)
    where = "" if vma is None else f" at {vma.vm_start:#x}"
    return f"MS_INVALIDATE on locked memory{where}"
