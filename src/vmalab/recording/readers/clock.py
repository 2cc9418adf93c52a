# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the times that strace puts before its lines (-t, -tt, -ttt, -r)."""

from typing import final


@final
class Clock:
    """The clock of one log."""

    def __init__(self) -> None:
        self._relative = 0.0

    def seconds(self, clock: str, delta: str | None) -> float:
        """Seconds: of the day (-t, -tt), of the epoch (-ttt), or since the log began (-r).

        delta: what -r printed behind the time of another option.
        """
        if ":" in clock:
            return int(clock[:2]) * 3600 + int(clock[3:5]) * 60 + float(clock[6:])
        seconds = float(clock) if len(clock) < 40 else 0.0
        return seconds if delta is not None else self.passed(seconds)

    def passed(self, seconds: float) -> float:
        """Return the same of a time that is a number: of the epoch, or since the line before."""
        if seconds > 1e8:
            return seconds
        self._relative += seconds
        return self._relative
