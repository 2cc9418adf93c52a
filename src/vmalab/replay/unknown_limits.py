# SPDX-License-Identifier: GPL-2.0-or-later
"""Explains and follows refusals by limits that a recording does not hold.

A bare log holds none; what it shows is that a limit is higher than was supposed.
"""

from collections.abc import Mapping
from typing import Final, final

from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.errno import EAGAIN, ENOMEM
from vmalab.linux.include.uapi.resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.linux.mm import refusal as checks
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta
from vmalab.replay.attempt import Attempt
from vmalab.replay.memory_calls import has_failed
from vmalab.replay.process_image import ImageState
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.versions import MOST

# What a setting is, where a log shows that it is higher than the usual one.
_LARGE: Final = (1 << 31) - 1

Rlimits = Mapping[str, tuple[int, int]]
_NONE: Final[Rlimits] = {}

# Limits of a process by the check that refuses a call for them.
_RLIMITS: Final = {
    checks.REFUSED_AS: ("AS", RLIMIT_AS),
    checks.REFUSED_DATA: ("DATA", RLIMIT_DATA),
    checks.REFUSED_BRK: ("DATA", RLIMIT_DATA),
    checks.REFUSED_MEMLOCK: ("MEMLOCK", RLIMIT_MEMLOCK),
    checks.REFUSED_STACK: ("STACK", RLIMIT_STACK),
}


def unknown_limits(meta: Meta, state: ImageState) -> tuple[str, ...]:
    """Return the limits that could refuse memory to an image and are not recorded."""
    return unstated_limits(meta, {} if state.source is None else state.source.meta.rlimits)


def unstated_limits(meta: Meta, known: Rlimits = _NONE) -> tuple[str, ...]:
    """Return the limits that could refuse memory and that nothing tells. known: an image's own."""
    names = [f"RLIMIT_{name}" for name in ("AS", "DATA") if not _has(meta, known, name)]
    if "vm.max_map_count" not in meta.sysctl:
        names.insert(0, "vm.max_map_count")
    if meta.total_ram_pages is None:
        names.append("RAM")
    return tuple(names)


def _has(meta: Meta, own: Rlimits, name: str) -> bool:
    return name in own or name in meta.rlimits


@final
class UnknownLimits:
    """Explains answers that depend on limits which the recording lacks."""

    def __init__(self, target: ModelTarget) -> None:
        self._target = target

    def explains(self, attempt: Attempt) -> bool:
        """Return whether a limit, or what counts against one, is not known and decided a call.

        One that turns out to be higher than was supposed is raised.
        """
        state, call = attempt.state, attempt.call
        if has_failed(call):
            if call.name != "brk" and call.ret not in (-ENOMEM, -EAGAIN):
                return False
            if attempt.predicted < 0:
                return False
            # Without the first map nobody knows how much counts against any limit.
            return not state.known_layout or bool(unknown_limits(self._target.meta, state))
        return self._raises(attempt.mm, state)

    def _raises(self, mm: Mm, state: ImageState) -> bool:
        """Raise the limit that refused the call in the model: whether it was not known.

        Where a log alone is there, one that was stated too low is raised as well, as a difference.
        """
        meta, check = self._target.meta, mm.refusal.check
        own = {} if state.source is None else state.source.meta.rlimits
        if check in _RLIMITS:
            known = _has(meta, own, _RLIMITS[check][0])
        elif check == checks.REFUSED_MAP_COUNT:
            known = "vm.max_map_count" in meta.sysctl
        elif check == checks.REFUSED_GUESS:
            known = meta.total_ram_pages is not None
        else:
            return False
        if known and state.known_layout:
            return False
        if check == checks.REFUSED_MAP_COUNT:
            mm.config.max_map_count = _LARGE
        elif check == checks.REFUSED_GUESS:
            mm.config.total_ram_pages = MOST >> PAGE_SHIFT
        elif mm.owner is not None:
            mm.owner.signal.rlim_cur[_RLIMITS[check][1]] = RLIM_INFINITY
        return not known
