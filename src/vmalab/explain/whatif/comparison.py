# SPDX-License-Identifier: GPL-2.0-or-later
"""What if: one recording on two machines at once, as it was recorded and with changes.

The recorded side is a replay like any other. Beside it a second machine is led through the same
processes and calls (`shadow`). What the two have at each moment is compared: VMAs, memory, which
calls fail. The other side is not judged by the recording, which cannot know of it; what could not
be carried over soundly is counted with the reason.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, final

from mypy_extensions import i64

from vmalab.calls.call import Call
from vmalab.calls.format import format_call, format_result
from vmalab.explain.enomem.limit_checks import CHECKS, is_noted, verdict_of
from vmalab.explain.history.series import COPIED, FIRST, MAX_TEXT, Series
from vmalab.explain.whatif.carry_calls import Outcome, with_result
from vmalab.explain.whatif.changes import Changes
from vmalab.explain.whatif.doubts import AFTER_FAILURE, AFTER_SUCCESS
from vmalab.explain.whatif.same_map import same_map
from vmalab.explain.whatif.second_machine import Shadow
from vmalab.explain.whatif.second_origins import SecondOrigins
from vmalab.explain.why.cost import Estimate, estimate, resident
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.memory_calls import has_failed
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.replay.usable import check_usable

# Calls of each kind, and lines of each doubt, that are kept; all are counted.
MAX_KEPT: Final = 100
MAX_LINES: Final = 20
# Images that are told of in full.
MAX_IMAGES: Final = 64
# Samples that a series keeps where nobody looks at any but its peak.
_FEWEST: Final = 2
# What an address space costs is estimated anew whenever it has grown by one part of so many.
GROWTH: Final = 32


class OtherCall(NamedTuple):
    """A call that fails in one run and not in the other.

    call, recorded: as printed. other: what it answers with the changes, and `made` what it was
    there, where that is another call. why: the check that refuses it now, "" where it passes.
    """

    line: int
    image: str
    call: str
    recorded: str
    made: str
    other: str
    why: str


@dataclass(slots=True)
class Doubt:
    """A reason for which calls may not stand for what the program would have done.

    count: how many calls; lines: of the log, the first ones.
    """

    reason: str
    count: int = 0
    lines: list[int] = field(default_factory=list)


def grown(number: i64) -> i64:
    """Return how large a quantity must be to count as grown."""
    return number + number // GROWTH + 1


@final
class Side:
    """One run of one image: its series, and what it costs at most and at its end.

    weighed: whether to estimate what it costs, and to keep its course; otherwise no more is known
    than its peak and its end.
    """

    def __init__(self, weighed: bool = True) -> None:
        self._weighed = weighed
        self.series = Series() if weighed else Series(_FEWEST)
        self.at_end: Estimate | None = None
        # The most private memory that may be written to, in bytes.
        self.resident: i64 = 0
        self._most = Estimate(0, 0, 0, 0)
        self.vmas_at_end = 0
        self.pages_at_end = 0
        # From how many pages, or VMAs, on to weigh again.
        self._pages: i64 = 0
        self._vmas: i64 = 0

    def grew(self, mm: Mm) -> None:
        """Weigh it again if it has grown."""
        if not self._weighed:
            return
        self.resident = max(self.resident, resident(mm))
        if mm.data_vm >= self._pages or mm.map_count >= self._vmas:
            self.weigh(mm)

    def weigh(self, mm: Mm) -> Estimate:
        """Note what it costs now."""
        self._pages = max(self._pages, grown(mm.data_vm))
        self._vmas = max(self._vmas, grown(mm.map_count))
        now, most = estimate(mm), self._most
        self._most = Estimate(
            0,
            max(most.huge, now.huge),
            max(most.page_tables, now.page_tables),
            max(most.kernel, now.kernel),
        )
        self.resident = max(self.resident, now.resident)
        return now

    @property
    def most(self) -> Estimate:
        """The most that it cost of each; all but the first within a part of it in `GROWTH`."""
        return self._most._replace(resident=int(self.resident))

    def end(self, mm: Mm) -> None:
        """Its end has come."""
        if self._weighed:
            self.at_end = self.weigh(mm)
        self.vmas_at_end = mm.map_count
        self.pages_at_end = mm.total_vm

    @property
    def peak(self) -> int:
        """The most VMAs at once."""
        sample = self.series.peak
        return 0 if sample is None else sample.vmas


@final
class ImageOutcome:
    """One image in both runs. identical: they had the same map at its end, and the same answers."""

    def __init__(self, name: str, weighed: bool = True) -> None:
        self.name = name
        self.recorded = Side(weighed)
        self.other = Side(weighed)
        self.identical = True


@dataclass(slots=True)
class WhatIf:
    """What was found. calls: memory calls; left_out, made_otherwise: how many of them were.

    fail_now, pass_now: calls that fail with the changes only, or without them only; the first ones,
    `fails` and `passes` count all.
    """

    path: str
    recorded_kernel: str
    kernel: str
    calls: int = 0
    left_out: int = 0
    made_otherwise: int = 0
    failed_recorded: int = 0
    failed_other: int = 0
    fails: int = 0
    passes: int = 0
    fail_now: list[OtherCall] = field(default_factory=list)
    pass_now: list[OtherCall] = field(default_factory=list)
    doubts: dict[str, Doubt] = field(default_factory=dict)
    images: list[ImageOutcome] = field(default_factory=list)


@final
class Comparing(Observer):
    """Leads the other machine through a replay, and compares. weighed: see `Side`."""

    def __init__(
        self, found: WhatIf, origins: SecondOrigins | None = None, weighed: bool = True
    ) -> None:
        self.found = found
        self.origins = origins
        self._weighed = weighed
        self.shadow: Shadow | None = None
        self._calls = 0
        # A recording may call two images by one name.
        self._images: dict[ImageState, ImageOutcome] = {}

    def finish(self) -> None:
        """Note what has been counted on the way."""
        self.found.calls = self._calls

    def doubt(self, state: ImageState | None, call: Call, reason: str) -> None:
        """A call may not stand for what the program would have done."""
        known = self.found.doubts.setdefault(reason, Doubt(reason))
        known.count += 1
        if len(known.lines) < MAX_LINES and call.line not in known.lines:
            known.lines.append(call.line)

    def began(self, state: ImageState, mm: Mm) -> None:
        """Begin both series."""
        self._begin(state, mm, FIRST)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """Begin both series."""
        self._begin(state, mm, COPIED)

    def _begin(self, state: ImageState, mm: Mm, text: str) -> None:
        image = self._images[state] = ImageOutcome(state.name, self._weighed)
        if len(self.found.images) < MAX_IMAGES:
            self.found.images.append(image)
        image.recorded.series.begin(mm, text)
        assert self.shadow is not None
        self.shadow.observed(mm)
        other = self._other(mm)
        if other is not None:
            image.other.series.begin(other, text)
            if self.origins is not None:
                self.origins.began(state.name, other, forked=text == COPIED)

    def _other(self, mm: Mm) -> Mm | None:
        """Return the address space of the other machine that stands for one of the replay."""
        assert self.shadow is not None
        return self.shadow.other(mm)

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """The replay is about to judge a call."""
        assert self.shadow is not None
        self.shadow.judging(state, call)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Carry the call out on the other machine, and compare."""
        assert self.shadow is not None
        image = self._images[state]
        self._calls += 1
        outcome, answered = None, call
        if not self.shadow.follows(mm, call, reason):
            outcome = self.shadow.judged(state, mm, call, reason)
            answered = _answered(call, outcome.result)
        other = self.shadow.target.mm(call.tid)
        if outcome is not None:
            self._compare(state, image, other, call, outcome)
        image.recorded.series.add(mm, call)
        image.recorded.grew(mm)
        if other is not None:
            image.other.series.add(other, answered)
            image.other.grew(other)
            if self.origins is not None:
                made = Outcome([call], [call.ret]) if outcome is None else outcome
                self.origins.after(state.name, other, call, made)

    def _compare(
        self, state: ImageState, image: ImageOutcome, other: Mm | None, call: Call, outcome: Outcome
    ) -> None:
        found = self.found
        failed = has_failed(call)
        if failed:
            found.failed_recorded += 1
        if not outcome.results:
            found.left_out += 1
            image.identical = False
            return
        if outcome.is_otherwise(call):
            found.made_otherwise += 1
        result = outcome.result
        if call.ret is None:
            return
        if result != call.ret:
            image.identical = False
        fails = call.refused(result) != 0
        if fails:
            found.failed_other += 1
        if fails == failed:
            return
        self.doubt(state, call, AFTER_FAILURE if fails else AFTER_SUCCESS)
        kept = found.fail_now if fails else found.pass_now
        found.fails += fails
        found.passes += not fails
        if len(kept) < MAX_KEPT:
            kept.append(_other_call(state, other, call, outcome, fails))

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """The map changed by no call."""
        assert self.shadow is not None
        self.shadow.changed(state, mm, line, span)
        image = self._images[state]
        image.recorded.series.change(mm, line)
        other = self._other(mm)
        if other is not None:
            image.other.series.change(other, line)
            if self.origins is not None:
                self.origins.changed(state.name, other)

    def ended(self, state: ImageState, mm: Mm) -> None:
        """Take down what there is at the end of an image."""
        assert self.shadow is not None
        image = self._images.pop(state)
        image.recorded.end(mm)
        self.shadow.ending(mm)
        other = self._other(mm)
        if other is not None:
            image.other.end(other)
        image.identical = image.identical and other is not None and same_map(mm, other)
        self.shadow.ended(mm)


