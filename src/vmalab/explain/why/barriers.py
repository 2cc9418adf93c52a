# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks the engine which of the conditions for a merge keep two neighbouring VMAs apart.

Each condition is put to the engine's own predicates with all else equal, so that what is told here
is what the engine, or a user's rule, would do.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

from vmalab.linux.include.mm_flags import VM_PKEY_MASK, VM_SPECIAL, VM_UFFD_MASK
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.mm.vma.merge import (
    can_merge_remove_vma,
    can_vma_merge_left,
    is_mergeable_anon_vma,
    is_mergeable_vma,
)
from vmalab.linux.mm.vma.state import Vmg
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi

# Kinds of causes, in the order in which they are told.
SPECIAL: Final = "special"
FLAGS: Final = "flags"
FILE: Final = "file"
OFFSET: Final = "offset"
USERFAULTFD: Final = "userfaultfd"
POLICY: Final = "policy"
NAME: Final = "name"
ANON_VMA: Final = "anon_vma"
FORK_CHAIN: Final = "fork chain"
CLOSE_HOOK: Final = "close hook"
# Not a condition: what a bare snapshot does not show.
UNSEEN: Final = "not shown"
KINDS: Final = (
    SPECIAL,
    FLAGS,
    FILE,
    OFFSET,
    USERFAULTFD,
    POLICY,
    NAME,
    ANON_VMA,
    FORK_CHAIN,
    CLOSE_HOOK,
    UNSEEN,
)
# Details of causes.
OPENED_APART: Final = "same file, opened apart"
OTHER_FILE: Final = "another file"
ONE_HAS_NONE: Final = "one has none"
OF_FILE: Final = "of the file"
OF_ANONYMOUS: Final = "of anonymous memory"
PKEY: Final = "pkey"


@dataclass(frozen=True, slots=True, order=True)
class Cause:
    """A condition that fails. kind: one of `KINDS`. detail: of what sort; of flags, the letters."""

    kind: str
    detail: str = ""

    @property
    def text(self) -> str:
        """ "flags nh"."""
        return f"{self.kind} {self.detail}" if self.detail else self.kind


Causes = tuple[Cause, ...]


@lru_cache(maxsize=4096)
def cause(kind: str, detail: str = "") -> Cause:
    """Return a cause; equal ones are the same object."""
    return Cause(kind, detail)


@lru_cache(maxsize=4096)
def flags_cause(bits: int) -> Cause:
    """Return the cause that VM_* bits are, by the letters of smaps; a protection key is "pkey"."""
    words = list(vm_flag_letters(bits))
    if bits & VM_PKEY_MASK:
        words.append(PKEY)
    return Cause(FLAGS, " ".join(words))


