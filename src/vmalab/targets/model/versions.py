# SPDX-License-Identifier: GPL-2.0-or-later
"""Which kernel the model behaves as: the supported versions, and a recorded machine's settings."""

import re
from bisect import bisect
from typing import Final

from vmalab.calls.errors import UsageError
from vmalab.calls.snapshot import Snapshot
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import BASE, NEWEST, VERSIONS, Features, Version
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.patterns import pattern
from vmalab.recording.format.meta import Meta
from vmalab.recording.format.release import point_release

# The versions there is a profile of, oldest first.
SUPPORTED: Final = tuple(f"{major}.{minor}" for major, minor in VERSIONS)
# With a point release, perhaps.
_VERSION: Final = pattern(r"([1-9]\d{0,3})\.(0|[1-9]\d{0,3})(?:\.(0|[1-9]\d{0,4}))?", re.ASCII)
_SHMEM_SIZE: Final = pattern(r"hugepages-(\d{1,8})kB/shmem_enabled$", re.ASCII)
# Of any setting, in its own unit: sums of two stay far within 63 bits.
MOST: Final = 1 << 56


def parse_version(name: str) -> Version | None:
    """Return the series of a version such as "6.18" or "6.18.44"; None for what is none."""
    match = _VERSION().fullmatch(name)
    return (int(match.group(1)), int(match.group(2))) if match else None


def parse_point(name: str, release: str = "", build: str = "") -> int | None:
    """Return 44 of "6.18.44"; None where no point release is named.

    release, build: what a machine calls its kernel, which tells it where the name does not.
    """
    match = _VERSION().fullmatch(name)
    if match is not None and match.group(3) is not None:
        return int(match.group(3))
    return point_release(release, parse_version(name) or BASE, build)


def features_of(name: str, release: str = "", build: str = "") -> Features:
    """Return what a version is like, the newest point release where none is named.

    release, build: as `parse_point` has them. A name that is none of a version stands for the base.
    """
    point = parse_point(name, release, build)
    return Features(parse_version(name) or BASE, NEWEST if point is None else point)


def standing(version: Version) -> str:
    """Return where a version without a profile stands among those with one; "" for these."""
    if version in VERSIONS:
        return ""
    first, last = SUPPORTED[0], SUPPORTED[-1]
    if version < VERSIONS[0]:
        return f"older than {first}, the oldest that is judged"
    if version > VERSIONS[-1]:
        return f"newer than {last}, the newest that is judged"
    above = bisect(VERSIONS, version)
    return f"between {SUPPORTED[above - 1]} and {SUPPORTED[above]}, not judged"


def linux_named(name: str) -> str:
    """Return a version as an answer names it: "Linux 5.15 (between 5.10 and 6.1, not judged)"."""
    version = parse_version(name)
    where = "" if version is None else standing(version)
    return f"Linux {name} ({where})" if where else f"Linux {name}"


def check_version(version: str) -> str:
    """Return the version, when there is a profile for it, or it is between two that have one.

    It may name a point release. Errors: UsageError, which names those with a profile.
    """
    parsed = parse_version(version)
    if parsed is None or not VERSIONS[0] <= parsed <= VERSIONS[-1]:
        known = ", ".join(SUPPORTED)
        raise UsageError(f"no model of kernel {version[:40]!r}: there is one of {known}")
    return version


def version_for(meta: Meta, asked: str | None) -> str:
    """Return the version to behave as: the one asked for, else the recording's own, else the base.

    Errors: UsageError for one asked for that is older or newer than all profiles.
    """
    if asked is not None:
        return check_version(asked)
    major, minor = BASE if meta.kernel is None else meta.kernel
    return f"{major}.{minor}"


def _bounded(size: int) -> int:
    """A setting in the range that the engine counts in: beyond it nothing is bounded anyway."""
    return max(0, min(size, MOST))


def _number(meta: Meta, key: str, default: int) -> int:
    value = meta.sysctl.get(key)
    return _bounded(value) if isinstance(value, int) else default


def _option(meta: Meta, key: str, default: bool) -> bool:
    value = meta.config.get(key)
    return value if isinstance(value, bool) else default


def _nodes(text: str) -> int:
    """Return how many NUMA nodes "0-1" or "1" (the highest) stand for."""
    highest = text.replace(",", "-").split("-")[-1]
    return int(highest) + 1 if highest.isascii() and highest.isdecimal() and len(highest) < 4 else 1


def _set_huge_pages(config: KernelConfig, meta: Meta) -> None:
    """The pool of the default size; a recording knows of no other, and then it is empty."""
    size = (meta.hugepagesize_kb or 2048) * 1024
    if size not in config.hugepages:
        return
    config.default_hugepagesz = size
    config.hugepages[size] = max(0, min(_number(meta, "vm.nr_hugepages", 0), 1 << 40))
    overcommit = max(0, min(_number(meta, "vm.nr_overcommit_hugepages", 0), 1 << 40))
    config.overcommit_hugepages = {size: overcommit}


