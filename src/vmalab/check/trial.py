# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries out calls on a real kernel and in the model, from the same beginning, and compares.

Two ways: a list of calls that is there already (`Trial.run`), and a stream that is drawn while the
model answers (`Trial.draw`). Results are compared after every call, maps where asked.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, final

from vmalab.calls.call import Call
from vmalab.calls.errors import VmalabError
from vmalab.calls.format import format_call
from vmalab.calls.snapshot import Snapshot, vmas_of
from vmalab.calls.table import COMMAND_KINDS
from vmalab.check.beside import BaseWorker, Beside
from vmalab.check.finding import DIED, MAP, MODEL, RESULT, Divergence, Transcript
from vmalab.check.guide import Outcome
from vmalab.check.twin import Twin
from vmalab.recording.format.meta import Meta
from vmalab.targets.real.answers import Answer, Map
from vmalab.targets.real.beginning import Beginning
from vmalab.targets.real.executor import MAX_BATCH_WORDS
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.real.wire import (
    DENIED,
    OVER_BOUND,
    add_call,
    ends_process,
    snapshot_words,
)

# Words that one more call may need.
_ROOM: Final = 4200
# VMAs that the maps of one stream show for each of its calls; a long map is asked for less often.
_SHOWN_PER_CALL: Final = 100


class OverBound(VmalabError):
    """A stream was left before a call that may take more memory than a stream may have.

    index: of the call, from 0.
    """

    def __init__(self, call: Call, index: int, bound: int) -> None:
        super().__init__(call, index, bound)
        self.index = index
        self._call = call
        self._bound = bound

    def __str__(self) -> str:
        return (
            f"left before call {self.index + 1}, {format_call(self._call)}: with it the stream may "
            f"take more than {self._bound >> 20} MiB of memory, or too many processes"
        )


@dataclass(slots=True)
class TrialFigures:
    """What was done: calls and maps compared, outcomes met, streams begun."""

    calls: int = 0
    maps: int = 0
    streams: int = 0


# Of a command, the bits that count: not the sizes of huge pages.
_COMMAND_BITS: Final = 0x3FFFFFF


@final
class Outcomes:
    """Which effects calls have had: the answer, why, and how the number of VMAs changed.

    first: the index in its stream of the call that had it first.
    """

    def __init__(self) -> None:
        self.seen: dict[Outcome, int] = {}
        self.first: dict[Outcome, int] = {}

    def note(self, call: Call, index: int, result: int, delta: int, why: str) -> None:
        """A call was answered; the map has `delta` VMAs more than before."""
        at = call.row.indices(*COMMAND_KINDS)
        command = call.args[at[0]] & _COMMAND_BITS if at else 0
        key = (call.name, command, min(result, 0), max(min(delta, 3), -3), why)
        count = self.seen.get(key, 0)
        if count == 0:
            self.first[key] = index
        self.seen[key] = count + 1


