# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes by what they use of their limits, for programs."""

from collections.abc import Iterable
from typing import TypedDict

from vmalab.explain.enomem.watched import Watched
from vmalab.views.answers.enomem import HeadroomAnswer, headroom_answer


class WatchedAnswer(TypedDict):
    """A live process. comm: its name. headroom: how much of each limit is left. percent: of the
    limit that is used the most. limit: that one, "" for none.
    """

    pid: int
    comm: str
    headroom: list[HeadroomAnswer]
    percent: float
    limit: str


class TopAnswer(TypedDict):
    """All processes. max_map_count: the setting of the machine. denied: processes whose map may not
    be read, and which are not listed.
    """

    max_map_count: int
    denied: int
    processes: list[WatchedAnswer]


def top_answer(found: Iterable[Watched], max_map_count: int, denied: int) -> TopAnswer:
    """Return processes, in the order in which they come."""
    return {
        "max_map_count": max_map_count,
        "denied": denied,
        "processes": [_process(one) for one in found],
    }


def _process(one: Watched) -> WatchedAnswer:
    percent, limit = one.highest
    return {
        "pid": one.pid,
        "comm": one.comm,
        "headroom": [headroom_answer(row) for row in one.limits],
        "percent": round(percent, 3),
        "limit": limit if percent else "",
    }
