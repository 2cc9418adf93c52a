# SPDX-License-Identifier: GPL-2.0-or-later
"""States what a user knows of the recorded machine: its settings, limits and RAM.

A bare log holds none of these, and a recording made by hand may lack some.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from vmalab.calls.errors import UsageError
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.linux.include.uapi.resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.patterns import pattern
from vmalab.recording.format.filesystem import FileSystem, check_known, parse_file_system
from vmalab.recording.format.meta import Meta

# Settings that decide results, and can be stated or changed.
SYSCTLS: Final = (
    "vm.admin_reserve_kbytes",
    "vm.legacy_va_layout",
    "vm.max_map_count",
    "vm.mmap_min_addr",
    "vm.nr_hugepages",
    "vm.nr_overcommit_hugepages",
    "vm.overcommit_kbytes",
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.user_reserve_kbytes",
)
RLIMITS: Final = {
    "AS": RLIMIT_AS,
    "DATA": RLIMIT_DATA,
    "MEMLOCK": RLIMIT_MEMLOCK,
    "STACK": RLIMIT_STACK,
}
# vm.overcommit_ratio where nothing says otherwise: percent of RAM.
USUAL_RATIO: Final = 50
_SIZE: Final = pattern(r"(0x[0-9a-f]+|\d+)([KMGT]?)", re.IGNORECASE)
_SCALE: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


class Stated(NamedTuple):
    """What a user states of a machine; it counts more than what the recording says.

    sysctl: by name. rlimits: "AS" and so on -> bytes, soft and hard. ram: bytes, None: not stated.
    mounts: by directory, which ends in "/", the file systems of its files.
    """

    sysctl: Mapping[str, int] = {}
    rlimits: Mapping[str, int] = {}
    ram: int | None = None
    mounts: Mapping[str, FileSystem] = {}

    def applied_to(self, meta: Meta) -> Meta:
        """Return what is known of a machine together with what is stated."""
        pair = {name: (value, value) for name, value in self.rlimits.items()}
        images = {
            name: image._replace(rlimits={**image.rlimits, **pair})
            for name, image in meta.images.items()
        }
        meta = meta._replace(
            rlimits={**meta.rlimits, **pair},
            images=images,
            mounts={**meta.mounts, **self.mounts},
        )
        if self.ram is not None:
            meta = meta._replace(total_ram_pages=self.ram // PAGE_SIZE)
        settings = self.sysctl
        if "vm.mmap_min_addr" in settings and meta.min_addr_effective is not None:
            # What the security module adds stays as it was recorded.
            recorded = meta.sysctl.get("vm.mmap_min_addr", 0)
            added = meta.min_addr_effective if meta.min_addr_effective != recorded else 0
            meta = meta._replace(min_addr_effective=max(settings["vm.mmap_min_addr"], added))
        limit = self._commit_limit(meta)
        if limit is not None:
            meta = meta._replace(commit_limit_kb=limit)
        return meta._replace(sysctl={**meta.sysctl, **settings})

    def _commit_limit(self, meta: Meta) -> int | None:
        """CommitLimit in kB under the stated settings, None for the same as before.

        Kernel: vm_commit_limit(), without what huge pages take.
        """
        swap = meta.swap_total_kb or 0
        if self.sysctl.get("vm.overcommit_kbytes"):
            return self.sysctl["vm.overcommit_kbytes"] + swap
        if "vm.overcommit_ratio" not in self.sysctl and self.ram is None:
            return None
        recorded = meta.sysctl.get("vm.overcommit_ratio")
        usual = recorded if isinstance(recorded, int) else USUAL_RATIO
        ratio = self.sysctl.get("vm.overcommit_ratio", usual)
        if meta.total_ram_pages is None:
            return None
        return meta.total_ram_pages * ratio // 100 * (PAGE_SIZE >> 10) + swap


def no_setting(name: object) -> str:
    """Return what is wrong with a name that is not one of SYSCTLS."""
    known = ", ".join(SYSCTLS)
    return f"{str(name)[:60]!r} is not a setting that decides results: choose one of {known}"


def no_rlimit(name: object) -> str:
    """Return what is wrong with a name that is not one of RLIMITS."""
    known = ", ".join(RLIMITS)
    return f"{str(name)[:60]!r} is not a limit that decides results: choose one of {known}"


def parse_setting(text: str) -> tuple[str, int]:
    """`vm.max_map_count=262144`. Errors: UsageError, which names the settings there are."""
    name, equals, value = text.partition("=")
    if name not in SYSCTLS:
        raise UsageError(no_setting(name))
    if not equals or not value.isascii() or not value.isdecimal() or len(value) > 15:
        raise UsageError(f"{text[:60]!r}: write {name}=NUMBER")
    return name, int(value)


def parse_size(text: str) -> int | None:
    """Return `16G`, `512m` or `0x1000` in bytes; None for anything else."""
    match = _SIZE().fullmatch(text)
    if match is None or len(text) > 20:
        return None
    return int(match.group(1), 0) << _SCALE[match.group(2).upper()]


def parse_rlimit(text: str) -> tuple[str, int]:
    """`AS=512M`, in bytes; `AS=unlimited`. Errors: UsageError."""
    name, equals, value = text.partition("=")
    name = name.upper().removeprefix("RLIMIT_")
    if name not in RLIMITS:
        raise UsageError(no_rlimit(name))
    if value.lower() == "unlimited":
        return name, RLIM_INFINITY
    size = parse_size(value) if equals else None
    if size is None:
        raise UsageError(f"{text[:60]!r}: write {name}=BYTES, with K, M, G or T, or unlimited")
    return name, min(size, RLIM_INFINITY)


def parse_ram(text: str) -> int:
    """`16G`, in bytes. Errors: UsageError."""
    size = parse_size(text)
    if not size:
        raise UsageError(f"{text[:60]!r} is no size of RAM: write BYTES, with K, M, G or T")
    return size


def parse_mount(text: str) -> tuple[str, FileSystem]:
    """Return directory and file system of `[DIR=]TYPE[,OPTION...]`. Errors: UsageError."""
    directory, equals, words = text.partition("=") if text.startswith("/") else ("/", "=", text)
    fs = parse_file_system(words)
    if not equals or fs is None:
        raise UsageError(
            f"--fs {text[:60]!r} is no file system: TYPE or DIR=TYPE expected, such as overlay "
            "or /tmp=tmpfs,noexec"
        )
    for name in filter(None, (fs.fs_type, fs.layer)):
        check_known(name)
    return directory.rstrip("/") + "/", fs
