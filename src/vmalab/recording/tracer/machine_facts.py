# SPDX-License-Identifier: GPL-2.0-or-later
"""Collects what meta.json says of the machine: kernel, settings, memory, limits on addresses."""

import gzip
import os
import re
from typing import Final

_SYSCTLS: Final = (
    "vm.max_map_count",
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.overcommit_kbytes",
    "vm.mmap_min_addr",
    "vm.mmap_rnd_bits",
    "vm.legacy_va_layout",
    "vm.nr_hugepages",
    "vm.nr_overcommit_hugepages",
    "vm.hugetlb_shm_group",
    "vm.swappiness",
    "vm.memfd_noexec",
    "vm.unprivileged_userfaultfd",
    "vm.user_reserve_kbytes",
    "vm.admin_reserve_kbytes",
    "kernel.randomize_va_space",
    "kernel.shm_rmid_forced",
    "kernel.io_uring_disabled",
)
_OPTIONS: Final = (
    "CONFIG_MEM_SOFT_DIRTY",
    "CONFIG_USERFAULTFD",
    "CONFIG_KSM",
    "CONFIG_TRANSPARENT_HUGEPAGE",
    "CONFIG_ANON_VMA_NAME",
    "CONFIG_NUMA",
    "CONFIG_SWAP",
)
_THP: Final = "/sys/kernel/mm/transparent_hugepage"
MAX_CONFIG: Final = 4 << 20


def _text(path: str) -> str:
    """Return a file's text, "" when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20).strip()
    except OSError:
        return ""


def _config_text(release: str) -> str:
    """Return the kernel's configuration, "" where the machine does not tell it."""
    try:
        with gzip.open("/proc/config.gz", "rt", encoding="utf-8", errors="replace") as file:
            return file.read(MAX_CONFIG)
    except (OSError, EOFError):
        return _text(f"/boot/config-{release}")


def kernel_options(release: str) -> dict[str, bool]:
    """The options that change results: from the configuration, else as far as /proc and /sys tell.

    What nothing tells is left out.
    """
    text = _config_text(release)
    if text:
        chosen = set(re.findall(r"^(CONFIG_\w+)=y$", text, re.MULTILINE))
        return {name: name in chosen for name in _OPTIONS}
    return {
        "CONFIG_USERFAULTFD": os.path.exists("/proc/sys/vm/unprivileged_userfaultfd"),
        "CONFIG_KSM": os.path.exists("/sys/kernel/mm/ksm"),
        "CONFIG_TRANSPARENT_HUGEPAGE": os.path.exists(_THP),
        "CONFIG_NUMA": os.path.exists("/proc/self/numa_maps"),
        "CONFIG_SWAP": os.path.exists("/proc/swaps"),
    }


def _sysctls() -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for name in _SYSCTLS:
        value = _text("/proc/sys/" + name.replace(".", "/"))
        if re.fullmatch(r"-?\d+", value):
            found[name] = int(value)
        elif value:
            found[name] = value
    return found


def _sizes() -> list[str]:
    """Return the folders of the sizes of transparent huge pages, "hugepages-64kB" and others."""
    try:
        return sorted(name for name in os.listdir(_THP) if name.startswith("hugepages-"))
    except OSError:
        return []


def _huge_pages() -> dict[str, str]:
    found = {}
    for name in ("enabled", "defrag", "shmem_enabled"):
        chosen = re.search(r"\[(\w+)\]", _text(f"{_THP}/{name}"))
        if chosen is not None:
            found[name] = chosen.group(1)
    for size in _sizes():
        for name in ("enabled", "shmem_enabled"):
            chosen = re.search(r"\[(\w+)\]", _text(f"{_THP}/{size}/{name}"))
            if chosen is not None:
                found[f"{size}/{name}"] = chosen.group(1)
    zero_page = _text(f"{_THP}/use_zero_page")
    if zero_page:
        found["use_zero_page"] = zero_page
    return found


def _guard_gap() -> int:
    """Return the gap below stacks in pages: 256 unless the kernel was started with another."""
    given = re.search(r"\bstack_guard_gap=(\d{1,9})\b", _text("/proc/cmdline"))
    return int(given.group(1)) if given else 256


def _lowest_hint(smallest: object) -> int:
    """The lowest address that a hint can ask for: CONFIG_LSM_MMAP_MIN_ADDR may be above the sysctl.

    Kernel: mmap_min_addr is the larger one of the two, which only a configuration tells.
    """
    lowest = smallest if isinstance(smallest, int) else 65536
    text = _config_text(os.uname().release)
    given = re.search(r"^CONFIG_LSM_MMAP_MIN_ADDR=(\d{1,9})$", text, re.MULTILINE)
    return max(lowest, int(given.group(1)) if given else 65536)


def machine_facts() -> dict[str, object]:
    """Return the part of meta.json that is about the machine, as it is now."""
    names = os.uname()
    memory = {
        name: int(size)
        for name, size in re.findall(r"^(\w+): +(\d+)", _text("/proc/meminfo"), re.MULTILINE)
    }
    sysctl = _sysctls()
    flags = re.search(r"^flags\s*:(.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    words = flags.group(1).split() if flags else []
    return {
        "format": 1,
        "kernel": {
            "release": names.release,
            "version": names.version,
            "machine": names.machine,
            "config": kernel_options(names.release),
        },
        "page_size": os.sysconf("SC_PAGE_SIZE"),
        "total_ram_pages": memory.get("MemTotal", 0) // 4,
        "swap_total_kb": memory.get("SwapTotal", 0),
        "commit_limit_kb": memory.get("CommitLimit", 0),
        "committed_as_kb": memory.get("Committed_AS", 0),
        "hugepagesize_kb": memory.get("Hugepagesize", 2048),
        "nodes": _text("/sys/devices/system/node/online") or "0",
        "cpus": os.cpu_count() or 1,
        "pkeys": "yes" if "ospke" in words else "no",
        "stack_guard_gap_pages": _guard_gap(),
        "sysctl": sysctl,
        "thp": _huge_pages(),
        "min_addr_effective": _lowest_hint(sysctl.get("vm.mmap_min_addr")),
    }
