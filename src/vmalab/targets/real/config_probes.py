# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel's configuration decides, told by trying: the calls, and what their answers say."""

import re
from typing import Final

from vmalab.calls.call import U64_MAX, Call
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.linux.include.uapi.errno import EBADF, EFAULT, EINVAL, ENOSYS
from vmalab.linux.include.uapi.mman import (
    MADV_MERGEABLE,
    MADV_POPULATE_READ,
    MADV_WILLNEED,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_PRIVATE,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.include.uapi.prctl import (
    ARCH_SHSTK_LOCK,
    PR_SET_MM,
    PR_SET_MM_MAP_SIZE,
    PR_SET_VMA,
    PR_SET_VMA_ANON_NAME,
)

# The process id that streams are recorded under; what the kernel calls it does not matter.
TID: Final = 20000
# A place that nothing of the executor is near to.
WINDOW: Final = 0x10000000
_ANON: Final = MAP_PRIVATE | MAP_ANONYMOUS

PROBES: Final = (
    Call(TID, "mmap", (PAGE_SIZE, PAGE_SIZE, PROT_READ, _ANON, U64_MAX, 0)),
    Call(
        TID,
        "mmap",
        (WINDOW, PAGE_SIZE, PROT_READ | PROT_WRITE, _ANON | MAP_FIXED, U64_MAX, 0),
    ),
    Call(TID, "madvise", (WINDOW, PAGE_SIZE, MADV_MERGEABLE, 0, 0, 0)),
    Call(TID, "userfaultfd", (1, 0, 0, 0, 0, 0)),
    Call(TID, "mbind", (WINDOW, PAGE_SIZE, 0, 0, 0, 0)),
    Call(TID, "pkey_alloc", (0, 0, 0, 0, 0, 0)),
    Call(TID, "madvise", (WINDOW, PAGE_SIZE, MADV_WILLNEED, 0, 0, 0)),
    Call(
        TID,
        "prctl",
        (PR_SET_VMA, PR_SET_VMA_ANON_NAME, WINDOW, PAGE_SIZE, 0, 0),
        {4: "probe"},
    ),
    Call(TID, "prctl", (PR_SET_MM, PR_SET_MM_MAP_SIZE, 0, 0, 0, 0)),
    Call(TID, "arch_prctl", (ARCH_SHSTK_LOCK, 0, 0, 0, 0, 0)),
    Call(TID, "memfd_secret", (0, 0, 0, 0, 0, 0)),
    Call(TID, "madvise", (WINDOW, PAGE_SIZE, MADV_POPULATE_READ, 0, 0, 0)),
)


def probed(results: list[int], flags: tuple[str, ...], status: str) -> dict[str, int]:
    """Return what the answers to `PROBES` say.

    flags: of the VMA that was made at WINDOW. status: /proc/self/status of who asked.
    """
    caps = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.M)
    return {
        "min_addr": results[0],
        "soft_dirty": "sd" in flags,
        "ksm": results[2] != -EINVAL,
        "userfaultfd": results[3] != -ENOSYS,
        "numa": results[4] != -ENOSYS,
        "pkeys": results[5] > 0,
        "swap": results[6] != -EBADF,
        "anon_names": results[7] == 0,
        "checkpoint_restore": results[8] == -EFAULT,
        "shadow_stack": results[9] == 0,
        "secretmem": results[10] != -ENOSYS,
        "populate": results[11] == 0,
        "privileged": int(caps.group(1), 16) != 0 if caps else 0,
    }
