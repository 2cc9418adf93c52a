# SPDX-License-Identifier: GPL-2.0-or-later
"""Who made a call: thread numbers where a log leaves them out, and the ABI of each thread."""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.table import I386_ONLY

# Threads whose ABI, or whose being alive, is remembered at a time.
MAX_THREADS: Final = 1 << 16


@final
class Threads:
    """The threads of one log, as far as its lines told.

    A log with `-o` numbers every line. One written to a terminal has `[pid N]` only while several
    processes live: the first process, nameless at the start, keeps the number 0 throughout.

    i386: threads known to be 32-bit; by a call only such programs make, or by strace's word.
    """

    def __init__(self) -> None:
        self.i386: set[int] = set()
        self._live: dict[int, None] = {0: None}
        self._children: set[int] = set()
        self._main = 0
        # Threads of the process that strace attached to, which have not shown yet; those that have.
        self._others = 0
        self._seen: set[int] = set()
        self._forked: set[int] = set()

    def unnamed(self) -> int:
        """Return the thread of a line without a number: the only one left, else the first."""
        return next(iter(self._live)) if len(self._live) == 1 else 0

    def named(self, pid: int, bracketed: bool) -> int:
        """Return the thread of a line with a number, `[pid N]` or bare.

        The first bracketed number that is no child's is the first process's.
        """
        if not bracketed:
            return pid
        if self._main == 0 and pid not in self._children:
            self._main = pid
        if pid == self._main:
            return 0
        self.attached(pid)
        return pid

    def attached(self, pid: int, count: int = 1, *, begun: bool = True) -> None:
        """A child is there; or, where no line has come before, the process that strace attached to.

        count: how many threads it has.
        """
        if not begun and self._main == 0:
            self._main = pid
            self._others = min(count, MAX_THREADS) - 1
        elif pid != self._main and len(self._live) < MAX_THREADS:
            self._children.add(pid)
            self._live[pid] = None

    def leader_of(self, tid: int) -> int:
        """Return whose thread a task is that strace attached to with its process; else -1.

        That is told once, when its first line comes.
        """
        if self._others <= 0 or tid == 0 or tid in self._seen:
            return -1
        self._seen.add(tid)
        if tid in self._forked:
            return -1
        self._others -= 1
        return 0

    def forked(self, call: Call) -> None:
        """A clone, fork or vfork returned: its child is no nameless process, and has its ABI."""
        child = call.ret
        if child is None or child <= 0:
            return
        if call.tid in self.i386:
            self._set_i386(child)
        if len(self._children) < MAX_THREADS:
            self._children.add(child)
            if self._others:
                self._forked.add(child)

    def ended(self, tid: int) -> None:
        """The thread is gone."""
        self.i386.discard(tid)
        if len(self._live) > 1:
            self._live.pop(tid, None)

    def abi(self, tid: int, name: str) -> str:
        """ "i386" or "x86_64" for a call of that name."""
        if name in I386_ONLY:
            self._set_i386(tid)
        return "i386" if tid in self.i386 else "x86_64"

    def personality(self, pid: int, bits: str) -> None:
        """strace said in what mode the process runs from now on ("32", "64", "x32")."""
        tid = 0 if pid == self._main else pid
        if bits == "32":
            self._set_i386(tid)
        else:
            self.i386.discard(tid)

    def _set_i386(self, tid: int) -> None:
        if len(self.i386) < MAX_THREADS:
            self.i386.add(tid)
