# SPDX-License-Identifier: GPL-2.0-or-later
"""One stream on the live kernel and on the model in turn, timed, and the answers compared.

Times are of the processor: what else the machine does counts for neither side.
"""

import statistics
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from vmalab.bench.stream import Row, Stream
from vmalab.check.trial import Trial
from vmalab.check.twin import Twin
from vmalab.linux.arch.x86.entry.syscalls.batch import Batch, do_batch
from vmalab.targets.real.executor import MAX_TIMED
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.real.wire import snapshot_words

# Without the filter: it would cost the live kernel time at each call. The model needs no vdso.
SETTINGS: Final = Settings(filtered=False, memlock=1 << 40)


@dataclass(frozen=True, slots=True)
class Times:
    """What a stream cost, in ns a call, on both sides, by pair."""

    model: tuple[float, ...]
    live: tuple[float, ...]
    calls: int

    @property
    def model_ns(self) -> float:
        """The model's median."""
        return statistics.median(self.model)

    @property
    def live_ns(self) -> float:
        """The live kernel's median."""
        return statistics.median(self.live)

    @property
    def ratio(self) -> float:
        """How many times as fast as the live kernel the model is: the median of the pairs."""
        return statistics.median(
            live / model for live, model in zip(self.live, self.model, strict=True)
        )


class WorkDiffers(TargetError):
    """Model and kernel did not do the same work, so their times cannot be compared."""


def _clock(stream: Stream) -> int:
    """The clock for a stream: the thread's processor time, or the wall's where others work."""
    return time.CLOCK_MONOTONIC if stream.forks else time.CLOCK_THREAD_CPUTIME_ID


@final
class Pairs:
    """Runs streams on a live target and on the model of it."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial

    def fresh(self) -> Twin:
        """Return a model in the state of a fresh worker."""
        twin = self._begin()
        self._trial.target.end()
        return twin

    def _begin(self) -> Twin:
        """Start a worker, and a model in its state."""
        _, twin = self._trial.begin(SETTINGS)
        assert isinstance(twin, Twin)
        return twin

    def measure(
        self, streams: Sequence[Stream], pairs: int, tell: Callable[[], None] = lambda: None
    ) -> Times:
        """Time streams, one after the other, `pairs` times on each side, which take turns.

        tell: called after each pair. Errors: WorkDiffers, TargetError.
        """
        model: list[float] = []
        live: list[float] = []
        calls = sum(len(stream.timed) for stream in streams)
        for turn in range(pairs):
            costs = [0, 0]
            for stream in streams:
                for side, cost in enumerate(self._pair(stream, live_first=turn % 2 == 0)):
                    costs[side] += cost
            model.append(costs[0] / calls)
            live.append(costs[1] / calls)
            tell()
        return Times(tuple(model), tuple(live), calls)

    def _pair(self, stream: Stream, live_first: bool) -> tuple[int, int]:
        """Return both sides once: ns of the model and of the live kernel."""
        twin = self._begin()
        if live_first:
            live, answers = self._live(stream)
            model, batch = time_model(twin, stream)
        else:
            model, batch = time_model(twin, stream)
            live, answers = self._live(stream)
        predicted = batch.answers()
        if predicted != answers:
            at = next(i for i, answer in enumerate(answers) if answer != predicted[i])
            raise WorkDiffers(
                f"call {at} {stream.timed[at]}: the kernel answers {answers[at]:#x}, "
                f"the model {predicted[at]:#x}"
            )
        shown = self._trial.target.executor.run(snapshot_words()).maps[0]
        self._trial.target.end()
        found = twin.compare(shown)
        if found is not None:
            raise WorkDiffers(f"the maps differ at {found.at:#x}: {found.what}")
        return model, live

    def _live(self, stream: Stream) -> tuple[int, list[int]]:
        """Return the stream in the worker that has begun: ns, and what the calls answered."""
        target = self._trial.target
        for call in stream.opening:
            target.apply(call)
        self._send(stream.setup, time.CLOCK_MONOTONIC)
        return self._send(stream.timed, _clock(stream))

    def _send(self, rows: Sequence[Row], clock: int) -> tuple[int, list[int]]:
        taken = 0
        answers: list[int] = []
        for at in range(0, len(rows), MAX_TIMED):
            words = array("Q")
            for row in rows[at : at + MAX_TIMED]:
                words.extend(row)
            spent, results = self._trial.target.executor.run_timed(words, clock)
            taken += spent
            answers.extend(results)
        return taken, answers


def time_model(twin: Twin, stream: Stream) -> tuple[int, Batch]:
    """Return the stream in a fresh model: ns, and the calls with what they answered."""
    for call in stream.opening:
        twin.apply(call)
    do_batch(twin.task, Batch(stream.setup))
    batch = Batch(stream.timed)
    clock = _clock(stream)
    began = time.clock_gettime_ns(clock)
    do_batch(twin.task, batch)
    return time.clock_gettime_ns(clock) - began, batch
