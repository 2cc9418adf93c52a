# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a stream starts: the first map of its worker, and meta.json of a recording of it."""

import json
import re
from typing import Final, final

from vmalab.linux.fs.open import TMPFS_DEV
from vmalab.linux.include.uapi.personality import ADDR_NO_RANDOMIZE
from vmalab.recording.format.meta import Meta, parse_meta
from vmalab.targets.real.answers import Started
from vmalab.targets.real.config_probes import TID
from vmalab.targets.real.settings import Settings

# Limits of /proc/PID/limits by their names in meta.json.
_LIMIT_NAMES: Final = {
    "Max address space": "AS",
    "Max core file size": "CORE",
    "Max data size": "DATA",
    "Max locked memory": "MEMLOCK",
    "Max stack size": "STACK",
}


def _limits(text: str) -> dict[str, tuple[int | None, int | None]]:
    """Soft and hard limits, in bytes; None is no limit."""
    found: dict[str, tuple[int | None, int | None]] = {}
    for label, soft, hard in re.findall(r"^(Max \S+(?: \S+)*) +(\w+) +(\w+) +bytes", text, re.M):
        if label in _LIMIT_NAMES:
            found[_LIMIT_NAMES[label]] = _limit(soft), _limit(hard)
    return found


def _limit(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


# Fields of /proc/PID/stat behind the name, which may hold spaces, by their place there.
_STAT: Final = {
    "start_code": 23,
    "end_code": 24,
    "start_stack": 25,
    "start_data": 42,
    "end_data": 43,
    "arg_start": 45,
    "arg_end": 46,
    "env_start": 47,
    "env_end": 48,
}


@final
class Beginning:
    """Where a stream starts: the kernel's facts and the worker's first address space.

    trusts_caps: capabilities are those of the machine, not of a user namespace.
    """

    def __init__(self, facts: dict[str, object], started: Started, trusts_caps: bool) -> None:
        self._facts = facts
        self.first = started.first
        self._stat = started.stat
        self._status = started.status
        self._limits = _limits(started.limits)
        self.start_brk = started.start_brk
        self._trusts_caps = trusts_caps

    def key(self) -> tuple[object, ...]:
        """Return what two beginnings that make the same model have in common."""
        vmas = self.first.text[: self.first.end_of_lines()]
        limits = tuple(self._limits.items())
        facts = json.dumps(self._facts)
        return vmas, self._fields(), self.start_brk, self._rights(), limits, facts

    def _fields(self) -> tuple[int, ...]:
        words = self._stat.rpartition(")")[2].split()
        return tuple(int(words[place]) for place in _STAT.values())

    def _rights(self) -> tuple[tuple[str, str], ...]:
        """Return the lines of status that say what the worker may do."""
        found = dict(re.findall(r"^(Uid|Gid|CapEff|CapBnd):\s*(.*)", self._status, re.M))
        rights = {"Uid": found.get("Uid", "0"), "CapEff": "0"}
        if self._trusts_caps:
            rights |= found
        return tuple(rights.items())

    def meta_json(self, settings: Settings, generator: dict[str, object]) -> dict[str, object]:
        """meta.json of a recording that begins here."""
        lines = self.first.lines()
        image = f"{TID}.1"
        fields = dict(zip(_STAT, self._fields(), strict=True))
        mm = {name: hex(value) for name, value in fields.items() if value}
        mm["start_brk"] = hex(self.start_brk)
        touched = [
            f"{line.start:08x}-{line.end:08x}" for line in lines if line.perms.startswith("rw")
        ]
        return {
            **self._facts,
            "inodes": "canonical",
            "filesystems": {TMPFS_DEV: settings.place},
            "generator": generator,
            "main_image": image,
            "events": [{"after_line": 0, "event": "exec", "pid": TID, "image": image}],
            "images": {
                image: {
                    "rlimits": self._limits,
                    "status": {**dict(self._rights()), "NoNewPrivs": 0},
                    "mm": mm,
                    "anon_vma": touched,
                    "vdso_dropped": not settings.keeps_vdso,
                    # The executor asks for no randomisation before it executes a worker.
                    "personality": f"{ADDR_NO_RANDOMIZE | settings.personality:08x}",
                }
            },
        }

    def meta(self, settings: Settings, generator: dict[str, object]) -> Meta:
        """Return the same as values."""
        text = json.dumps(self.meta_json(settings, generator))
        return parse_meta(text.encode(), "meta.json of the target")
