# SPDX-License-Identifier: GPL-2.0-or-later
"""How the worker of a stream starts: its user, capabilities and limits."""

from dataclasses import dataclass, replace
from typing import Final

from vmalab.linux.include.uapi.capability import (
    CAP_CHECKPOINT_RESTORE,
    CAP_IPC_LOCK,
    CAP_IPC_OWNER,
    CAP_SETGID,
    CAP_SETPCAP,
    CAP_SETUID,
    CAP_SYS_ADMIN,
    CAP_SYS_NICE,
    CAP_SYS_PTRACE,
    CAP_SYS_RAWIO,
)
from vmalab.linux.include.uapi.personality import ADDR_COMPAT_LAYOUT, ADDR_LIMIT_3GB
from vmalab.linux.include.uapi.resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_CORE,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)

# Those that memory calls ask for, but for CAP_SYS_RESOURCE: with it no limit would hold.
ROOT_CAPS: Final = (
    1 << CAP_CHECKPOINT_RESTORE
    | 1 << CAP_IPC_LOCK
    | 1 << CAP_IPC_OWNER
    | 1 << CAP_SYS_ADMIN
    | 1 << CAP_SYS_NICE
    | 1 << CAP_SYS_PTRACE
    | 1 << CAP_SYS_RAWIO
)
# With these a worker may give up rights on its way, and take another user's place and come back.
CHANGING_CAPS: Final = ROOT_CAPS | 1 << CAP_SETUID | 1 << CAP_SETGID | 1 << CAP_SETPCAP
MIB: Final = 1 << 20
# What the folder of a stream may be, as a recording states file systems.
PLACES: Final = (
    "tmpfs",
    "tmpfs,noexec",
    "tmpfs,huge=always",
    "tmpfs,huge=within_size",
    "ramfs",
    "overlay,layer=tmpfs",
)
THP: Final = "/sys/kernel/mm/transparent_hugepage/"
# What a guest's kernel may be told for a stream, one at a time: the name of a sysctl, or of a file
# of transparent huge pages, and a value.
KERNEL: Final = (
    ("enabled", "always"),
    ("enabled", "never"),
    ("shmem_enabled", "always"),
    ("shmem_enabled", "within_size"),
    ("shmem_enabled", "advise"),
    ("shmem_enabled", "force"),
    ("shmem_enabled", "deny"),
    ("hugepages-64kB/shmem_enabled", "always"),
    ("hugepages-64kB/shmem_enabled", "inherit"),
    ("hugepages-2048kB/shmem_enabled", "advise"),
    ("hugepages-64kB/enabled", "always"),
    ("vm.legacy_va_layout", "1"),
    ("vm.mmap_min_addr", "0"),
    ("vm.memfd_noexec", "1"),
    ("vm.memfd_noexec", "2"),
    ("vm.unprivileged_userfaultfd", "1"),
    ("vm.overcommit_memory", "1"),
)
HUGE_PAGES: Final = ("vm.nr_hugepages", "12")


# Personalities that decide where mappings go, and so must be there when a program begins.
LAYOUTS: Final = (0, ADDR_COMPAT_LAYOUT, ADDR_LIMIT_3GB, ADDR_COMPAT_LAYOUT | ADDR_LIMIT_3GB)


def file_of_setting(name: str) -> str:
    """Return the file behind a name of KERNEL."""
    return "/proc/sys/" + name.replace(".", "/") if name.startswith("vm.") else THP + name


@dataclass(frozen=True, slots=True)
class Settings:
    """How the worker of a stream starts.

    keeps_vdso: else vdso and vvar are unmapped before the first map is shown. uid 0 with `caps`, or
    another without any. stack, memlock: limits in bytes. max_map_count: the sysctl, 0 for as it is;
    only a guest's may be set. filtered: a seccomp filter holds the worker to what it may do. place:
    what its folder is, one of PLACES. personality: bits that it begins with, one of LAYOUTS.
    kernel: settings of a guest's kernel, by name (see KERNEL).
    """

    keeps_vdso: bool = False
    uid: int = 0
    caps: int = ROOT_CAPS
    stack: int = 8 * MIB
    memlock: int = 8 * MIB
    max_map_count: int = 0
    filtered: bool = True
    place: str = PLACES[0]
    personality: int = 0
    kernel: tuple[tuple[str, str], ...] = ()

    def limits(self) -> dict[int, tuple[int, int]]:
        """Return the limits by number of resource."""
        return {
            RLIMIT_AS: (RLIM_INFINITY, RLIM_INFINITY),
            RLIMIT_DATA: (RLIM_INFINITY, RLIM_INFINITY),
            RLIMIT_STACK: (self.stack, RLIM_INFINITY),
            RLIMIT_MEMLOCK: (self.memlock, self.memlock),
            # No dump of a worker that dies: 1 byte stops the programs of core_pattern too.
            RLIMIT_CORE: (1, 1),
        }


def unprivileged(settings: Settings) -> Settings:
    """Return the same for a user without any rights."""
    return replace(settings, uid=65534, caps=0)