def _answered(call: Call, result: int | None) -> Call:
    """Return the call with the answer that it got."""
    return call if call.ret == result else with_result(call, result)


def _other_call(
    state: ImageState, other: Mm | None, call: Call, outcome: Outcome, fails: bool
) -> OtherCall:
    result = outcome.result
    made = "; ".join(format_call(one)[:MAX_TEXT] for one in outcome.calls)
    text = format_call(call)[:MAX_TEXT]
    why = ""
    if fails and other is not None and result is not None:
        check = CHECKS.get(other.kernel.refusal.check)
        errno = ENOMEM if call.name == "brk" else -result
        if check is not None and is_noted(other.kernel.refusal, call, errno):
            verdict = verdict_of(other, other.kernel.refusal, check, call)
            why = f"{verdict.check}: {verdict.why}"
    return OtherCall(
        call.line,
        state.name,
        text,
        format_result(call.name, call.ret),
        "" if made == text else made,
        format_result(call.name, result),
        why,
    )


def what_if(
    recording: RecordingFiles,
    changes: Changes,
    options: Options,
    origins: SecondOrigins | None = None,
    *,
    weighed: bool = True,
) -> tuple[WhatIf, ReplayReport]:
    """Run a recording as it is and with changes. Errors: ReadError, UsageError.

    options: of the recorded side; its kernel is that of both where the changes name none. origins:
    keeps which calls made the VMAs of the other. weighed: whether to estimate what each side costs.
    """
    found = WhatIf(recording.path, "", "")
    comparing = Comparing(found, origins, weighed)
    replay = Replay(
        recording,
        Options(
            kernel=options.kernel,
            progress=options.progress,
            observers=(*options.observers, comparing),
        ),
    )
    shadow = Shadow(replay.target, replay.faults, changes, comparing.doubt)
    comparing.shadow = shadow
    replay.target.listener = shadow
    report = replay.run()
    check_usable(report)
    comparing.finish()
    found.recorded_kernel = report.kernel
    found.kernel = shadow.target.machine.config.release
    return found, report
