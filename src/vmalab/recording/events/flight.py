# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recording by events is of, when it ends, and how meta.json has it until it is sorted."""

import os
import time
from dataclasses import dataclass, field

from vmalab.calls.errors import ReadError
from vmalab.recording.tracer.machine_facts import machine_facts

_TOP = 1 << 63


def _clock() -> int:
    """Return what makes the time of day of the clock that events have, in nanoseconds."""
    return time.time_ns() - time.monotonic_ns()


@dataclass(frozen=True, slots=True)
class FlightChoices:
    """What a user asked of a recording by events.

    duration: seconds after which it ends, 0 for no bound. max_size: bytes of events after which it
    ends, 0 for no bound. last: seconds of events that are kept at least, 0 for all. until_enomem:
    it ends when a call fails with ENOMEM.
    """

    duration: float = 0.0
    max_size: int = 0
    last: float = 0.0
    until_enomem: bool = False


@dataclass(frozen=True, slots=True)
class FlightPlan:
    """What a recording is of. pid: its first process. launched: from its exec on, else attached.

    clock: nanoseconds to be added for the time of day. fds: what a launched program had open, as
    meta.json has it. folder: where the process was at first, "" where that is not known.
    """

    pid: int
    launched: bool
    fds: dict[str, list[str | int]] = field(default_factory=dict)
    clock: int = field(default_factory=_clock)
    folder: str = ""


def folder_of(pid: int) -> str:
    """Return the working directory of a process, "" when it cannot be had."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def flight_meta(tracer: str, *, stacks: bool) -> dict[str, object]:
    """Return what meta.json says of a recording by events from its beginning.

    tracer: "events" or "perf". stacks: whether it has the stack of each call.
    """
    facts = machine_facts()
    if stacks:
        from vmalab.recording.events.libunwind import walks_by

        facts["stacks"] = walks_by()
    return facts | {
        "format": 2,
        "recorder": "vmalab",
        "tracer": tracer,
        "user": str(os.getuid()),
        "faults": "events",
    }


def flight_facts(flight: FlightPlan) -> dict[str, object]:
    """Return a flight as meta.json has it."""
    return {
        "pid": flight.pid,
        "launched": flight.launched,
        "fds": flight.fds,
        "clock": flight.clock,
        "folder": flight.folder,
    }


def flight_of(facts: object, path: str) -> FlightPlan:
    """Return the flight that meta.json tells of. path: for errors. Errors: ReadError."""
    if not isinstance(facts, dict):
        raise ReadError(path, 0, "flight: an object expected")

    def number(key: str) -> int:
        value = facts.get(key)
        if not isinstance(value, int) or not -_TOP < value < _TOP:
            raise ReadError(path, 0, f"flight.{key}: a number expected")
        return value

    fds = facts.get("fds")
    if not isinstance(fds, dict):
        raise ReadError(path, 0, "flight.fds: an object expected")
    launched, folder = facts.get("launched") is True, str(facts.get("folder", ""))
    return FlightPlan(number("pid"), launched, fds, number("clock"), folder)
