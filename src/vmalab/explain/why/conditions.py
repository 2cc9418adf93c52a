# SPDX-License-Identifier: GPL-2.0-or-later
"""What the conditions for a merge mean: the names of flags, what sets them, what each kind asks."""

from typing import Final

from vmalab.explain.why.barriers import (
    ANON_VMA,
    CLOSE_HOOK,
    FILE,
    FORK_CHAIN,
    NAME,
    OFFSET,
    PKEY,
    POLICY,
    SPECIAL,
    UNSEEN,
    USERFAULTFD,
    Causes,
)
from vmalab.linux.include import mm_flags
from vmalab.linux.include.mm_flags import VM_FLAG_LETTERS

# What sets a flag of these letters, or leaves it unset.
_SET_BY: Final = {
    "rd": "the protection: mmap, mprotect",
    "wr": "the protection: mmap, mprotect",
    "ex": "the protection: mmap, mprotect",
    "sh": "MAP_SHARED",
    "mr": "what the file was opened for",
    "mw": "what the file was opened for",
    "me": "what the file was opened for, and noexec mounts",
    "ms": "MAP_SHARED",
    "gd": "MAP_GROWSDOWN, and the stack",
    "um": "UFFDIO_REGISTER",
    "uw": "UFFDIO_REGISTER",
    "ui": "UFFDIO_REGISTER",
    "ur": "UFFDIO_REGISTER",
    "pf": "a driver",
    "io": "a driver",
    "mm": "a driver",
    "de": "a driver, and the vdso",
    "lo": "mlock, mlockall, MAP_LOCKED",
    "lf": "mlock2(MLOCK_ONFAULT), mlockall(MCL_ONFAULT)",
    "sr": "madvise(MADV_SEQUENTIAL), undone by MADV_NORMAL",
    "rr": "madvise(MADV_RANDOM), undone by MADV_NORMAL",
    "dc": "madvise(MADV_DONTFORK), undone by MADV_DOFORK",
    "ac": "private writable memory is charged, and stays so once written to",
    "nr": "MAP_NORESERVE",
    "ht": "MAP_HUGETLB",
    "sf": "MAP_SYNC",
    "ar": "the architecture",
    "wf": "madvise(MADV_WIPEONFORK), undone by MADV_KEEPONFORK",
    "dd": "madvise(MADV_DONTDUMP), undone by MADV_DODUMP",
    "hg": "madvise(MADV_HUGEPAGE); only MADV_NOHUGEPAGE takes it off, and sets nh",
    "nh": "madvise(MADV_NOHUGEPAGE); only MADV_HUGEPAGE takes it off, and sets hg",
    "mg": "madvise(MADV_MERGEABLE), prctl(PR_SET_MEMORY_MERGE)",
    "ss": "map_shadow_stack",
    "dp": "MAP_DROPPABLE",
    "sd": "a write since the last clear_refs",
    "gu": "MADV_GUARD_INSTALL",
    "sl": "mseal; it stays",
    PKEY: "pkey_mprotect",
}
_KINDS: Final = {
    SPECIAL: "memory of drivers (pf, io, mm) and memory that cannot grow (de) never merges",
    FILE: "both must be mapped through the same open file, or both through none",
    OFFSET: "the page offset must continue; anonymous memory keeps its own when mremap moves it",
    USERFAULTFD: "both must be registered with the same userfaultfd, or neither",
    POLICY: "the NUMA policies of mbind must be equal",
    NAME: "the names of prctl(PR_SET_VMA_ANON_NAME) must be equal",
    ANON_VMA: "each side was written to separately and keeps its own anon_vma",
    FORK_CHAIN: "one was inherited by fork and written to, the other was never written to",
    CLOSE_HOOK: "a VMA with a close hook may grow by a merge, but not be removed by one",
    UNSEEN: "what maps and smaps show is equal: one of these, or no call has tried to merge",
}
# Where one side may not even be read.
_GUARDS: Final = (
    "if these are guard pages: MADV_GUARD_INSTALL makes them without VMAs (since Linux 6.13)"
)


def _flag_names() -> dict[str, str]:
    """Return letters of VmFlags to the flag's name in the kernel."""
    names = {PKEY: "the protection key"}
    for name, value in vars(mm_flags).items():
        if name.startswith("VM_") and isinstance(value, int) and value in VM_FLAG_LETTERS:
            names.setdefault(VM_FLAG_LETTERS[value], name)
    return names


FLAG_NAMES: Final = _flag_names()


def notes_on(causes: Causes) -> list[str]:
    """Return a sentence on each condition; flags that are set by the same are told together."""
    found: list[str] = []
    for cause in causes:
        if cause.kind in _KINDS:
            found.append(f"{cause.kind}: {_KINDS[cause.kind]}")
            continue
        by_setter: dict[str, list[str]] = {}
        for letters in cause.detail.split():
            name = f"{letters} {FLAG_NAMES.get(letters, '')}".strip()
            by_setter.setdefault(_SET_BY.get(letters, "not known"), []).append(name)
        found += [f"{', '.join(names)}: {setter}" for setter, names in by_setter.items()]
        if "rd" in cause.detail.split():
            found.append(_GUARDS)
    return found
