# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws guided streams: runs of calls that are varied, between calls that are drawn anew."""

from collections import deque
from typing import Final, final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.table import ENDS, FORKS, RANGED
from vmalab.check.draw import FD_LINK, MAX_DEPTH, MAX_THREADS, PAGE, Draw
from vmalab.check.generator import Generator
from vmalab.check.guide import Guide
from vmalab.linux.include.uapi.sched import CLONE_THREAD
from vmalab.linux.include.uapi.userfaultfd import UFFDIO_API
from vmalab.targets.real.wire import ends_process, thread_of

_PAGES: Final = (-3, -2, -1, -1, 1, 1, 2, 3)
_U32_MAX: Final = 0xFFFFFFFF
_DESCRIPTORS: Final = ("file", "memfd", "uffd", "secret")


@final
class Varied:
    """A stream's calls: a run of the guide's with changes, then some of the generator's."""

    def __init__(self, generator: Generator, guide: Guide) -> None:
        self._generator = generator
        self._source: Draw = generator.source
        self._runs = guide.runs
        self._queue: deque[Call] = deque()
        self._others: dict[str, list[Call]] = {}
        for run in guide.runs:
            for call in run:
                self._others.setdefault(call.name, []).append(call)
        self._until_run = self._source.below(30)

    def next(self) -> Call:
        """Return the next call."""
        source = self._source
        while True:
            while self._queue:
                call = self._queue.popleft()
                if source.chance(8):
                    # Left out.
                    continue
                call = self._vary(call)
                if self._may_make(call):
                    return call
            if self._until_run > 0 or not self._runs:
                self._until_run -= 1
                return self._generator.next()
            self._until_run = 15 + source.below(50)
            self._queue.extend(source.pick(self._runs))

    def _vary(self, call: Call) -> Call:
        """Return a call of a run, most of the time as it was."""
        source = self._source
        args, mem = list(call.args), call.mem
        at = call.row.index("fd")
        if at >= 0 and args[at] < 1 << 31 and source.chance(30):
            fds = source.fds[source.pick(_DESCRIPTORS)]
            args[at] = source.pick(fds) if fds else args[at]
        if not source.chance(40):
            return Call(call.tid, call.name, tuple(args), mem, abi=call.abi)
        how = source.below(4)
        if call.row.family & RANGED and how < 2:
            pages = source.pick(_PAGES) * PAGE
            if 0 < args[how] + pages <= U64_MAX:
                args[how] += pages
        elif mem is None and how < 3:
            # An argument of another call of that name, but for the places that it works on.
            other = source.pick(self._others[call.name])
            index = 2 + source.below(3)
            if other.mem is None and other.args[index] < 1 << 32:
                args[index] = other.args[index]
        else:
            other = source.pick(self._others[call.name])
            args, mem = list(other.args), other.mem
        if call.abi == "i386":
            args, mem = [arg & _U32_MAX for arg in args], call.mem
        return Call(call.tid, call.name, tuple(args), mem, abi=call.abi)

    def _may_make(self, call: Call) -> bool:
        """Return whether the worker survives a call, and the stream goes on as it should."""
        source, args = self._source, call.args
        family = call.row.family
        if ends_process(call):
            return source.depth > 0
        if family & ENDS:
            return thread_of(call) in source.threads
        if family & FORKS:
            threads = call.args[0] & CLONE_THREAD != 0
            return len(source.threads) < MAX_THREADS if threads else source.depth < MAX_DEPTH
        if call.name == "write":
            return args[0] in source.fds["refs"]
        path = "" if call.mem is None else str(call.mem.get(1))
        if path.startswith(FD_LINK):
            # Who may open what has no name is a matter of modes, which are not modelled.
            return path in (f"{FD_LINK}{fd}" for fd in source.fds["memfd"] + source.fds["file"])
        if call.name == "ioctl" and call.args[1] == UFFDIO_API:
            # Who has made it reads its events.
            return call.args[0] in source.unasked
        if call.name == "mremap" and source.harms(args[4], args[2]):
            return False
        if call.name == "shmat" and source.harms(args[1], 64 * PAGE):
            return False
        if (family & RANGED or call.name == "mremap") and source.harms(args[0], args[1]):
            return False
        return self._generator.admits(call)
