# SPDX-License-Identifier: GPL-2.0-or-later
"""Quantities of an address space over its calls: VMAs, mapped and locked pages, failures.

However long the recording is, a series keeps a bounded number of samples. Each stands for `stride`
calls in a row, and is the moment among them with the most VMAs: a peak is never lost.
"""

from dataclasses import dataclass, field
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call, format_result
from vmalab.linux.types.mm_types import Mm

# Samples that a series keeps, at most.
MAX_SAMPLES: Final = 2000
# Characters of a call that a sample keeps.
MAX_TEXT: Final = 160

FIRST: Final = "(the first map)"
COPIED: Final = "(the copy of its parent's map)"
NO_CALL: Final = "(by no call: a page fault, or another task)"


@dataclass(frozen=True, slots=True)
class Sample:
    """What there was after one call.

    index: of the call among the image's memory calls, from 1; 0 for the first map. line: of the
    log, 0 when not known. time: seconds as the log counts them, 0.0 without. call: as printed, with
    its result. vmas: their number. total (VmSize), data, stack, locked, committed (of the whole
    machine): pages. failures: memory calls of the image that have failed so far. reachable: pages
    of VMAs that are not PROT_NONE, None where nobody counted them. made: the call itself.
    """

    index: int
    line: int
    time: float
    call: str
    vmas: int
    total: int
    data: int
    stack: int
    locked: int
    committed: int
    failures: int
    reachable: int | None = None
    made: Call | None = field(default=None, compare=False)


@final
class _Now:
    """What there is after a call: becomes a sample once somebody asks for it.

    held: whether it is to be kept; one that is not is used again for the next call.
    """

    __slots__ = (
        "call",
        "committed",
        "data",
        "failures",
        "held",
        "index",
        "line",
        "locked",
        "reachable",
        "stack",
        "text",
        "time",
        "total",
        "vmas",
    )

    def __init__(self) -> None:
        self.index = 0
        self.line = 0
        self.time = 0.0
        self.text = ""
        self.vmas = 0
        self.total = 0
        self.data = 0
        self.stack = 0
        self.locked = 0
        self.committed = 0
        self.failures = 0
        self.reachable: int | None = None
        self.call: Call | None = None
        self.held = False

    def fill(
        self,
        mm: Mm,
        index: int,
        line: int,
        time: float,
        text: str,
        failures: int,
        reachable: int | None,
        call: Call | None,
    ) -> None:
        """Take down what there is."""
        self.index = index
        self.line = line
        self.time = time
        self.text = text
        self.vmas = mm.map_count
        self.total = mm.total_vm
        self.data = mm.data_vm
        self.stack = mm.stack_vm
        self.locked = mm.locked_vm
        self.committed = mm.kernel.committed_as
        self.failures = failures
        self.reachable = reachable
        self.call = call

    def sample(self) -> Sample:
        """Return it as a sample, with its call."""
        return Sample(
            self.index,
            self.line,
            self.time,
            self.text if self.call is None else call_text(self.call),
            self.vmas,
            self.total,
            self.data,
            self.stack,
            self.locked,
            self.committed,
            self.failures,
            self.reachable,
            self.call,
        )


@final
class Series:
    """The samples of one image, oldest first.

    stride: calls that a sample stands for. calls, failures: memory calls so far.
    """

    def __init__(self, limit: int = MAX_SAMPLES) -> None:
        # Samples that are complete.
        self._kept: list[_Now] = []
        self.stride = 1
        self.calls = 0
        self.failures = 0
        self._limit = limit
        self._filled = 0
        # The best of those under way, the best of all, the last.
        self._best: _Now | None = None
        self._peak: _Now | None = None
        self._last: _Now | None = None

    def begin(self, mm: Mm, text: str, reachable: int | None = None) -> None:
        """The map before any call."""
        self._open()
        now = self._next()
        now.fill(mm, 0, 0, 0.0, text, 0, reachable, None)
        self._consider(now)

    def add(self, mm: Mm, call: Call, reachable: int | None = None) -> None:
        """A memory call has been carried out."""
        self.calls += 1
        if call.native and call.result < 0:
            self.failures += 1
        self._open()
        now = self._next()
        now.fill(mm, self.calls, call.line, call.time, "", self.failures, reachable, call)
        self._consider(now)

    def change(self, mm: Mm, line: int, reachable: int | None = None) -> None:
        """The map changed by no call of the image's own; it belongs to the call before."""
        time = 0.0 if self._last is None else self._last.time
        now = self._next()
        now.fill(mm, self.calls, line, time, NO_CALL, self.failures, reachable, None)
        self._consider(now)

    @property
    def peak(self) -> Sample | None:
        """The first moment with the most VMAs, None before the first map."""
        return None if self._peak is None else self._peak.sample()

    def all(self) -> list[Sample]:
        """Return all samples, and at the end what there was after the last call."""
        found = [now.sample() for now in self._kept]
        best, last = self._best, self._last
        if best is not None:
            found.append(best.sample())
        if last is not None and last is not best:
            found.append(last.sample())
        return found

    def _open(self) -> None:
        """A call is about to be noted: it begins the next sample if the last one is complete."""
        if self._filled == self.stride:
            self._close()
        self._filled += 1

    def _next(self) -> _Now:
        """Return what to take the next moment down in: the last one, unless that is kept."""
        last = self._last
        return _Now() if last is None or last.held else last

    def _consider(self, now: _Now) -> None:
        self._last = now
        best = self._best
        if best is None or now.vmas > best.vmas:
            self._best = now
            now.held = True
        peak = self._peak
        if peak is None or now.vmas > peak.vmas:
            self._peak = now
            now.held = True

    def _close(self) -> None:
        """The sample under way is complete; when there are too many, two become one."""
        if self._best is not None:
            self._kept.append(self._best)
        self._best, self._filled = None, 0
        if len(self._kept) < self._limit:
            return
        pairs = zip(self._kept[::2], self._kept[1::2], strict=False)
        self._kept = [second if second.vmas > first.vmas else first for first, second in pairs]
        self.stride *= 2


def call_text(call: Call) -> str:
    """Return a call and its result on one line, at most `MAX_TEXT` characters of it."""
    text = f"{format_call(call)} = {format_result(call.name, call.ret)}"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
