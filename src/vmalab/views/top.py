# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes by what they use of their limits, as a table: for a terminal, or to be printed once."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from vmalab.explain.enomem.headroom import AS, MAP_COUNT, MEMLOCK, Headroom
from vmalab.explain.enomem.watched import Watched, percent
from vmalab.views.enomem import amount, duration, rate
from vmalab.views.prometheus import headroom_lines

# Columns: heading, width.
COLUMNS: Final = (
    ("PID", 8),
    ("VMAs", 7),
    ("of limit", 9),
    ("a second", 9),
    ("gone in", 8),
    ("mapped", 10),
    ("limit", 10),
    ("locked", 10),
    ("limit", 10),
)
# What processes can be sorted by.
SORTS: Final[dict[str, Callable[[Watched], float]]] = {
    "vmas": lambda one: -one.of(MAP_COUNT).used,
    "percent": lambda one: -one.highest[0],
    "mapped": lambda one: -one.of(AS).used,
    "locked": lambda one: -one.of(MEMLOCK).used,
    "growth": lambda one: -(one.of(MAP_COUNT).per_second or 0.0),
    "time": lambda one: _soonest(one),
    "pid": lambda one: one.pid,
}
_NEVER: Final = float("inf")
# Percentages of a limit from which on a process is marked, the highest first.
_MARKS: Final = ((90.0, "!"), (75.0, "*"))


def _soonest(one: Watched) -> float:
    return min(
        (row.seconds_left for row in one.limits if row.seconds_left is not None), default=_NEVER
    )


def by(sort: str, found: Iterable[Watched]) -> list[Watched]:
    """Return processes sorted by one of SORTS; those that are equal by their numbers."""
    return sorted(found, key=lambda one: (SORTS[sort](one), one.pid))


def cells(one: Watched) -> tuple[str, ...]:
    """Return what stands in the columns for a process; its name comes behind them."""
    vmas, size, locked = one.of(MAP_COUNT), one.of(AS), one.of(MEMLOCK)
    left = _soonest(one)
    return (
        str(one.pid),
        str(vmas.used),
        f"{percent(vmas):.1f} %",
        rate(vmas.per_second, vmas.unit),
        "" if left == _NEVER else duration(int(left)),
        amount(size.used, size.unit),
        _limit(size),
        amount(locked.used, locked.unit),
        _limit(locked),
    )


def mark_of(one: Watched) -> str:
    """Return what marks a process that comes near a limit: "!", "*", or " " for none."""
    used, _ = one.highest
    return next((mark for least, mark in _MARKS if used >= least), " ")


def heading() -> str:
    """Return the line above those of processes."""
    return "".join(f"{name:>{width}} " for name, width in COLUMNS) + " name"


def line_of(one: Watched) -> str:
    """Return the line of a process; its name in it is not escaped."""
    parts = zip(cells(one), COLUMNS, strict=True)
    return "".join(f"{cell:>{width}} " for cell, (_, width) in parts) + f" {one.comm}"


def _limit(row: Headroom) -> str:
    return "none" if row.limit is None else amount(row.limit, row.unit)


def beyond(found: Iterable[Watched], most: float) -> list[str]:
    """Return a sentence for each limit of which more than so many percent are used."""
    return [
        f"process {one.pid} ({one.comm}): {row.name}: {amount(row.used, row.unit)} of "
        f"{_limit(row)}, {percent(row):.1f} %"
        for one in found
        for row in one.limits
        if percent(row) > most
    ]


def top_metrics(found: Iterable[Watched]) -> Iterator[str]:
    """Yield the limits of processes as metrics of Prometheus."""
    return headroom_lines(
        ({"pid": str(one.pid), "comm": one.comm}, row) for one in found for row in one.limits
    )
