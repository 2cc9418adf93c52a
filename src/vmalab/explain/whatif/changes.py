# SPDX-License-Identifier: GPL-2.0-or-later
"""What a what-if changes: calls left out or made otherwise, settings of the machine, its rules."""

import re
from dataclasses import dataclass, field
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.errors import UsageError
from vmalab.calls.format import format_call
from vmalab.calls.table import FORKS, MEMORY, SOMETIMES_MEMORY, row_of
from vmalab.linux.include.uapi.prctl import PR_SET_VMA
from vmalab.patterns import pattern
from vmalab.recording.format.meta import Meta
from vmalab.recording.format.stated import RLIMITS, Stated
from vmalab.targets.model.model import SeamMaker

THP: Final = ("always", "madvise", "never")
_PATTERN: Final = pattern(r"([a-z0-9_]+)(?:\((.*)\))?\s*", re.DOTALL)
_WORD: Final = pattern(r"[^\s(),|=]+")


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
        said = set(_WORD().findall(format_call(call).partition("(")[2]))
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
        # Nearly always there are none, and this is asked of every call.
        return bool(self.drops) and any(pattern.matches(call) for pattern in self.drops)

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
    match = _PATTERN().fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text[:60]!r} is not a call: write NAME or NAME(WORD, ...)")
    name = match.group(1)
    family = row_of(name).family
    if not family & (MEMORY | SOMETIMES_MEMORY) or family & FORKS:
        raise UsageError(f"{name!r} is not a call that maps, changes or inspects memory")
    return Pattern(name, tuple(_WORD().findall(match.group(2) or "")))


def changed_meta(meta: Meta, changes: Changes) -> Meta:
    """Return the recorded machine with other settings and limits."""
    meta = Stated(changes.sysctl, changes.rlimits).applied_to(meta)
    if changes.thp is not None:
        meta = meta._replace(thp={**meta.thp, "enabled": changes.thp})
    return meta
