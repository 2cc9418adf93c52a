# SPDX-License-Identifier: GPL-2.0-or-later
"""What a what-if changes: calls left out or made otherwise, settings of the machine, its rules."""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.calls.table import FORKS, MEMORY, SOMETIMES_MEMORY, row_of
from vmalab.linux.include.uapi.prctl import PR_SET_VMA
from vmalab.linux.include.uapi.resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.recording.format.meta import Meta
from vmalab.targets.model.model import SeamMaker
from vmalab.targets.model.versions import UsageError

# Settings that decide results, and can be changed.
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
THP: Final = ("always", "madvise", "never")
_PATTERN: Final = re.compile(r"([a-z0-9_]+)(?:\((.*)\))?\s*", re.DOTALL)
_WORD: Final = re.compile(r"[^\s(),|=]+")
_NUMBER: Final = re.compile(r"(0x[0-9a-f]+|\d+)([KMGT]?)", re.IGNORECASE)
_SCALE: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Calls of a name whose printed arguments have every one of the words."""

    name: str
    words: tuple[str, ...] = ()

    def matches(self, call: Call) -> bool:
        """Return whether it is such a call."""
        if self.name not in (call.name, call.spelling):
            return False
        if not self.words:
            return True
        said = set(_WORD.findall(format_call(call).partition("(")[2]))
        return all(word in said for word in self.words)


@dataclass(frozen=True, slots=True)
class Changes:
    """All changes of one what-if; none of them by default.

    drops: calls that are not made. sysctl: by name. rlimits: "AS" and so on -> bytes, soft and
    hard. kernel: version. guards: PROT_NONE guards become guard regions. thp: the setting of
    transparent huge pages. no_names: anonymous memory is not named. seam: makes the engine's seam.
    """

    drops: tuple[Pattern, ...] = ()
    sysctl: dict[str, int] = field(default_factory=dict)
    rlimits: dict[str, int] = field(default_factory=dict)
    kernel: str | None = None
    guards: bool = False
    thp: str | None = None
    no_names: bool = False
    seam: SeamMaker | None = None

    def leaves_out(self, call: Call) -> bool:
        """Return whether a call is not made."""
        if self.no_names and call.name == "prctl" and call.args[0] == PR_SET_VMA:
            return True
        return any(pattern.matches(call) for pattern in self.drops)

    def holds_limit(self, call: Call) -> bool:
        """Whether a call would set a limit that is changed: that one stays as it was asked for."""
        if call.name == "prlimit64":
            resource, sets = call.args[1], call.args[2] != 0
        elif call.name == "setrlimit":
            resource, sets = call.args[0], True
        else:
            return False
        return sets and any(RLIMITS[name] == resource for name in self.rlimits)


def parse_pattern(text: str) -> Pattern:
    """`madvise(MADV_NOHUGEPAGE)`, or `madvise` for all of them. Errors: UsageError."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text[:60]!r} is not a call: write NAME or NAME(WORD, ...)")
    name = match.group(1)
    family = row_of(name).family
    if not family & (MEMORY | SOMETIMES_MEMORY) or family & FORKS:
        raise UsageError(f"{name!r} is not a call that maps, changes or inspects memory")
    return Pattern(name, tuple(_WORD.findall(match.group(2) or "")))


def parse_setting(text: str) -> tuple[str, int]:
    """`vm.max_map_count=262144`. Errors: UsageError, which names the settings there are."""
    name, equals, value = text.partition("=")
    if name not in SYSCTLS:
        raise UsageError(
            f"{name[:60]!r} is not a setting that can change: choose one of {', '.join(SYSCTLS)}"
        )
    if not equals or not value.isascii() or not value.isdecimal() or len(value) > 15:
        raise UsageError(f"{text[:60]!r}: write {name}=NUMBER")
    return name, int(value)


def parse_rlimit(text: str) -> tuple[str, int]:
    """`AS=512M`, in bytes; `AS=unlimited`. Errors: UsageError."""
    name, equals, value = text.upper().partition("=")
    name = name.removeprefix("RLIMIT_")
    if name not in RLIMITS:
        raise UsageError(
            f"{name[:60]!r} is not a limit that can change: choose one of {', '.join(RLIMITS)}"
        )
    if value == "UNLIMITED":
        return name, RLIM_INFINITY
    match = _NUMBER.fullmatch(value)
    if not equals or match is None or len(value) > 20:
        raise UsageError(f"{text[:60]!r}: write {name}=BYTES, with K, M, G or T, or unlimited")
    return name, min(int(match.group(1), 0) << _SCALE[match.group(2)], RLIM_INFINITY)


def changed_meta(meta: Meta, changes: Changes) -> Meta:
    """Return the recorded machine with other settings and limits."""
    pair = {name: (value, value) for name, value in changes.rlimits.items()}
    images = {
        name: replace(image, rlimits=image.rlimits | pair) for name, image in meta.images.items()
    }
    meta = replace(meta, rlimits=meta.rlimits | pair, images=images)
    if changes.thp is not None:
        meta = replace(meta, thp=meta.thp | {"enabled": changes.thp})
    settings = changes.sysctl
    if "vm.mmap_min_addr" in settings and meta.min_addr_effective is not None:
        # What the security module adds stays as it was recorded.
        recorded = meta.sysctl.get("vm.mmap_min_addr", 0)
        added = meta.min_addr_effective if meta.min_addr_effective != recorded else 0
        meta = replace(meta, min_addr_effective=max(settings["vm.mmap_min_addr"], added))
    limit = _commit_limit(meta, settings)
    if limit is not None:
        meta = replace(meta, commit_limit_kb=limit)
    return replace(meta, sysctl={**meta.sysctl, **settings})


def _commit_limit(meta: Meta, settings: dict[str, int]) -> int | None:
    """CommitLimit in kB under other settings, None for the same as before.

    Kernel: vm_commit_limit(), without what huge pages take.
    """
    swap = meta.swap_total_kb or 0
    if settings.get("vm.overcommit_kbytes"):
        return settings["vm.overcommit_kbytes"] + swap
    if "vm.overcommit_ratio" in settings and meta.total_ram_pages is not None:
        return meta.total_ram_pages * settings["vm.overcommit_ratio"] // 100 * 4 + swap
    return None