@final
class Trial:
    """One target and the model of it, ready to carry out streams.

    version: the profile of the model. base: another target, which takes the model's place.
    """

    def __init__(self, target: RealTarget, version: str, base: RealTarget | None = None) -> None:
        self.target = target
        self.version = version
        self._base = base
        self.figures = TrialFigures()
        self.outcomes = Outcomes()
        # The calls of the last stream that was drawn.
        self.made: list[Call] = []
        # The map that the last stream began with, and its meta.json, for recording it.
        self.beginning: Beginning | None = None
        self._known: dict[tuple[object, ...], tuple[Meta, Snapshot]] = {}
        self._beside: Beside | None = None

    @property
    def base_name(self) -> str:
        """What is in the model's place, "" for the model."""
        return "" if self._base is None else self._base.name

    def begin(self, settings: Settings) -> tuple[Beginning, Beside]:
        """Return a fresh worker, and the model in the same state."""
        beginning = self.target.begin(settings)
        self.beginning = beginning
        self.figures.streams += 1
        if self._beside is not None:
            self._beside.close()
        if self._base is not None:
            self._beside = BaseWorker(self._base, settings)
        else:
            self._beside = self._model(beginning, settings)
        return beginning, self._beside

    def _model(self, beginning: Beginning, settings: Settings) -> Twin:
        """Return the model in a worker's first state."""
        key = (settings, *beginning.key())
        known = self._known.get(key)
        if known is None:
            meta = beginning.meta(settings, {"profile": "check", "seed": 0})
            known = (meta, beginning.first.lines())
            if len(self._known) > 64:
                self._known.clear()
            self._known[key] = known
        return Twin(known[0], self.version, known[1])

    def run(
        self,
        settings: Settings,
        calls: Sequence[Call],
        maps_from: int = 0,
        every: int = 1 << 60,
        flush: bool = False,
    ) -> Divergence | None:
        """Carry out a list of calls.

        Maps are compared after each call from the index `maps_from` on, and after each `every`-th.
        flush: have each answer at once, so that a worker that dies has said how far it came.
        Errors: OverBound.
        """

        def shows(index: int) -> bool:
            return index >= maps_from or index == len(calls) - 1 or index % distance == distance - 1

        _, twin = self.begin(settings)
        at = 0
        while at < len(calls):
            words: list[int] = []
            end = at
            distance = max(every, twin.map_count // _SHOWN_PER_CALL)
            while end < len(calls) and len(words) < MAX_BATCH_WORDS - _ROOM:
                add_call(words, calls[end])
                end += 1
                if ends_process(calls[end - 1]):
                    break
                if shows(end - 1):
                    words += snapshot_words()
            answer = self.target.executor.run(words, flush)
            found = self._compare(twin, calls, range(at, end), shows, answer)
            if found is not None:
                self.target.end()
                if found.kind == DIED and not flush:
                    # Answers may be lost on the way: any call of the batch may have done it.
                    found = replace(found, calls=tuple(calls[:end]))
                return found
            at = end
        self.target.end()
        return None

    def _compare(
        self,
        twin: Beside,
        calls: Sequence[Call],
        batch: range,
        shows: Callable[[int], bool],
        answer: Answer,
    ) -> Divergence | None:
        """Return what came of one batch of `run`."""
        maps = iter(answer.maps)
        results = iter(answer.results)
        for index in batch:
            call = calls[index]
            upto = tuple(calls[: index + 1])
            if ends_process(call):
                twin.apply(call)
                continue
            real = next(results, None)
            if real == DENIED:
                # It was not made; the model does not make it either.
                if shows(index):
                    next(maps, None)
                continue
            if real == OVER_BOUND:
                self.target.end()
                raise OverBound(call, index, self.target.bound)
            if real is None:
                return Divergence(upto, DIED, 0, 0, answer.died or "the worker answered too little")
            try:
                predicted = twin.apply(call)
            except Exception:
                return Divergence(upto, MODEL, real, 0, _why())
            if real != predicted:
                return Divergence(upto, RESULT, real, predicted)
            if shows(index):
                shown = next(maps, None)
                if shown is None:
                    what = answer.died or "the worker showed no map"
                    return Divergence(upto, DIED, real, predicted, what)
                found = self._compare_map(twin, upto, shown, real)
                if found is not None:
                    return found
        return None

    def _compare_map(
        self, twin: Beside, calls: tuple[Call, ...], shown: Map, result: int
    ) -> Divergence | None:
        self.figures.maps += 1
        try:
            found = twin.compare(shown)
        except Exception:
            return Divergence(calls, MODEL, result, result, _why())
        if found is None:
            return None
        real = vmas_of(shown.lines())
        return Divergence(
            calls, MAP, result, result, found.what, found.at, tuple(real), tuple(twin.lines())
        )

    def draw(
        self,
        settings: Settings,
        make: Callable[[Beginning, Beside], "Drawn"],
        count: int,
        per_map: int,
    ) -> Divergence | None:
        """Carry out a stream of `count` calls that is drawn now; a map every `per_map` calls.

        Errors: OverBound.
        """
        beginning, twin = self.begin(settings)
        drawn = make(beginning, twin)
        done = self.made = []
        found: Divergence | None = None
        first = 0
        while len(done) < count and found is None:
            first = len(done)
            found = self._batch(twin, drawn, done, min(per_map, count - first))
        self.target.end()
        return None if found is None else replace(found, since=first)

    def _batch(
        self, twin: Beside, drawn: "Drawn", done: list[Call], size: int
    ) -> Divergence | None:
        """Draw up to `size` calls with the model's answers, then ask the kernel."""
        words: list[int] = []
        predicted: list[int] = []
        first = len(done)
        failed = ""
        note = self.outcomes.note
        before = twin.map_count
        leaving: Call | None = None
        for _ in range(size):
            call = drawn.next()
            if ends_process(call):
                leaving = call
                break
            try:
                result = twin.apply(call)
            except Exception:
                done.append(call)
                failed = _why()
                break
            add_call(words, call)
            done.append(call)
            drawn.note(call, result)
            after = twin.map_count
            why = twin.why(result) if result < 0 else ""
            note(call, len(done) - 1, result, after - before, why)
            before = after
            predicted.append(result)
            if len(words) > MAX_BATCH_WORDS - _ROOM:
                break
        # A child's map is asked for while there is one; its exit ends a batch.
        words += snapshot_words()
        if leaving is not None:
            add_call(words, leaving)
        answer = self.target.executor.run(words)
        self.figures.calls += len(answer.results)
        if DENIED in answer.results:
            refused = done[first + answer.results.index(DENIED)]
            raise TargetError(f"{self.target.name}: the executor refuses {format_call(refused)}")
        if failed:
            return Divergence(tuple(done), MODEL, 0, 0, failed)
        if answer.results != predicted:
            parted = self._parted(done, first, answer.results, predicted, answer.died)
            if parted.recorded == OVER_BOUND:
                self.target.end()
                raise OverBound(parted.last, len(parted.calls) - 1, self.target.bound)
            return parted
        if answer.died:
            return Divergence(tuple(done), DIED, 0, 0, answer.died)
        last = predicted[-1] if predicted else 0
        found = self._compare_map(twin, tuple(done), answer.maps[0], last)
        if leaving is not None and found is None:
            done.append(leaving)
            drawn.note(leaving, twin.apply(leaving))
        return found

    def _parted(
        self, done: list[Call], first: int, real: list[int], predicted: list[int], died: str
    ) -> Divergence:
        """Find the first result that differs."""
        for index, (one, other) in enumerate(zip(real, predicted, strict=False)):
            if one != other:
                upto = tuple(done[: first + index + 1])
                return Divergence(upto, RESULT, one, other)
        # Answers may be lost on the way: any call of the batch may have done it.
        return Divergence(tuple(done), DIED, 0, 0, died or "too few answers")

    def transcript(self, settings: Settings, calls: Sequence[Call]) -> Transcript:
        """Carry out a list of calls on the real kernel alone, and keep all that it says."""
        beginning = self.target.begin(settings)
        results: list[int | None] = []
        before = last = beginning.first
        died = ""
        for call in calls:
            words: list[int] = []
            if not ends_process(call):
                add_call(words, call)
                words += snapshot_words()
            else:
                add_call(words, call)
            answer = self.target.executor.run(words)
            results.append(answer.results[0] if answer.results else None)
            if answer.died:
                died = answer.died
                break
            if answer.maps:
                before, last = last, answer.maps[0]
        self.target.end()
        meta = beginning.meta_json(settings, {"profile": "check", "seed": 0})
        texts = (beginning.first.smaps(), before.smaps(), last.smaps())
        return Transcript(meta, *texts, tuple(results), died)

    def locate(self, settings: Settings, found: Divergence) -> Divergence:
        """The same difference, or the one before it that led there: at the call that made it.

        Maps are compared after every call, from the last place where they were known to be alike.
        """
        if found.kind == MODEL:
            return found
        try:
            again = self.run(settings, found.calls, found.since, flush=found.kind == DIED)
        except OverBound:
            return found
        return found if again is None else again


class Drawn(Protocol):
    """What `Trial.draw` takes calls from."""

    def next(self) -> Call:
        """Return the next call."""

    def note(self, call: Call, result: int) -> None:
        """A call was answered by the model."""


def _why() -> str:
    """Return what went wrong in the engine: the exception and where it was raised."""
    lines = traceback.format_exc().strip().splitlines()
    place = next((line.strip() for line in reversed(lines) if line.startswith("  File")), "")
    return f"{lines[-1][:200]} ({place[:160]})"
