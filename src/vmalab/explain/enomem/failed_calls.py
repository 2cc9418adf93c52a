# SPDX-License-Identifier: GPL-2.0-or-later
"""Why calls failed: which check refused each, by how much, and how it came to that.

The engine notes the check that says no (`mm/refusal`): a limit with its figures, or an argument
with a sentence. Nothing is checked here once more.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.calls.table import FORKS, MAKES_FD
from vmalab.explain.enomem.candidates import RULES, candidates
from vmalab.explain.enomem.headroom import Headroom, headroom_of, quantities, unstated
from vmalab.explain.enomem.limit_checks import CHECKS, VMAS, LimitVerdict, is_noted, verdict_of
from vmalab.explain.enomem.recent_past import RecentPast
from vmalab.explain.enomem.sensible import sensible_limit
from vmalab.explain.enomem.trial import with_what_stands_behind
from vmalab.explain.enomem.unknown_limits import unknown_limit, unknown_policy
from vmalab.explain.history.series import MAX_TEXT
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.memory_calls import has_failed
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.reasons import (
    FAULT_HISTORY,
    UNKNOWN_FILE_SYSTEM,
    UNKNOWN_LIMIT,
)
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.replay.rights import FILTERED, SECURITY_MODULE, UNKNOWN_CREDENTIALS
from vmalab.replay.usable import check_usable
from vmalab.targets.model.descriptors import carry_out
from vmalab.targets.model.model import NOT_MODELLED

# Refusals that are kept in full, and images whose headroom is.
MAX_KEPT: Final = 200
MAX_IMAGES: Final = 64

ARGUMENT: Final = "argument"
UNKNOWN: Final = "unknown"
# Reasons for adopting a call whose answer the model has given all the same.
_SAME_ANSWER: Final = frozenset((FAULT_HISTORY, UNKNOWN_CREDENTIALS, UNKNOWN_FILE_SYSTEM))


class Trend(NamedTuple):
    """How the quantity that a check looks at had moved before the call.

    now: what it was, grew: by how much it had grown in the `calls` memory calls before, in the
    check's unit. seconds: in how much time that was, 0.0 where the log has none.
    """

    now: int
    grew: int
    calls: int
    seconds: float

    @property
    def per_call(self) -> float:
        """Growth a memory call."""
        return self.grew / self.calls if self.calls else 0.0

    @property
    def per_second(self) -> float | None:
        """Growth a second, None where no time is known."""
        return self.grew / self.seconds if self.seconds > 0 else None


class Refused(NamedTuple):
    """One call that failed.

    line: of the log. time: seconds as the log counts them, 0.0 without. call: as printed. errno:
    its name. verdict: the check that refused it; `check` is ARGUMENT where it broke a rule, UNKNOWN
    where the recording does not hold what decided. argument: the one that is to blame, "" for none.
    sensible: the limit with headroom, in the check's unit, 0 for none. made: the call itself.
    """

    line: int
    image: str
    time: float
    call: str
    errno: str
    verdict: LimitVerdict
    argument: str = ""
    trend: Trend | None = None
    sensible: int = 0
    made: Call | None = field(default=None, compare=False)


@dataclass(slots=True)
class FailureGroup:
    """Refusals by the same check of calls of the same name with the same errno.

    count: how many; first, last: lines of the log. most: how far over the limit the worst was, in
    `unit`, None without figures. example: the first of them.
    """

    check: str
    name: str
    errno: str
    argument: str
    unit: str
    first: int
    last: int = 0
    count: int = 0
    most: int | None = None
    example: Refused | None = None


@dataclass(slots=True)
class Enomem:
    """What was found in one recording.

    calls: memory calls. others_failed: calls that make memory outside of the address space, and
    failed. refused: the first ones, of limits and of the rest; `groups` has them all.
    headroom: by image, how much of each limit is left at its end.
    """

    path: str
    kernel: str
    calls: int = 0
    failed: int = 0
    others_failed: int = 0
    refused: list[Refused] = field(default_factory=list)
    groups: list[FailureGroup] = field(default_factory=list)
    headroom: dict[str, list[Headroom]] = field(default_factory=dict)


# Where in the quantities of headroom a check's is.
_QUANTITY: Final = {
    "map count": 0,
    "RLIMIT_AS": 1,
    "no gap": 1,
    "RLIMIT_DATA": 2,
    "RLIMIT_MEMLOCK": 3,
    "RLIMIT_STACK": 4,
    "commit limit": 5,
}


@final
class RefusalKeeper(Observer):
    """Notes for each failed call which check refused it; `found` has what was found.

    most: refusals of limits, and of the rest, that are kept in full, with what would let them pass.
    """

    def __init__(self, found: Enomem, meta: Meta, most: int = MAX_KEPT) -> None:
        self.found = found
        self._meta = meta
        self._most = most
        self._past: dict[str, RecentPast] = {}
        self._groups: dict[tuple[str, str, str, str], FailureGroup] = {}
        # How many are kept in full: of limits (True) and of the rest.
        self._kept = {True: 0, False: 0}
        self._calls = 0

    def began(self, state: ImageState, mm: Mm) -> None:
        """Begin anew for an image."""
        past = self._past[state.name] = RecentPast()
        past.note(mm, 0.0)
        past.series.begin(mm, "")

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """A child's past is its own."""
        self.began(state, mm)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Tell why the call failed, if it did."""
        self._calls += 1
        past = self._past[state.name]
        if not call.native and call.ret is None:
            failed = state.answer < 0 and state.answer != NOT_MODELLED
        else:
            failed = has_failed(call)
        if failed:
            self._fail(state, mm, call, reason)
        past.note(mm, call.time)
        past.series.add(mm, call)

    def refused(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Tell why a call failed that makes memory outside of the address space."""
        self.found.others_failed += 1
        errno = -(call.ret or 0)
        searching = self._kept[True] < self._most
        verdict, argument = why_refused_outside(mm, call, errno, searching=searching)
        self._keep(state, call, errno, verdict, argument)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """The map changed by no call."""
        self._past[state.name].series.change(mm, line)

    def ended(self, state: ImageState, mm: Mm) -> None:
        """Take down how much of each limit is left."""
        past = self._past.pop(state.name, None)
        if past is not None and len(self.found.headroom) < MAX_IMAGES:
            unknown: frozenset[str] = frozenset()
            if state.source is None:
                unknown = unstated(self._meta)
            most = past.most.quantities()
            self.found.headroom[state.name] = headroom_of(mm, past.series, most, unknown)

    def finish(self) -> None:
        """Note how many calls there were, and the groups, the largest first."""
        self.found.calls = self._calls
        self.found.groups = sorted(self._groups.values(), key=_rank)

    def _fail(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        found = self.found
        found.failed += 1
        errno = ENOMEM if call.name == "brk" else -state.answer
        searching = self._kept[True] < self._most
        verdict, argument = why_refused(mm, call, errno, reason, searching=searching)
        if reason == UNKNOWN_LIMIT and not call.row.family & FORKS:
            verdict = unknown_limit(mm, call, self._meta)
        if reason in (FILTERED, SECURITY_MODULE):
            verdict = unknown_policy(call, reason)
        trend = self._trend(state, mm, call, verdict.check)
        self._keep(state, call, errno, verdict, argument, trend)

    def _keep(
        self,
        state: ImageState,
        call: Call,
        errno: int,
        verdict: LimitVerdict,
        argument: str,
        trend: Trend | None = None,
    ) -> None:
        """Count a refusal, and keep it in full while there is room."""
        found, name = self.found, ERRNO_NAME.get(errno, str(errno))
        group = self._count(call, name, verdict, argument)
        is_limit = verdict.unit != ""
        if self._kept[is_limit] >= self._most and group.example is not None:
            return
        text = format_call(call)[:MAX_TEXT]
        sensible = 0
        if trend is not None:
            calls = self._past[state.name].series.calls
            needed = verdict.needed
            if needed is None and verdict.unit == VMAS:
                # The limit is not known, but more is needed than there is.
                needed = trend.now + 1
            sensible = sensible_limit(verdict.check, verdict.unit, needed, trend.per_call, calls)
        refused = Refused(
            call.line,
            state.name,
            call.time,
            text,
            name,
            verdict,
            argument,
            trend,
            sensible,
            call,
        )
        if group.example is None:
            group.example = refused
        if self._kept[is_limit] < self._most:
            self._kept[is_limit] += 1
            found.refused.append(refused)

    def _count(self, call: Call, errno: str, verdict: LimitVerdict, argument: str) -> FailureGroup:
        key = (verdict.check, call.spelling, errno, argument)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = FailureGroup(*key, verdict.unit, call.line)
        group.count += 1
        group.last = call.line
        over = verdict.over
        if over is not None:
            group.most = over if group.most is None else max(group.most, over)
        return group

    def _trend(self, state: ImageState, mm: Mm, call: Call, key: str) -> Trend | None:
        which = _QUANTITY.get(key)
        past = self._past[state.name]
        count = past.count
        if which is None or not count:
            return None
        # The first map has no time; where the calls have, the trend begins with them.
        begin = 0 if past.look(0).time > 0 or count < 2 else int(past.look(1).time > 0)
        look = past.look(begin)
        now, old = quantities(mm)[which], look.quantities()[which]
        seconds = call.time - look.time if look.time > 0 else 0.0
        return Trend(now, now - old, count - 1 - begin, seconds)


def why_refused(
    mm: Mm, call: Call, errno: int, reason: str | None = None, *, searching: bool = True
) -> tuple[LimitVerdict, str]:
    """Return what refused a call, and the argument to blame.

    searching: whether that may take long.
    """
    refusal = mm.refusal
    unknown = "the recording does not hold what decided it"
    if reason is not None and reason not in _SAME_ANSWER:
        return LimitVerdict(UNKNOWN, f"{unknown} ({reason or 'it differs'})", ""), ""
    if not is_noted(refusal, call, errno):
        return LimitVerdict(UNKNOWN, unknown, ""), ""
    check = CHECKS.get(refusal.check)
    if check is not None:
        verdict = verdict_of(mm, refusal, check, call, searching)
        return with_what_stands_behind(mm, call, verdict) if searching else verdict, ""
    place = f" at {refusal.at:#x}" if refusal.at else ""
    return LimitVerdict(ARGUMENT, refusal.why + place, ""), refusal.argument


def why_refused_outside(
    mm: Mm, call: Call, errno: int, *, searching: bool = True
) -> tuple[LimitVerdict, str]:
    """Return what refused a call that makes memory outside of the address space; see `why_refused`.

    One that only makes a descriptor is made in the model, where it is refused too or closed again.
    """
    refusal, task = mm.refusal, mm.owner
    refusal.clear()
    if task is not None and call.row.family & MAKES_FD:
        fd = carry_out(task, call)
        if fd >= 0:
            task.files.close(fd)
    if is_noted(refusal, call, errno):
        return why_refused(mm, call, errno, searching=searching)
    possible = candidates(call, errno)
    if errno in RULES and possible:
        return LimitVerdict(ARGUMENT, possible, ""), ""
    unknown = "the recording does not hold what decided it"
    return LimitVerdict(UNKNOWN, f"{unknown}: {possible}" if possible else unknown, ""), ""


def _rank(group: FailureGroup) -> tuple[bool, bool, int, int]:
    """Limits first, rules last, the most frequent first."""
    return (group.unit == "", group.check in (ARGUMENT, UNKNOWN), -group.count, group.first)


def enomem(recording: RecordingFiles, options: Options) -> tuple[Enomem, ReplayReport]:
    """Replay a recording and tell why its calls failed. Errors: ReadError, UsageError."""
    found = Enomem(recording.path, "")
    keeper = RefusalKeeper(found, recording.meta)
    replay = Replay(
        recording,
        Options(
            kernel=options.kernel,
            progress=options.progress,
            seam=options.seam,
            features=options.features,
            observers=(*options.observers, keeper),
        ),
    )
    report = replay.run()
    check_usable(report)
    found.kernel = report.kernel
    keeper.finish()
    return found, report
