# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and numbers of constants, derived from the user-API modules.

`SYMBOLS` serves the readers: any name to its number. The families (`FLAG_FAMILIES`,
`VALUE_FAMILIES`) serve the printers: a number to the names a tracer would print.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import Final

from vmalab.calls.call import U64_MAX
from vmalab.linux.include.uapi import (
    capability,
    errno,
    fcntl,
    memfd,
    mempolicy,
    mman,
    personality,
    prctl,
    resource,
    sched,
    seccomp,
    shm,
    signal,
    unistd,
    userfaultfd,
)

_MODULES: Final = (
    capability,
    mman,
    fcntl,
    memfd,
    mempolicy,
    personality,
    prctl,
    resource,
    sched,
    seccomp,
    shm,
    signal,
    userfaultfd,
)


def _numbers(module: ModuleType) -> Iterator[tuple[str, int]]:
    for name, value in vars(module).items():
        if isinstance(value, int) and not name.startswith("__"):
            yield name, value


# Names that tracers print and no user-API header of the modules above defines.
_TRACER_NAMES: Final = {
    "NULL": 0,
    "_IOC_NONE": 0,
    "_IOC_WRITE": 1,
    "_IOC_READ": 2,
    "UFFDIO": 0xAA,
    "MADV_SOFTOFFLINE": mman.MADV_SOFT_OFFLINE,
    "CLONE_NEWTIME": sched.CLONE_NEWTIME,
    "SIGIOT": signal.SIGABRT,
    "SIGPOLL": signal.SIGIO,
    "SIGCLD": signal.SIGCHLD,
    "PIDFD_SELF": fcntl.PIDFD_SELF_THREAD & U64_MAX,
    "PIDFD_SELF_PROCESS": fcntl.PIDFD_SELF_THREAD_GROUP & U64_MAX,
    "P_ALL": 0,
    "P_PID": 1,
    "P_PGID": 2,
    "P_PIDFD": 3,
    "SHM_DEST": 0o1000,
    "SHM_LOCKED": 0o2000,
}

SYMBOLS: Final[dict[str, int]] = {
    name: value & U64_MAX for module in _MODULES for name, value in _numbers(module)
} | _TRACER_NAMES
for _n in range(signal.SIGRTMAX - signal.SIGRTMIN + 1):
    SYMBOLS[f"SIGRT_{_n}"] = signal.SIGRTMIN + _n

ERRNO_OF: Final[dict[str, int]] = dict(_numbers(errno))

# Number to name; of two names the first listed in errno.py is the usual one.
ERRNO_NAME: Final[dict[int, str]] = {}
for _name, _value in _numbers(errno):
    ERRNO_NAME.setdefault(_value, _name)

NUMBER_OF_SYSCALL: Final[dict[str, int]] = {
    name.removeprefix("NR_"): value for name, value in _numbers(unistd)
}
SYSCALL_OF_NUMBER: Final[dict[int, str]] = {
    number: name for name, number in NUMBER_OF_SYSCALL.items()
}


def _family(module: ModuleType, *prefixes: str, without: tuple[str, ...] = ()) -> dict[int, str]:
    family: dict[int, str] = {}
    for name, value in _numbers(module):
        if name.startswith(prefixes) and not name.startswith(without) and name not in without:
            family.setdefault(value, name)
    return family


_SIGNALS = _family(signal, "SIG", without=("SIGRT",))

# Values that are printed as one name: kind of argument -> number -> name.
VALUE_FAMILIES: Final[dict[str, dict[int, str]]] = {
    "advice": _family(mman, "MADV_"),
    "resource": _family(resource, "RLIMIT_"),
    "fcntl_cmd": _family(fcntl, "F_", without=("F_SEAL", "F_RDLCK", "F_WRLCK", "F_UNLCK")),
    "prctl_option": _family(
        prctl, "PR_", without=("PR_SET_MM_", "PR_SET_VMA_", "PR_MDWE_", "PR_THP_")
    ),
    "vma_option": {prctl.PR_SET_VMA_ANON_NAME: "PR_SET_VMA_ANON_NAME"},
    "arch_option": _family(prctl, "ARCH_", without=("ARCH_SHSTK_SHSTK", "ARCH_SHSTK_WRSS")),
    "ioctl": _family(userfaultfd, "UFFDIO_"),
    "shm_cmd": _family(shm, "IPC_RMID", "IPC_S", "IPC_INFO")
    | _family(shm, "SHM_LOCK", "SHM_UNLOCK", "SHM_STAT", "SHM_INFO"),
    "signal": _SIGNALS,
}

