# SPDX-License-Identifier: GPL-2.0-or-later
"""Names what may have refused a call that makes memory outside of the address space.

These are the checks that a recording need not hold: settings, rights, limits of other processes.
"""

from typing import Final

from vmalab.calls.call import Call
from vmalab.linux.include.uapi.errno import (
    EACCES,
    EEXIST,
    EFAULT,
    EINVAL,
    EMFILE,
    ENFILE,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSPC,
    ENOSYS,
    EPERM,
)

_FILTER: Final = "a seccomp filter (containers' default profiles)"
_ANY_CALL: Final = {
    EMFILE: "RLIMIT_NOFILE",
    ENFILE: "fs.file-max",
    EFAULT: "memory that cannot be read or written",
    EINVAL: "unknown flags, or some that contradict each other",
}
# Errnos of arguments that are against the rules.
RULES: Final = frozenset((EINVAL, EFAULT, EEXIST, ENOENT, ENODEV))

# By call and errno: what the kernel looks at there.
_CANDIDATES: Final[dict[tuple[str, int], str]] = {
    ("io_uring_setup", EPERM): f"kernel.io_uring_disabled, or {_FILTER}",
    ("io_uring_setup", ENOSYS): "a kernel without io_uring, or a seccomp filter",
    ("io_uring_setup", ENOMEM): (
        "RLIMIT_MEMLOCK, against which the rings of all io_urings of the user count (before 5.12, "
        "and again in 6.18 to 7.0), or the cgroup's memory limit"
    ),
    ("userfaultfd", EPERM): (
        f"vm.unprivileged_userfaultfd=0 without CAP_SYS_PTRACE or UFFD_USER_MODE_ONLY, or {_FILTER}"
    ),
    ("userfaultfd", ENOSYS): "a kernel without userfaultfd, or a seccomp filter",
    ("memfd_create", EACCES): "vm.memfd_noexec=2 without MFD_NOEXEC_SEAL",
    ("memfd_create", ENOSYS): "an old kernel, or a seccomp filter",
    ("memfd_create", ENOMEM): "the pool of huge pages, or the cgroup's memory limit",
    ("memfd_create", EINVAL): "unknown or contradicting flags, or a name of more than 249 bytes",
    ("memfd_create", ENODEV): "no huge pages of the size that was asked for",
    ("memfd_secret", ENOSYS): "secretmem.enable=0, or a kernel without it",
    ("shmget", EPERM): "SHM_HUGETLB without CAP_IPC_LOCK or the group vm.hugetlb_shm_group",
    ("shmget", EACCES): "the permission bits of the segment, which the key found",
    ("shmget", EEXIST): "the key has a segment, and IPC_EXCL is set",
    ("shmget", ENOENT): "no segment has the key, and IPC_CREAT is not set",
    ("shmget", EINVAL): "a size of 0, above kernel.shmmax, or above that of the segment",
    ("shmget", ENOSPC): "kernel.shmmni segments, or kernel.shmall pages, are in use",
    ("shmget", ENOMEM): "the pool of huge pages, or the commit limit",
    ("shmctl", EPERM): (
        "neither the segment's owner nor CAP_SYS_ADMIN; SHM_LOCK: another's segment, or "
        "RLIMIT_MEMLOCK=0, without CAP_IPC_LOCK"
    ),
    ("shmctl", EACCES): "the permission bits of the segment",
    ("shmctl", ENOMEM): "RLIMIT_MEMLOCK, against which all segments count that the user has locked",
    ("shmctl", EINVAL): "no such segment",
}


def candidates(call: Call, errno: int) -> str:
    """Return what may have refused a call with an errno, "" where nothing is known of it."""
    return _CANDIDATES.get((call.name, errno)) or _ANY_CALL.get(errno, "")
