# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of a log that have begun and not returned yet, with bounded memory."""

from typing import Final, final

# What unfinished calls may hold in memory, all together, in characters; each counts some more.
MAX_PENDING: Final = 64 << 20
_PENDING_COST: Final = 512


@final
class Pending:
    """A call whose result has not come yet."""

    __slots__ = ("entry_line", "name", "text", "time")

    def __init__(self, name: str, text: str, entry_line: int, time: float) -> None:
        self.name = name
        self.text = text
        self.entry_line = entry_line
        self.time = time

    def cost(self) -> int:
        """Return what it counts towards MAX_PENDING."""
        return len(self.text) + _PENDING_COST


@final
class PendingCalls:
    """At most one call of each thread. calls: by thread; change them with the methods only."""

    def __init__(self) -> None:
        self.calls: dict[int, Pending] = {}
        self._size = 0

    def tids(self) -> list[int]:
        """Return the threads that are in a call."""
        return list(self.calls)

    def last(self) -> tuple[int, Pending] | None:
        """Return the call that began last, and its thread; None for no call at all."""
        tid = next(reversed(self.calls), None)
        return None if tid is None else (tid, self.calls[tid])

    def add(self, tid: int, pending: Pending) -> bool:
        """Keep the call of a thread that is in none: False when that would be too much text."""
        if self._size + pending.cost() > MAX_PENDING:
            return False
        self._size += pending.cost()
        self.calls[tid] = pending
        return True

    def take(self, tid: int) -> Pending | None:
        """Return the call that a thread is in, which it is in no longer; None for no such call."""
        pending = self.calls.pop(tid, None)
        if pending is not None:
            self._size -= pending.cost()
        return pending

    def hand_on(self, tid: int, heir: int) -> None:
        """The call of a thread is another's from now on, which is in none."""
        pending = self.calls.pop(tid, None)
        if pending is not None:
            self.calls[heir] = pending