# Bits in the order a tracer prints them: kind of argument -> (bit, name), and the prefix of its
# names for the note at a number without any name.
FLAG_FAMILIES: Final[dict[str, tuple[tuple[tuple[int, str], ...], str]]] = {
    kind: (tuple((value, name) for value, name in family.items() if value), prefix)
    for kind, family, prefix in (
        ("prot", _family(mman, "PROT_"), "PROT"),
        ("mremap", _family(mman, "MREMAP_"), "MREMAP"),
        ("mcl", _family(mman, "MCL_"), "MCL"),
        ("mlock", {mman.MLOCK_ONFAULT: "MLOCK_ONFAULT"}, "MLOCK"),
        ("msync", {4: "MS_SYNC", 1: "MS_ASYNC", 2: "MS_INVALIDATE"}, "MS"),
        ("pkey", _family(mman, "PKEY_", without=("PKEY_ACCESS_MASK",)), "PKEY"),
        ("memfd", _family(memfd, "MFD_", without=("MFD_HUGE_",)), "MFD"),
        ("seal", _family(fcntl, "F_SEAL_"), "F_SEAL"),
        ("mbind", _family(mempolicy, "MPOL_MF_", without=("MPOL_MF_VALID",)), "MPOL"),
        ("shmat", _family(shm, "SHM_RDONLY", "SHM_RND", "SHM_REMAP", "SHM_EXEC"), "SHM"),
    )
}

MMAP_TYPES: Final = {
    mman.MAP_FILE: "MAP_FILE",
    mman.MAP_SHARED: "MAP_SHARED",
    mman.MAP_PRIVATE: "MAP_PRIVATE",
    mman.MAP_SHARED_VALIDATE: "MAP_SHARED_VALIDATE",
    mman.MAP_DROPPABLE: "MAP_DROPPABLE",
}

MMAP_FLAGS: Final = tuple(
    (SYMBOLS[name], name)
    for name in (
        "MAP_FIXED",
        "MAP_ANONYMOUS",
        "MAP_32BIT",
        "MAP_NORESERVE",
        "MAP_POPULATE",
        "MAP_NONBLOCK",
        "MAP_GROWSDOWN",
        "MAP_DENYWRITE",
        "MAP_EXECUTABLE",
        "MAP_LOCKED",
        "MAP_STACK",
        "MAP_HUGETLB",
        "MAP_SYNC",
        "MAP_FIXED_NOREPLACE",
        "MAP_ABOVE4G",
        "MAP_UNINITIALIZED",
    )
)

OPEN_FLAGS: Final = tuple(
    (SYMBOLS[name], name)
    for name in (
        "O_CREAT",
        "O_EXCL",
        "O_NOCTTY",
        "O_TRUNC",
        "O_APPEND",
        "O_NONBLOCK",
        "O_SYNC",
        "O_DSYNC",
        "O_ASYNC",
        "O_DIRECT",
        "O_LARGEFILE",
        "O_NOFOLLOW",
        "O_NOATIME",
        "O_CLOEXEC",
        "O_PATH",
        "O_TMPFILE",
        "O_DIRECTORY",
    )
)

CLONE_FLAGS: Final = tuple(
    (value, name)
    for name, value in _numbers(sched)
    if name.startswith("CLONE_") and not name.startswith("CLONE_ARGS")
)

SHMGET_FLAGS: Final = tuple(
    (SYMBOLS[name], name) for name in ("IPC_CREAT", "IPC_EXCL", "SHM_HUGETLB", "SHM_NORESERVE")
)

MPOL_MODES: Final = _family(mempolicy, "MPOL_", without=("MPOL_F_", "MPOL_MF_", "MPOL_MAX"))
MPOL_MODE_FLAGS: Final = tuple(
    (SYMBOLS[name], name)
    for name in ("MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES", "MPOL_F_NUMA_BALANCING")
)
