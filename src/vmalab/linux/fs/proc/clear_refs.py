# SPDX-License-Identifier: GPL-2.0-or-later
"""/proc/self/clear_refs: what a write to it does to the VMAs of the process that writes.

Mirrors clear_refs_write() of fs/proc/task_mmu.c (v6.18).
"""

from typing import Final

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import VM_SOFTDIRTY
from vmalab.linux.include.uapi.capability import CAP_DAC_OVERRIDE
from vmalab.linux.include.uapi.errno import EINVAL
from vmalab.linux.include.uapi.fcntl import O_ACCMODE, O_PATH, O_WRONLY
from vmalab.linux.types.cred import Cred
from vmalab.linux.types.mm_types import Mm

CLEAR_REFS: Final = "/proc/self/clear_refs"
CLEAR_REFS_SOFT_DIRTY: Final = "4"
# What is forgotten besides that a page was written to shows in no VMA.
CLEAR_REFS_OTHERS: Final = ("1", "2", "3", "5")


def may_open_clear_refs(cred: Cred, flags: int) -> bool:
    """Tell whether a process that is no longer the user it began as may open the file.

    It is root's then, to be written by its owner (proc_pid_make_inode, dumpable 0).
    """
    if flags & O_PATH != 0 or cred.cap_raised(CAP_DAC_OVERRIDE):
        return True
    return cred.fsuid == 0 and flags & O_ACCMODE == O_WRONLY


def clear_refs_write(mm: Mm, text: str) -> int:
    """Let what was written to since count as not written to: how many bytes were taken, or -errno.

    Mutates: VM_SOFTDIRTY of all VMAs.  Errors: EINVAL (no such kind).
    """
    kind = text.strip()
    if kind == CLEAR_REFS_SOFT_DIRTY:
        for vma in mm_vmas(mm):
            vma.vm_flags &= ~VM_SOFTDIRTY
    elif kind not in CLEAR_REFS_OTHERS:
        return -EINVAL
    return len(text)