@final
class Prober:
    """Finds what keeps VMAs of one address space apart. A hole between two counts as filled."""

    def __init__(self, mm: Mm) -> None:
        self._seam = mm.seam
        self._vmg = Vmg(mm, Vmi(mm, 0), 0, 0, 0, 0)

    def causes(self, lower: Vma, upper: Vma) -> Causes:
        """Return the conditions that fail between two VMAs.

        None: the next call there could merge them.

        Preconditions: lower ends where upper starts, or before.
        """
        found: list[Cause] = []
        if lower.vm_flags & upper.vm_flags & VM_SPECIAL:
            found.append(self._special(lower, upper))
        same_context = self._holds_context(lower, upper)
        if lower.vm_flags != upper.vm_flags:
            found += self._flags(lower, upper, same_context)
        found += self._file(lower, upper)
        if not same_context:
            found.append(cause(USERFAULTFD))
        if lower.vm_policy is not upper.vm_policy and not self._holds_policy(lower, upper):
            found.append(cause(POLICY))
        if lower.anon_name != upper.anon_name and not self._holds_name(lower, upper):
            found.append(cause(NAME))
        found += self._anon_vma(lower, upper)
        return tuple(found)

    def _alike(self, lower: Vma, upper: Vma) -> Vmg:
        """Return a proposal for upper's range that is like lower in all that is compared."""
        vmg = self._vmg
        vmg.prev = lower
        vmg.middle = upper
        vmg.next = None
        vmg.start = lower.vm_end
        vmg.end = lower.vm_end + (upper.vm_end - upper.vm_start)
        vmg.vm_flags = lower.vm_flags
        vmg.pgoff = lower.vm_pgoff + ((lower.vm_end - lower.vm_start) >> PAGE_SHIFT)
        vmg.file = lower.vm_file
        vmg.anon_vma = lower.anon_vma
        vmg.policy = lower.vm_policy
        vmg.uffd_ctx = lower.vm_userfaultfd_ctx
        vmg.anon_name = lower.anon_name
        vmg.anon_delta = lower.anon_delta
        return vmg

    def _special(self, lower: Vma, upper: Vma) -> Cause:
        return cause(
            SPECIAL, " ".join(vm_flag_letters(lower.vm_flags & upper.vm_flags & VM_SPECIAL))
        )

    def _flags(self, lower: Vma, upper: Vma, same_context: bool) -> list[Cause]:
        """Return the bits that may not differ; those of userfaultfd belong to its context."""
        vmg = self._alike(lower, upper)
        rest: int = lower.vm_flags ^ upper.vm_flags
        if not same_context:
            rest &= ~VM_UFFD_MASK
        failing = 0
        while rest:
            bit = rest & -rest
            rest ^= bit
            vmg.vm_flags = lower.vm_flags ^ bit
            if not is_mergeable_vma(self._seam, vmg, lower):
                failing |= bit
        return [flags_cause(failing)] if failing else []

    def _file(self, lower: Vma, upper: Vma) -> list[Cause]:
        """Return the file, and the offset into it, which means nothing between two files."""
        found: list[Cause] = []
        vmg = self._alike(lower, upper)
        if lower.vm_file is not upper.vm_file:
            vmg.file = upper.vm_file
            if not is_mergeable_vma(self._seam, vmg, lower):
                found.append(_file_cause(lower, upper))
                if found[0].detail != OPENED_APART:
                    return found
            vmg = self._alike(lower, upper)
        vmg.anon_delta = upper.anon_delta
        same_delta = is_mergeable_vma(self._seam, vmg, lower)
        vmg = self._alike(lower, upper)
        vmg.pgoff = upper.vm_pgoff - ((upper.vm_start - lower.vm_end) >> PAGE_SHIFT)
        if not same_delta or not can_vma_merge_left(self._seam, vmg):
            of_file = lower.vm_file is not None and same_delta
            found.append(cause(OFFSET, OF_FILE if of_file else OF_ANONYMOUS))
        return found

    def _holds_context(self, lower: Vma, upper: Vma) -> bool:
        if lower.vm_userfaultfd_ctx is upper.vm_userfaultfd_ctx:
            return True
        vmg = self._alike(lower, upper)
        vmg.uffd_ctx = upper.vm_userfaultfd_ctx
        return is_mergeable_vma(self._seam, vmg, lower)

    def _holds_policy(self, lower: Vma, upper: Vma) -> bool:
        vmg = self._alike(lower, upper)
        vmg.policy = upper.vm_policy
        return is_mergeable_vma(self._seam, vmg, lower)

    def _holds_name(self, lower: Vma, upper: Vma) -> bool:
        vmg = self._alike(lower, upper)
        vmg.anon_name = upper.anon_name
        return is_mergeable_vma(self._seam, vmg, lower)

    def _anon_vma(self, lower: Vma, upper: Vma) -> list[Cause]:
        """Whether either may take the other in: into lower, or into upper, as a call would try."""
        into_lower, into_upper = self._shares_anon_vma(lower, upper)
        drop_upper = can_merge_remove_vma(upper)
        drop_lower = can_merge_remove_vma(lower)
        if (into_lower and drop_upper) or (into_upper and drop_lower):
            return []
        found: list[Cause] = []
        if not into_lower and not into_upper:
            both = lower.anon_vma is not None and upper.anon_vma is not None
            found.append(cause(ANON_VMA) if both else cause(FORK_CHAIN))
        if not drop_upper and not drop_lower:
            found.append(cause(CLOSE_HOOK))
        return found or [cause(ANON_VMA), cause(CLOSE_HOOK)]

    def _shares_anon_vma(self, lower: Vma, upper: Vma) -> tuple[bool, bool]:
        """Return whether the anon_vmas allow upper to go into lower, and lower into upper."""
        vmg = self._vmg
        vmg.middle, vmg.anon_vma = upper, upper.anon_vma
        into_lower = is_mergeable_anon_vma(vmg, lower)
        vmg.middle, vmg.anon_vma = lower, lower.anon_vma
        return into_lower, is_mergeable_anon_vma(vmg, upper)


def _file_cause(lower: Vma, upper: Vma) -> Cause:
    if lower.vm_file is None or upper.vm_file is None:
        return cause(FILE, ONE_HAS_NONE)
    if lower.vm_file.inode is upper.vm_file.inode:
        return cause(FILE, OPENED_APART)
    return cause(FILE, OTHER_FILE)
