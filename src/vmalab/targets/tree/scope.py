# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls a tree's program can make, and why it cannot make the others.

It is built for user mode, which has no NUMA, no huge pages, no protection keys and no calls of
x86's own, and it has neither pages nor page tables: what only they decide has no answer here.
"""

import re
from typing import Final

from vmalab.calls.call import Call
from vmalab.linux.include.uapi.fcntl import F_ADD_SEALS, F_GET_SEALS
from vmalab.linux.include.uapi.mman import (
    MADV_COLLAPSE,
    MADV_GUARD_INSTALL,
    MADV_GUARD_REMOVE,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_REMOVE,
    MAP_32BIT,
    MAP_HUGETLB,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
)
from vmalab.linux.include.uapi.prctl import PR_SET_MEMORY_MERGE, PR_SET_VMA
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_EXACT_ADDRESS,
    UFFD_FEATURE_MISSING_HUGETLBFS,
    UFFD_FEATURE_MISSING_SHMEM,
    UFFD_FEATURE_POISON,
    UFFD_FEATURE_SIGBUS,
    UFFD_FEATURE_THREAD_ID,
    UFFDIO_API,
    UFFDIO_REGISTER,
    UFFDIO_REGISTER_MODE_MISSING,
    UFFDIO_UNREGISTER,
)
from vmalab.targets.tree.objects import KERNEL_SIDE

# Those that the program's table of calls has, and the end of a child.
CALLS: Final = frozenset(
    re.findall(r"\bNR_(\w+) = \d+", (KERNEL_SIDE / "calls.c").read_text("ascii"))
) | {"exit"}
_PAGES: Final = "there are no pages"
_ADVICE: Final = {
    MADV_GUARD_INSTALL: _PAGES,
    MADV_GUARD_REMOVE: _PAGES,
    MADV_REMOVE: _PAGES,
    MADV_COLLAPSE: "user mode has no huge pages",
}
_MAP_FLAGS: Final = {
    MAP_32BIT: "user mode has no 32-bit part of the address space",
    MAP_HUGETLB: "user mode has no huge pages",
}
# Without write protection and minor faults, which user mode lacks, and events, which wait.
_FEATURES: Final = (
    UFFD_FEATURE_EXACT_ADDRESS
    | UFFD_FEATURE_MISSING_HUGETLBFS
    | UFFD_FEATURE_MISSING_SHMEM
    | UFFD_FEATURE_POISON
    | UFFD_FEATURE_SIGBUS
    | UFFD_FEATURE_THREAD_ID
)
_POPULATES: Final = (MADV_POPULATE_READ, MADV_POPULATE_WRITE)
_IOCTLS: Final = (UFFDIO_API, UFFDIO_REGISTER, UFFDIO_UNREGISTER)
_PRCTLS: Final = (PR_SET_VMA, PR_SET_MEMORY_MERGE)


# The profile whose streams have userfaultfds; in theirs, no memory is touched.
_UFFD: Final = "uffd"
# Bytes, from which on it matters how an architecture searches the whole address space.
_MIN_ADDR: Final = 65536
_WHOLE: Final = (1 << 47) - (1 << 20)


def lacks(call: Call) -> str:
    """Return why a call cannot be made by a tree's program, "" when it can."""
    if call.name not in CALLS:
        return f"{call.name} is none of the calls that are linked"
    if call.name == "mmap":
        if call.args[1] > _WHOLE:
            return "x86 searches the whole address space in a way of its own"
        return next((why for flag, why in _MAP_FLAGS.items() if call.args[3] & flag), "")
    if call.name == "madvise":
        return _ADVICE.get(call.args[2], "")
    if call.name == "mremap" and call.args[3] & MREMAP_FIXED == 0 and call.args[4] < _MIN_ADDR:
        # Only with MREMAP_DONTUNMAP is it a hint; user mode takes none below vm.mmap_min_addr.
        if call.args[3] & MREMAP_DONTUNMAP and call.args[4]:
            return "x86 takes hints below vm.mmap_min_addr"
    if call.name == "fcntl" and call.args[1] not in (F_ADD_SEALS, F_GET_SEALS):
        return "files have nothing but seals"
    if call.name == "ioctl":
        return _lacks_ioctl(call)
    if call.name == "prctl" and call.args[0] not in _PRCTLS:
        return "this option of prctl is not linked"
    return ""


def _lacks_ioctl(call: Call) -> str:
    if call.args[1] not in _IOCTLS:
        return _PAGES
    fields = (call.mem or {}).get(2)
    if isinstance(fields, dict):
        features, mode = fields.get("features", 0), fields.get("mode", 0)
        if features & ~_FEATURES or mode & ~UFFDIO_REGISTER_MODE_MISSING:
            return "user mode has no such feature of userfaultfd"
    return ""


def admits(profile: str, call: Call) -> bool:
    """Return whether a call can be part of a stream of a profile."""
    if profile == _UFFD:
        # Which pages are missing nobody knows.
        touches = call.name == "madvise" and call.args[2] in _POPULATES
        return not touches and not lacks(call)
    return call.name != "userfaultfd" and not lacks(call)
