# SPDX-License-Identifier: GPL-2.0-or-later
"""Why calls failed, and what is left of each limit, for programs."""

from collections.abc import Iterable
from typing import TypedDict

from vmalab.explain.enomem.failed_calls import Enomem, FailureGroup, Refused
from vmalab.explain.enomem.headroom import Headroom


class FailureGroupAnswer(TypedDict):
    """Refusals by the same check of calls of the same name with the same errno.

    argument: the one that is to blame, "" for none. first_line, last_line: of the log. unit: of
    most_over. most_over: how far over the limit the worst was, null without figures. why: what the
    check looked at.
    """

    check: str
    argument: str
    call: str
    errno: str
    count: int
    first_line: int
    last_line: int
    unit: str
    most_over: int | None
    why: str


class TrendAnswer(TypedDict):
    """How a quantity grew before a refusal. now, grew: in the check's unit. calls, seconds: within
    which it did. per_call, per_second: on average, null where not known.
    """

    now: int
    grew: int
    calls: int
    seconds: float
    per_call: float | None
    per_second: float | None


class RefusedAnswer(TypedDict):
    """One call that failed. line: of the log. time: seconds, as the log counts them. call: as
    strace prints it.

    check: which check refused it. argument: the one that is to blame, "" for none. why: what it
    looked at. remedy: the smallest change with which it alone would have passed. unit: of needed,
    limit and over. needed: what the limit would have to be, null without figures. limit: what it
    is. over: how far beyond the limit it was. sensible: the limit with room for what follows, 0
    for none.
    """

    line: int
    image: str
    time: float
    call: str
    errno: str
    check: str
    argument: str
    why: str
    remedy: str
    unit: str
    needed: int | None
    limit: int | None
    over: int | None
    sensible: int
    trend: TrendAnswer | None


class HeadroomAnswer(TypedDict):
    """One limit. used, most, limit, left: in `unit`; most: while it was watched; limit: null for
    none, or, without limit_known, for one that is not known. per_call, per_second: growth, null
    where not known. calls_left, seconds_left: until it is used up at that rate, null for never.
    """

    name: str
    unit: str
    used: int
    most: int
    limit: int | None
    limit_known: bool
    left: int | None
    per_call: float | None
    per_second: float | None
    calls_left: int | None
    seconds_left: float | None


class EnomemAnswer(TypedDict):
    """One recording. failed: memory calls that failed. others_failed: calls that make memory
    outside of the address space, and failed. groups: all failures. refused: the first ones.
    headroom: by image, how much of each limit is left at its end.
    """

    recording: str
    kernel: str
    memory_calls: int
    failed: int
    others_failed: int
    groups: list[FailureGroupAnswer]
    refused: list[RefusedAnswer]
    headroom: dict[str, list[HeadroomAnswer]]


class LimitsAnswer(TypedDict):
    """One live process. headroom: how much of each limit is left."""

    pid: int
    headroom: list[HeadroomAnswer]


class SavedLimitsAnswer(TypedDict):
    """A saved map. subject: as the user named it. headroom: what it counts against each limit.
    notes: what it does not tell, a sentence each.
    """

    subject: str
    headroom: list[HeadroomAnswer]
    notes: list[str]


def saved_limits_answer(
    subject: str, rows: Iterable[Headroom], notes: list[str]
) -> SavedLimitsAnswer:
    """Return what a saved map counts against each limit."""
    return {"subject": subject, "headroom": [headroom_answer(row) for row in rows], "notes": notes}


def enomem_answer(found: Enomem) -> EnomemAnswer:
    """Return the findings of one recording."""
    return {
        "recording": found.path,
        "kernel": found.kernel,
        "memory_calls": found.calls,
        "failed": found.failed,
        "others_failed": found.others_failed,
        "groups": [_group(group) for group in found.groups],
        "refused": [_refused(refused) for refused in found.refused],
        "headroom": {
            image: [headroom_answer(row) for row in rows] for image, rows in found.headroom.items()
        },
    }


def limits_answer(pid: int, rows: Iterable[Headroom]) -> LimitsAnswer:
    """Return what is left of a live process's limits."""
    return {"pid": pid, "headroom": [headroom_answer(row) for row in rows]}


def _group(group: FailureGroup) -> FailureGroupAnswer:
    return {
        "check": group.check,
        "argument": group.argument,
        "call": group.name,
        "errno": group.errno,
        "count": group.count,
        "first_line": group.first,
        "last_line": group.last,
        "unit": group.unit,
        "most_over": group.most,
        "why": "" if group.example is None else group.example.verdict.why,
    }


def _refused(refused: Refused) -> RefusedAnswer:
    verdict, trend = refused.verdict, refused.trend
    return {
        "line": refused.line,
        "image": refused.image,
        "time": refused.time,
        "call": refused.call,
        "errno": refused.errno,
        "check": verdict.check,
        "argument": refused.argument,
        "why": verdict.why,
        "remedy": verdict.remedy,
        "unit": verdict.unit,
        "needed": verdict.needed,
        "limit": verdict.limit,
        "over": verdict.over,
        "sensible": refused.sensible,
        "trend": None
        if trend is None
        else {
            "now": trend.now,
            "grew": trend.grew,
            "calls": trend.calls,
            "seconds": trend.seconds,
            "per_call": trend.per_call,
            "per_second": trend.per_second,
        },
    }


def headroom_answer(row: Headroom) -> HeadroomAnswer:
    """Return one limit."""
    return {
        "name": row.name,
        "unit": row.unit,
        "used": row.used,
        "most": row.most,
        "limit": row.limit,
        "limit_known": row.limit_known,
        "left": row.left,
        "per_call": row.per_call,
        "per_second": row.per_second,
        "calls_left": row.calls_left,
        "seconds_left": row.seconds_left,
    }
