# SPDX-License-Identifier: GPL-2.0-or-later
"""What a letter of a diagram stands for: one set of VMA properties, and its words.

    A = rw-p                            private, readable and writable, no page touched yet
    B = r-xp file:lib pgoff=10 a1       a file from page 0x10 on, with an anon_vma of its own
    C = rw-p a2<a1 lo -ac               a fork child's, locked, not accounted

The first word are the permissions as /proc/PID/maps prints them.  Private writable memory is
accounted (`ac`) unless it is `nr` or `ht`.  Then come, in any order, VmFlags words as smaps prints
them (with `-` in front: without that flag), and the words that the manual's page on testing lists.
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from vmalab.linux.include.mm_flags import (
    VM_ACCOUNT,
    VM_HUGETLB,
    VM_MAY_FLAGS,
    VM_MAYSHARE,
    VM_NORESERVE,
    VM_SHARED,
)
from vmalab.linux.include.proc_maps import (
    VM_FLAG_OF_LETTERS,
    vm_flag_letters,
    vm_flags_of_perms,
    vma_perms,
)

# What a VMA's owner may hook into: `close` (never removed by a merge), `nosplit` (refuses splits).
HOOK_WORDS: Final = ("close", "nosplit")
PERMISSIONS: Final = re.compile(r"[r-][w-][x-][ps]")
CHAIN: Final = re.compile(r"a\d+(<a\d+)*")
NAMED: Final = re.compile(r"(file|policy|name|uffd):([\w./#-]+)")
PGOFF: Final = re.compile(r"pgoff=([0-9a-f]{1,12})")


@dataclass(frozen=True, slots=True)
class Kind:
    """The properties that a letter stands for, or that a VMA was found with.

    flags: VM_* bits; file: the name of an open file, "" without; pgoff: page offset, None for the
    usual one; chain: names of anon_vmas, the VMA's own first, then its ancestors' (empty: no page
    was ever touched); policy, name, uffd: "" without; hooks: of HOOK_WORDS; ops: whether the VMA
    has operations, which makes it not anonymous.
    """

    flags: int
    file: str = ""
    pgoff: int | None = None
    chain: tuple[str, ...] = ()
    policy: str = ""
    name: str = ""
    uffd: str = ""
    hooks: tuple[str, ...] = ()
    ops: bool = False

    def text(self) -> str:
        """Return the words that `parse_kind` reads back as this kind."""
        flags = self.flags
        usual = usual_flags(vma_perms(flags), flags)
        words = [vma_perms(flags)]
        words += [f"file:{self.file}"] if self.file else []
        words += [f"pgoff={self.pgoff:x}"] if self.pgoff is not None else []
        words += ["<".join(self.chain)] if self.chain else []
        words += vm_flag_letters(flags & ~usual)
        words += ["-" + word for word in vm_flag_letters(usual & ~flags)]
        for label, value in (("policy", self.policy), ("name", self.name), ("uffd", self.uffd)):
            words += [f"{label}:{value}"] if value else []
        words += self.hooks
        if self.ops != usual_ops(self.file, self.hooks):
            words.append("ops" if self.ops else "noops")
        return " ".join(words)


def usual_flags(perms: str, flags: int) -> int:
    """Return the bits that permissions imply.

    `flags` tells whether the memory is to be accounted.
    """
    implied = VM_MAY_FLAGS | vm_flags_of_perms(perms)
    if perms[3] == "s":
        return implied | VM_SHARED
    if perms[1] == "w" and not flags & (VM_NORESERVE | VM_HUGETLB):
        implied |= VM_ACCOUNT
    return implied


def usual_ops(file: str, hooks: tuple[str, ...]) -> bool:
    """Whether a VMA has operations when its words do not say: files' and hooked ones have."""
    return bool(file or hooks)


def parse_kind(text: str) -> Kind:
    """Read the words of one kind.  ValueError: what cannot be understood and why."""
    words = text.split()
    if not words or not PERMISSIONS.fullmatch(words[0]):
        raise ValueError(
            f"permissions like rw-p come first, not {words[0] if words else 'nothing'!r}"
        )
    added = removed = 0
    kind = Kind(0)
    hooks: list[str] = []
    ops: bool | None = None
    for word in words[1:]:
        if word.lstrip("-") in VM_FLAG_OF_LETTERS:
            flag = VM_FLAG_OF_LETTERS[word.lstrip("-")]
            added, removed = (added, removed | flag) if word[0] == "-" else (added | flag, removed)
        elif word in HOOK_WORDS:
            hooks.append(word)
        elif word in ("ops", "noops"):
            ops = word == "ops"
        else:
            kind = with_word(kind, word)
    flags = (usual_flags(words[0], added) | added) & ~removed
    kind = replace(kind, flags=flags, hooks=tuple(sorted(hooks)))
    return replace(kind, ops=usual_ops(kind.file, kind.hooks) if ops is None else ops)


def with_word(kind: Kind, word: str) -> Kind:
    """Return the kind with the property that one word names."""
    if CHAIN.fullmatch(word):
        own, *ancestors = word.split("<")
        return replace(kind, chain=(own, *ancestors))
    if match := PGOFF.fullmatch(word):
        return replace(kind, pgoff=int(match[1], 16))
    if match := NAMED.fullmatch(word):
        label, value = match.groups()
        if label == "file":
            return replace(kind, file=value)
        if label == "policy":
            return replace(kind, policy=value)
        return replace(kind, name=value) if label == "name" else replace(kind, uffd=value)
    raise ValueError(f"{word!r} is no VmFlags word and no property")


def first_pgoff(kind: Kind, start: int) -> int:
    """Return the page offset of a kind at the page where its letter first appears."""
    if kind.pgoff is not None:
        return kind.pgoff
    return 0 if kind.ops or kind.file or kind.flags & VM_MAYSHARE else start
