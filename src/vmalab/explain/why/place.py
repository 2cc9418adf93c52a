# SPDX-License-Identifier: GPL-2.0-or-later
"""One address looked at closely: the VMA there, and every condition for a merge at its two ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vmalab.calls.snapshot import UNKNOWN, Snapshot, VmaLine, vmas_of
from vmalab.explain.why.barriers import (
    ANON_VMA,
    CLOSE_HOOK,
    FILE,
    FLAGS,
    FORK_CHAIN,
    NAME,
    OFFSET,
    ONE_HAS_NONE,
    OTHER_FILE,
    POLICY,
    SPECIAL,
    UNSEEN,
    USERFAULTFD,
    Causes,
    Prober,
    cause,
)
from vmalab.explain.why.visible_barriers import DEFAULT_POLICY, LineProber, anon_name
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import VM_SPECIAL
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.mm.vma.merge import can_merge_remove_vma, vma_is_fork_child
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.targets.model.model import line_of_vma

NOT_KNOWN: Final = "not known"
NONE: Final = "none"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition for a merge. holds: None where that is not known. lower, upper: its values."""

    kind: str
    holds: bool | None
    lower: str
    upper: str


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where two VMAs meet, or face each other over a hole of so many bytes (0: none)."""

    lower: VmaLine
    upper: VmaLine
    hole: int
    conditions: tuple[Condition, ...]

    @property
    def failing(self) -> tuple[str, ...]:
        """The kinds of the conditions that are known to fail."""
        return tuple(item.kind for item in self.conditions if item.holds is False)


@dataclass(frozen=True, slots=True)
class Place:
    """The VMA at an address (bytes), None in a hole, and where it meets its neighbours."""

    address: int
    vma: VmaLine | None
    meetings: tuple[Meeting, ...]


_APART: Final = Condition(OFFSET, None, "of something else", "of something else")


def place_of_mm(mm: Mm, address: int) -> Place:
    """Return a place in the model."""
    vmas = mm_vmas(mm)
    return place_of_vmas(mm, vmas, [line_of_vma(vma) for vma in vmas], address)


def place_of_vmas(mm: Mm, vmas: Sequence[Vma], lines: Snapshot, address: int) -> Place:
    """Return a place among VMAs of which all is known, and their lines. mm: whose rules decide."""
    prober = Prober(mm)
    inside, pairs = _pairs(lines, address)
    meetings = []
    for low, high in pairs:
        causes = prober.causes(vmas[low], vmas[high])
        conditions = tuple(_of_vmas(vmas[low], vmas[high], causes))
        meetings.append(_meeting(lines[low], lines[high], conditions))
    return Place(address, inside, tuple(meetings))


def place_of_lines(lines: Snapshot, prober: LineProber, address: int) -> Place:
    """Return a place in a snapshot."""
    known = vmas_of(lines)
    inside, pairs = _pairs(known, address)
    meetings = []
    for low, high in pairs:
        causes = prober.causes(known[low], known[high])
        conditions = tuple(_of_lines(known[low], known[high], causes, prober))
        meetings.append(_meeting(known[low], known[high], conditions))
    return Place(address, inside, tuple(meetings))


def _pairs(lines: Snapshot, address: int) -> tuple[VmaLine | None, list[tuple[int, int]]]:
    """Return the VMA at an address, and its pairs of neighbours; in a hole, the pair around it."""
    at = next((index for index, line in enumerate(lines) if line.end > address), len(lines))
    inside = at < len(lines) and lines[at].start <= address
    lowers = (at - 1, at) if inside else (at - 1,)
    pairs = [(low, low + 1) for low in lowers if low >= 0 and low + 1 < len(lines)]
    return (lines[at] if inside else None), pairs


def _meeting(lower: VmaLine, upper: VmaLine, conditions: tuple[Condition, ...]) -> Meeting:
    return Meeting(lower, upper, upper.start - lower.end, conditions)


def _of_vmas(lower: Vma, upper: Vma, causes: Causes) -> list[Condition]:
    failing = {cause.kind for cause in causes}
    words = _flags(vm_flag_letters(lower.vm_flags), vm_flag_letters(upper.vm_flags))
    pages = (lower.vm_end - lower.vm_start) >> PAGE_SHIFT
    ends = lower.vm_pgoff + pages + ((upper.vm_start - lower.vm_end) >> PAGE_SHIFT)
    # Offsets of two files, or of a file and of none, have nothing to do with each other.
    one_file = cause(FILE, OTHER_FILE) not in causes and cause(FILE, ONE_HAS_NONE) not in causes
    values = {
        SPECIAL: (_special(lower), _special(upper)),
        FLAGS: words,
        FILE: (_file(lower), _file(upper)),
        OFFSET: (f"goes on at page {ends:#x}", f"starts at page {upper.vm_pgoff:#x}"),
        USERFAULTFD: (_context(lower), _context(upper)),
        POLICY: (_policy(lower), _policy(upper)),
        NAME: (lower.anon_name or NONE, upper.anon_name or NONE),
        ANON_VMA: (_anon(lower, "A"), _anon(upper, "A" if _same_anon(lower, upper) else "B")),
        FORK_CHAIN: (_chain(lower), _chain(upper)),
        CLOSE_HOOK: (_hook(lower), _hook(upper)),
    }
    found = [
        Condition(kind, kind not in failing, low, high) for kind, (low, high) in values.items()
    ]
    return [item if item.kind != OFFSET or one_file else _APART for item in found]


def _of_lines(
    lower: VmaLine, upper: VmaLine, causes: Causes, prober: LineProber
) -> list[Condition]:
    failing = {cause.kind for cause in causes} - {UNSEEN}
    has_file = lower.inode != 0 and upper.inode != 0
    offsets = has_file and UNKNOWN not in (lower.pgoff, upper.pgoff)
    flags = (lower.perms, upper.perms)
    if lower.flags is not None and upper.flags is not None:
        flags = _flags(lower.flags, upper.flags)
    ends = (lower.pgoff + upper.start - lower.start) >> PAGE_SHIFT
    goes_on = (f"goes on at page {ends:#x}", f"starts at page {upper.pgoff >> PAGE_SHIFT:#x}")
    low, high = prober.policy(lower) or NOT_KNOWN, prober.policy(upper) or NOT_KNOWN
    known = {
        FLAGS: (lower.flags is not None and upper.flags is not None, flags),
        FILE: (not has_file, (lower.name or NONE, upper.name or NONE)),
        OFFSET: (offsets, goes_on if offsets else (NOT_KNOWN, NOT_KNOWN)),
        USERFAULTFD: (False, (NOT_KNOWN, NOT_KNOWN)),
        POLICY: (low == high == DEFAULT_POLICY, (low, high)),
        NAME: (True, (anon_name(lower) or NONE, anon_name(upper) or NONE)),
        ANON_VMA: (False, (_anonymous(lower), _anonymous(upper))),
        FORK_CHAIN: (False, (NOT_KNOWN, NOT_KNOWN)),
        CLOSE_HOOK: (False, (NOT_KNOWN, NOT_KNOWN)),
    }
    return [
        Condition(kind, False if kind in failing else (True if sure else None), low, high)
        for kind, (sure, (low, high)) in known.items()
    ]


def _flags(lower: tuple[str, ...], upper: tuple[str, ...]) -> tuple[str, str]:
    """Return the letters that only one side has, or those that both have when there are none."""
    only_lower = [word for word in lower if word not in upper]
    only_upper = [word for word in upper if word not in lower]
    if not only_lower and not only_upper:
        return " ".join(lower), " ".join(upper)
    return (
        "only here: " + (" ".join(only_lower) or NONE),
        "only here: " + (" ".join(only_upper) or NONE),
    )


def _special(vma: Vma) -> str:
    return " ".join(vm_flag_letters(vma.vm_flags & VM_SPECIAL)) or "no"


def _file(vma: Vma) -> str:
    return NONE if vma.vm_file is None else vma.vm_file.path or "a file without a name"


def _context(vma: Vma) -> str:
    return NONE if vma.vm_userfaultfd_ctx is None else "registered"


def _policy(vma: Vma) -> str:
    policy = vma.vm_policy
    return "default" if policy is None else f"mode {policy.mode}, nodes {policy.nodes:#x}"


def _same_anon(lower: Vma, upper: Vma) -> bool:
    return lower.anon_vma is None or upper.anon_vma is lower.anon_vma


def _anon(vma: Vma, name: str) -> str:
    return "none: never written to" if vma.anon_vma is None else f"anon_vma {name}"


def _chain(vma: Vma) -> str:
    if vma.anon_vma is None:
        return NONE
    return "has a parent's pages" if vma_is_fork_child(vma) else "its own pages alone"


def _hook(vma: Vma) -> str:
    return "no" if can_merge_remove_vma(vma) else "yes"


def _anonymous(line: VmaLine) -> str:
    if line.anonymous is None:
        return NOT_KNOWN
    return f"{line.anonymous >> 10} KiB of anonymous pages"
