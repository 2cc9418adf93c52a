# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory files: memfd_create, and the seals that limit what can be done with them.

Mirrors mm/memfd.c (v6.18).  What MFD_NOEXEC_SEAL and MFD_EXEC say about the mode of the file does
not matter to its mappings; only the seals they imply are kept.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.mm_flags import VM_MAYWRITE, VM_SHARED, VM_WRITE
from vmalab.linux.include.uapi.errno import EACCES, EINVAL, EPERM
from vmalab.linux.include.uapi.fcntl import (
    F_SEAL_EXEC,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
)
from vmalab.linux.include.uapi.memfd import (
    MFD_ALLOW_SEALING,
    MFD_CLOEXEC,
    MFD_EXEC,
    MFD_HUGE_MASK,
    MFD_HUGE_SHIFT,
    MFD_HUGETLB,
    MFD_NOEXEC_SEAL,
)
from vmalab.linux.types.file import (
    FMODE_READ,
    FMODE_WRITE,
    I_REG,
    File,
    FileOps,
    Inode,
    mapping_deny_writable,
)
from vmalab.linux.types.mm_types import Mm, Vma

# Bytes of a name: NAME_MAX without "memfd:".
MFD_NAME_MAX_LEN: Final = 249
MFD_ALL_FLAGS: Final = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC
F_ALL_SEALS: Final = (
    F_SEAL_SEAL | F_SEAL_EXEC | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
)
# Values of vm.memfd_noexec.
MEMFD_NOEXEC_SCOPE_NOEXEC_SEAL: Final = 1
MEMFD_NOEXEC_SCOPE_NOEXEC_ENFORCED: Final = 2


def sanitize_flags(config: KernelConfig, flags: int) -> int:
    """Return the flags of memfd_create with what vm.memfd_noexec adds, or -errno.

    Errors: EINVAL (unknown flags, both MFD_EXEC and MFD_NOEXEC_SEAL), EACCES (vm.memfd_noexec is 2
    and MFD_EXEC was asked for).
    """
    memfd_noexec = config.memfd_noexec
    allowed = MFD_ALL_FLAGS
    if not config.features.memfd_noexec:
        allowed &= ~(MFD_EXEC | MFD_NOEXEC_SEAL)
    if flags & MFD_HUGETLB != 0:
        allowed |= MFD_HUGE_MASK << MFD_HUGE_SHIFT
    if flags & ~allowed != 0:
        return -EINVAL
    if flags & MFD_EXEC != 0 and flags & MFD_NOEXEC_SEAL != 0:
        return -EINVAL
    if flags & (MFD_EXEC | MFD_NOEXEC_SEAL) == 0:
        sealed = memfd_noexec >= MEMFD_NOEXEC_SCOPE_NOEXEC_SEAL
        flags |= MFD_NOEXEC_SEAL if sealed else MFD_EXEC
    if flags & MFD_NOEXEC_SEAL == 0 and memfd_noexec >= MEMFD_NOEXEC_SCOPE_NOEXEC_ENFORCED:
        return -EACCES
    return flags


def check_name(name: str) -> int:
    """0, or -EINVAL for a name of more than 249 bytes."""
    return -EINVAL if len(name.encode("utf-8", "surrogateescape")) > MFD_NAME_MAX_LEN else 0


def memfd_alloc_file(name: str, flags: int, f_op: FileOps, dev: str) -> File:
    """Return a new memory file of size 0; `flags` as `sanitize_flags` returned them.

    `f_op` is shmem's or hugetlbfs's, `dev` its device.  Nobody knows the number of its inode.
    """
    inode = Inode(I_REG, dev, -1)
    inode.size = 0
    inode.linked = False
    if flags & MFD_NOEXEC_SEAL != 0:
        inode.seals = F_SEAL_EXEC
    else:
        inode.seals = 0 if flags & MFD_ALLOW_SEALING != 0 else F_SEAL_SEAL
    return File(inode, f"/memfd:{name} (deleted)", FMODE_READ | FMODE_WRITE, f_op)


def memfd_add_seals(config: KernelConfig, file: File, seals: int) -> i64:
    """F_ADD_SEALS: 0 or -errno.

    Errors: EPERM (not open for writing, or sealed by F_SEAL_SEAL), EINVAL (unknown seals, a file
    that has none), EBUSY (F_SEAL_WRITE while a shared mapping may write).
    """
    if file.f_mode & FMODE_WRITE == 0:
        return -EPERM
    inode = file.inode
    # Other files of shmem and hugetlbfs count as sealed against seals.
    sealable = inode.seals >= 0 or file.f_op.is_shmem or file.f_op.is_hugetlb
    known = F_ALL_SEALS if config.features.memfd_noexec else F_ALL_SEALS & ~F_SEAL_EXEC
    if seals & ~known != 0 or not sealable:
        return -EINVAL
    if inode.seals & F_SEAL_SEAL != 0:
        return -EPERM
    # A memory file is executable unless it was made with MFD_NOEXEC_SEAL, and then has the seal.
    if seals & F_SEAL_EXEC != 0 and inode.seals & F_SEAL_EXEC == 0:
        seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
    if seals & F_SEAL_WRITE != 0 and inode.seals & F_SEAL_WRITE == 0:
        err = mapping_deny_writable(inode.i_mapping)
        if err != 0:
            return err
    inode.seals |= seals
    return 0


def memfd_get_seals(file: File) -> i64:
    """F_GET_SEALS: the seals, or -EINVAL for a file that has none."""
    if file.inode.seals >= 0:
        return file.inode.seals
    return F_SEAL_SEAL if file.f_op.is_shmem or file.f_op.is_hugetlb else -EINVAL


def memfd_check_seals_mmap(mm: Mm, file: File, vm_flags: i64) -> i64:
    """The flags a mapping gets of a file that may be sealed, or -EPERM (shared and writable).

    A shared mapping of a file that is sealed against writing loses VM_MAYWRITE, so mprotect cannot
    make it writable later.
    """
    if not is_write_sealed(file.inode) or vm_flags & VM_SHARED == 0:
        return vm_flags
    if vm_flags & VM_WRITE == 0:
        return vm_flags & ~VM_MAYWRITE
    if mm.features.seals_are_checked_last:
        return vm_flags
    return mm.refusal.blame(EPERM, "prot", "the file is sealed against writing")


def is_write_sealed(inode: Inode) -> bool:
    """Tell whether nobody may map a file anew to write to it."""
    return inode.seals > 0 and inode.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0


def seal_check_write(inode: Inode, vma: Vma) -> i64:
    """Return what a file of kernels that check seals last says to a new VMA of it: 0 or -EPERM."""
    sealed = vma.vm_flags & (VM_SHARED | VM_WRITE) == VM_SHARED | VM_WRITE
    if not sealed or not is_write_sealed(inode):
        return 0
    return vma.vm_mm.refusal.blame(EPERM, "prot", "the file is sealed against writing")
