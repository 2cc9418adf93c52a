# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of each limit many live processes have left, and how long it lasts: looked at over time.

When a limit will be gone is said where a trend holds: the quantity has been watched for a while, it
grew in each third of that time, and what is left is not much more than that growth (`Headroom`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from vmalab.explain.enomem.headroom import AS, DATA, MAP_COUNT, MEMLOCK, STACK, Headroom
from vmalab.explain.enomem.limit_checks import PAGES, VMAS
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.recording.live.survey import ProcessUse

# Seconds that a trend looks back, and that it must have been watched for at least.
WINDOW: Final = 120.0
LEAST: Final = 10.0
# Looks at a quantity that are kept; the third of them are the least that a trend takes.
_KEPT: Final = 48
_FEW: Final = 6


@final
class Course:
    """How one quantity went: the times (seconds) and figures of the looks at it."""

    __slots__ = ("_figures", "_times", "most")

    def __init__(self) -> None:
        self.most = 0
        self._times: list[float] = []
        self._figures: list[int] = []

    def add(self, time: float, figure: int) -> None:
        """Add a look at it, unless it is the last one again."""
        times, figures = self._times, self._figures
        self.most = max(self.most, figure)
        if times and times[-1] >= time:
            return
        times.append(time)
        figures.append(figure)
        old = 0
        while times[old] < time - WINDOW:
            old += 1
        del times[:old], figures[:old]
        if len(times) > _KEPT:
            # Every second one of the older ones is enough.
            del times[1:-1:2], figures[1:-1:2]

    @property
    def now(self) -> int:
        """The latest figure."""
        return self._figures[-1]

    @property
    def per_second(self) -> float | None:
        """Growth a second, None where it has been looked at only once."""
        seconds = self._times[-1] - self._times[0]
        return (self._figures[-1] - self._figures[0]) / seconds if seconds > 0 else None

    @property
    def grew(self) -> int:
        """How much it grew where a trend holds, else 0."""
        times, figures = self._times, self._figures
        if len(times) < _FEW or times[-1] - times[0] < LEAST:
            return 0
        parts = [figures[(len(figures) - 1) * part // 3] for part in range(4)]
        if any(high <= low for low, high in pairwise(parts)):
            return 0
        return figures[-1] - figures[0]


@dataclass(frozen=True, slots=True)
class Watched:
    """A live process. limits: one of each kind; comm: its name, of any bytes."""

    pid: int
    comm: str
    limits: tuple[Headroom, ...]

    def of(self, name: str) -> Headroom:
        """Return a limit by name."""
        return next(row for row in self.limits if row.name == name)

    @property
    def highest(self) -> tuple[float, str]:
        """The limit that is used the most: how many percent of it, and its name."""
        return max(((percent(row), row.name) for row in self.limits), default=(0.0, ""))


def percent(row: Headroom) -> float:
    """Return how much of a limit is used, in percent; 0.0 where there is none."""
    if row.limit is None:
        return 0.0
    if row.limit <= 0:
        return 100.0 if row.used > 0 else 0.0
    return 100.0 * row.used / row.limit


@final
class LimitWatch:
    """The courses of all processes that are there."""

    def __init__(self) -> None:
        self._courses: dict[int, dict[str, Course]] = {}

    def add(self, uses: Iterable[ProcessUse], max_map_count: int) -> list[Watched]:
        """Add a look at all processes. Returns: each of them, as it is by now."""
        found = [self._watched(use, max_map_count) for use in uses]
        there = {one.pid for one in found}
        for pid in self._courses.keys() - there:
            del self._courses[pid]
        return found

    def _watched(self, use: ProcessUse, max_map_count: int) -> Watched:
        courses = self._courses.setdefault(use.pid, {})
        figures = {
            MAP_COUNT: (use.counted, use.vmas, VMAS, max_map_count),
            AS: (use.when, use.size >> 2, PAGES, _pages(use, "AS")),
            DATA: (use.when, use.data >> 2, PAGES, _pages(use, "DATA")),
            MEMLOCK: (use.when, use.locked >> 2, PAGES, _pages(use, "MEMLOCK")),
            STACK: (use.when, use.stack >> 2, PAGES, _pages(use, "STACK")),
        }
        rows = []
        for name, (when, figure, unit, limit) in figures.items():
            course = courses.setdefault(name, Course())
            course.add(when, figure)
            rate = course.per_second
            rows.append(Headroom(name, unit, figure, course.most, limit, None, rate, course.grew))
        return Watched(use.pid, use.comm, tuple(rows))


def _pages(use: ProcessUse, name: str) -> int | None:
    """Return a soft limit in pages, None for none."""
    limit = use.rlimits.get(name, RLIM_INFINITY)
    if limit == RLIM_INFINITY or (name == "MEMLOCK" and use.may_lock):
        return None
    return limit >> PAGE_SHIFT