def _set_shmem_sizes(config: KernelConfig, meta: Meta) -> None:
    """Set the sizes of huge pages that shared anonymous memory is aligned to, where told."""
    told = {
        int(match.group(1)) << 10: setting
        for name, setting in meta.thp.items()
        if (match := _SHMEM_SIZE().match(name)) is not None
    }
    if told:
        config.shmem_sizes = [size for size in told if told[size] not in ("never", "inherit")]
        config.shmem_inherit_sizes = [size for size in told if told[size] == "inherit"]


def kernel_config(meta: Meta, version: str) -> KernelConfig:
    """Return the engine's configuration for a recording's machine, as a kernel of that version."""
    config = KernelConfig()
    config.release = version
    config.features = features_of(version, meta.release, meta.build)
    config.max_map_count = _number(meta, "vm.max_map_count", config.max_map_count)
    config.overcommit_memory = _number(meta, "vm.overcommit_memory", config.overcommit_memory)
    config.dac_mmap_min_addr = _number(meta, "vm.mmap_min_addr", config.dac_mmap_min_addr)
    config.mmap_min_addr = max(config.dac_mmap_min_addr, config.mmap_min_addr)
    if meta.min_addr_effective is not None:
        config.mmap_min_addr = _bounded(meta.min_addr_effective)
    if meta.stack_guard_gap_pages is not None:
        config.stack_guard_gap = min(meta.stack_guard_gap_pages, 1 << 30) * PAGE_SIZE
    if meta.total_ram_pages is not None:
        config.total_ram_pages = _bounded(meta.total_ram_pages)
    if meta.swap_total_kb is not None:
        config.total_swap_pages = _bounded(meta.swap_total_kb) // 4
    if meta.commit_limit_kb is not None:
        config.commit_limit = _bounded(meta.commit_limit_kb) // 4
    config.user_reserve_pages = _number(meta, "vm.user_reserve_kbytes", 131072) // 4
    config.admin_reserve_pages = _number(meta, "vm.admin_reserve_kbytes", 8192) // 4
    config.memfd_noexec = _number(meta, "vm.memfd_noexec", 0)
    config.legacy_va_layout = _number(meta, "vm.legacy_va_layout", 0) != 0
    config.thp_enabled = meta.thp.get("enabled", config.thp_enabled)
    config.shmem_enabled = meta.thp.get("shmem_enabled", config.shmem_enabled)
    _set_shmem_sizes(config, meta)
    config.use_zero_page = meta.thp.get("use_zero_page", "1") != "0"
    config.soft_dirty = _option(meta, "CONFIG_MEM_SOFT_DIRTY", False)
    config.anon_vma_name = _option(meta, "CONFIG_ANON_VMA_NAME", False)
    # Before 5.11 it was on.
    on = not config.features.userfaultfd_user_mode_only
    config.unprivileged_userfaultfd = _number(meta, "vm.unprivileged_userfaultfd", on) != 0
    config.swap = _option(meta, "CONFIG_SWAP", True)
    config.user_shadow_stack = _option(meta, "CONFIG_X86_USER_SHADOW_STACK", False)
    config.checkpoint_restore = _option(meta, "CONFIG_CHECKPOINT_RESTORE", True)
    config.secretmem = _option(meta, "CONFIG_SECRETMEM", True)
    config.ksm = _option(meta, "CONFIG_KSM", True)
    config.transparent_hugepage = _option(meta, "CONFIG_TRANSPARENT_HUGEPAGE", True)
    if not config.transparent_hugepage:
        config.thp_enabled = "never"
    config.userfaultfd = _option(meta, "CONFIG_USERFAULTFD", True)
    config.pkeys = meta.pkeys.startswith("yes") or meta.pkeys in ("1", "True", "true")
    config.numa_nodes = _nodes(meta.nodes)
    config.hugetlb_shm_group = _number(meta, "vm.hugetlb_shm_group", 0)
    config.io_uring_disabled = _number(meta, "kernel.io_uring_disabled", 0)
    if meta.cpus is not None:
        config.possible_cpus = max(1, min(meta.cpus, 1 << 16))
    _set_huge_pages(config, meta)
    return config


def learn_options(config: KernelConfig, meta: Meta, lines: Snapshot) -> None:
    """Take options that the recording does not tell from what only they let a map show."""
    if not isinstance(meta.config.get("CONFIG_MEM_SOFT_DIRTY"), bool):
        config.soft_dirty |= any("sd" in (line.flags or ()) for line in lines)
    if not isinstance(meta.config.get("CONFIG_ANON_VMA_NAME"), bool):
        config.anon_vma_name |= any(line.name.startswith("[anon:") for line in lines)
