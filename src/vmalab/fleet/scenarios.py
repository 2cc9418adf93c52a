# SPDX-License-Identifier: GPL-2.0-or-later
"""What would happen to a fleet: another kernel, a changed limit; each tried on each recording.

A limit that no call was refused by, and that stays above all that was ever used, decides nothing
else when it changes: such recordings need no run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vmalab.explain.whatif.changes import Changes
from vmalab.linux.include.page import PAGE_SHIFT

MAX_MAP_COUNT: Final = "vm.max_map_count"
# Limits that decide nothing but whether a call passes: by setting or resource, the check's name.
_DECIDING: Final = {
    MAX_MAP_COUNT: "map count",
    "AS": "RLIMIT_AS",
    "DATA": "RLIMIT_DATA",
    "MEMLOCK": "RLIMIT_MEMLOCK",
}
# Checks whose limit somebody can raise.
LIMITS: Final = frozenset(
    (*_DECIDING.values(), "RLIMIT_STACK", "commit limit", "overcommit guess", "fs.aio-max-nr")
)
# By how much more than what is ever seen between two calls one call may need in its course: VMAs.
_WITHIN_A_CALL: Final = 8


@dataclass(frozen=True, slots=True)
class Scenario:
    """One change. kernel: a version, "" for the recorded one. setting, rlimit: a name and its
    number, in bytes where it is a size; None for none.
    """

    kernel: str = ""
    setting: tuple[str, int] | None = None
    rlimit: tuple[str, int] | None = None

    @property
    def name(self) -> str:
        """What it is called: "Linux 7.3", "vm.max_map_count=262144", "RLIMIT_AS=2147483648"."""
        if self.setting is not None:
            return f"{self.setting[0]}={self.setting[1]}"
        if self.rlimit is not None:
            return f"RLIMIT_{self.rlimit[0]}={self.rlimit[1]}"
        return f"Linux {self.kernel}"

    def changes(self) -> Changes:
        """Return it as a what-if takes it."""
        return Changes(
            kernel=self.kernel or None,
            sysctl=dict([self.setting] if self.setting else []),
            rlimits=dict([self.rlimit] if self.rlimit else []),
        )

    @property
    def check(self) -> str:
        """The name of the one check that it changes, "" for more than that."""
        limit = self.setting or self.rlimit
        return "" if limit is None else _DECIDING.get(limit[0], "")


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit an image has used. most, limit: in `unit`. calls_left: memory calls until
    it is used up at the rate of the end, None where there is no trend.
    """

    name: str
    unit: str
    image: str
    most: int
    limit: int
    calls_left: int | None

    @property
    def part(self) -> float:
        """Which part of it was used at most."""
        return self.most / self.limit if self.limit > 0 else float(self.most > 0)


def decides(
    scenario: Scenario, used: dict[str, int] | None, refused: Sequence[str], kernel: str
) -> bool:
    """Return whether a scenario may change a recording at all.

    used: the most of each limit, by its name, None where it is not known of all images. refused:
    the checks that refused calls. kernel: the version that it was replayed as.
    """
    if scenario.kernel:
        return scenario.kernel != kernel
    check = scenario.check
    limit = scenario.setting or scenario.rlimit
    if not check or limit is None or used is None or check in refused:
        return True
    number = limit[1] if check == "map count" else limit[1] >> PAGE_SHIFT
    return used.get(check, 0) + _WITHIN_A_CALL > number
