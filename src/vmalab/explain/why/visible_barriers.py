# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps the VMAs of a bare snapshot apart, as far as maps or smaps shows it.

Two VMAs as the lines show them are put to the engine. What no line shows counts as equal; where
nothing else is left, it is the cause, and what it can have been is told.
"""

from collections.abc import Mapping
from typing import Final, final

from vmalab.calls.snapshot import NO_FILE, UNKNOWN, VmaLine
from vmalab.explain.why.barriers import FLAGS, UNSEEN, Causes, Prober, cause
from vmalab.linux.include.mm_flags import VM_FLAG_LETTERS
from vmalab.linux.include.proc_maps import vm_flags_of_perms
from vmalab.linux.types.file import FMODE_READ, I_REG, File, FileOps, Inode
from vmalab.linux.types.mm_types import Mempolicy, Mm, Vma
from vmalab.targets.model.vmflags import flags_to_restore

_ANON_NAMES: Final = ("[anon:", "[anon_shmem:")
# Letters of VmFlags that a registration with userfaultfd sets.
_UFFD: Final = frozenset(("um", "uw", "ui", "ur"))

# What numa_maps shows of a VMA without a policy, in a task without one.
DEFAULT_POLICY: Final = "default"
_LETTERS: Final = frozenset((*VM_FLAG_LETTERS.values(), "??"))

# How the files of two lines are related.
_NONE: Final = 0
_SAME: Final = 1
_OTHER: Final = 2
_ONE: Final = 3


def anon_name(line: VmaLine) -> str | None:
    """Return the name that PR_SET_VMA_ANON_NAME gave, where it shows."""
    if not line.name.startswith(_ANON_NAMES):
        return None
    return line.name.partition(":")[2].removesuffix("]")


@final
class LineProber:
    """Finds what keeps lines of a snapshot apart; pairs of one form are put to the engine once."""

    def __init__(self, mm: Mm, policies: Mapping[int, str] | None = None) -> None:
        """mm: any address space of a machine that behaves as the snapshot's kernel.

        policies: what numa_maps shows, by the VMAs' starts; None or no entry: not known.
        """
        self._mm = mm
        self._policies = policies or {}
        self._prober = Prober(mm)
        self._known: dict[tuple[object, ...], Causes] = {}
        self._files = tuple(
            File(Inode(I_REG, "00:01", number), "", FMODE_READ, FileOps()) for number in (1, 2)
        )

    def causes(self, lower: VmaLine, upper: VmaLine) -> Causes:
        """The conditions that are seen to fail, else one of kind `UNSEEN` with what it may be."""
        relation = _relation(lower, upper)
        linear = (
            relation in (_NONE, _ONE)
            or UNKNOWN in (lower.pgoff, upper.pgoff)
            or upper.pgoff - lower.pgoff == upper.start - lower.start
        )
        names = (anon_name(lower), anon_name(upper)) if lower.name or upper.name else (None, None)
        policies = self.policy(lower), self.policy(upper)
        key = (
            lower.perms,
            lower.flags,
            lower.pkey,
            upper.perms,
            upper.flags,
            upper.pkey,
            relation,
            linear,
            names[0] == names[1],
            policies,
        )
        found = self._known.get(key)
        if found is None:
            if len(self._known) > 65536:
                self._known.clear()
            found = self._known[key] = self._ask(lower, upper, relation, linear, names)
        return found

    def policy(self, line: VmaLine) -> str | None:
        """Return the NUMA policy of a line, None where it is not known."""
        return self._policies.get(line.start)

    def _ask(
        self,
        lower: VmaLine,
        upper: VmaLine,
        relation: int,
        linear: bool,
        names: tuple[str | None, str | None],
    ) -> Causes:
        first, second = self._files
        low, high = Vma(self._mm), Vma(self._mm)
        low.vm_start, low.vm_end = 0x1000, 0x2000
        high.vm_start, high.vm_end = 0x2000, 0x3000
        low.vm_pgoff, high.vm_pgoff = 1, 2 if linear else 9
        low.vm_flags, high.vm_flags = _bits(lower, upper)
        low.anon_name, high.anon_name = names
        low.vm_file = None if lower.identity == NO_FILE else first
        high.vm_file = None if upper.identity == NO_FILE else second
        if relation == _SAME:
            high.vm_file = first
        policies = self.policy(lower), self.policy(upper)
        if None not in policies and policies[0] != policies[1]:
            low.vm_policy = Mempolicy(0, 0, 0, 0)
        found = _with_unknown(self._prober.causes(low, high), lower, upper)
        return found or (cause(UNSEEN, ", ".join(_possible(lower, upper, policies))),)


def _with_unknown(causes: Causes, lower: VmaLine, upper: VmaLine) -> Causes:
    """The causes, and letters that only one side has and no flag of the engine: newer kernels'."""
    words = set(lower.flags or ()).symmetric_difference(upper.flags or ())
    unknown = sorted(words.difference(_LETTERS))
    if not unknown or lower.flags is None or upper.flags is None:
        return causes
    known = [item.detail for item in causes if item.kind == FLAGS]
    rest = [item for item in causes if item.kind != FLAGS]
    return (cause(FLAGS, " ".join(known + unknown)), *rest)


def _bits(lower: VmaLine, upper: VmaLine) -> tuple[int, int]:
    """The flags that are known of two lines: where one shows none, the permissions of both."""
    if lower.flags is None or upper.flags is None:
        first, second = _known_permissions(lower.perms, upper.perms)
        return vm_flags_of_perms(first), vm_flags_of_perms(second)
    return flags_to_restore(lower), flags_to_restore(upper)


def _known_permissions(lower: str, upper: str) -> tuple[str, str]:
    """Return the permissions of two lines; what is not known of one counts as equal."""
    pairs = [
        ("-", "-") if "?" in (one, other) else (one, other)
        for one, other in zip(lower, upper, strict=True)
    ]
    return "".join(one for one, _ in pairs), "".join(other for _, other in pairs)


def _relation(lower: VmaLine, upper: VmaLine) -> int:
    if UNKNOWN in (lower.inode, upper.inode) and NO_FILE not in (lower.identity, upper.identity):
        # Names alone tell; what has none may be anything.
        return _SAME if lower.name == upper.name or "" in (lower.name, upper.name) else _OTHER
    if lower.identity == upper.identity:
        return _NONE if lower.identity == NO_FILE else _SAME
    return _ONE if NO_FILE in (lower.identity, upper.identity) else _OTHER


def _possible(lower: VmaLine, upper: VmaLine, policies: tuple[str | None, str | None]) -> list[str]:
    """Return what may keep two VMAs apart that look alike, by the names of kinds.

    Where policies show as equal, one may be of the task and the other of the VMA, but not so the
    default one.
    """
    found = []
    if lower.flags is None or upper.flags is None:
        found.append("flags")
    has_file = lower.identity != NO_FILE
    if has_file:
        found.append("file opened apart")
    if not has_file or UNKNOWN in (lower.pgoff, upper.pgoff):
        found.append("offset")
    shared = lower.perms[3] == "s"
    if not shared:
        found += ["anon_vma", "fork chain"]
    if lower.flags is not None and _UFFD.intersection(lower.flags):
        found.append("userfaultfd")
    if lower.flags is None:
        found.append("userfaultfd")
    if policies != (DEFAULT_POLICY, DEFAULT_POLICY):
        found.append("policy")
    if has_file:
        found.append("close hook")
    found.append("not tried")
    return found
