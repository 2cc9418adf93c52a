# SPDX-License-Identifier: GPL-2.0-or-later
"""Searches for a fault history under which a call gives the recorded map.

A trial undoes the call, gives VMAs near the place of the difference other histories, and makes the
call again. What brings the first difference further up is kept, and the search goes on there.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Final, final

from vmalab.linux.types.mm_types import Vma
from vmalab.replay.attempt import Attempt
from vmalab.replay.compare import compare_ranges
from vmalab.replay.fault_history import UNTOUCHED, FaultHistory, SupposedHistory
from vmalab.targets.model.model import ModelTarget

# How many VMAs' histories are varied for one call, and how many variations in pairs.
MAX_VARIED: Final = 8
MAX_PAIRED: Final = 12

Choice = dict[int, SupposedHistory]


@final
class Histories:
    """Tries fault histories for calls whose map was not as recorded."""

    def __init__(self, target: ModelTarget, faults: FaultHistory) -> None:
        self._target = target
        self._faults = faults

    def explain(self, attempt: Attempt) -> bool:
        """Return whether another history gives the recorded result and map; the model then has it.

        Preconditions: the memory was captured before the call, and the map differs.
        """
        capture, mismatch = attempt.capture, attempt.mismatch
        if capture is None or mismatch is None:
            return False
        chosen: Choice = {}
        at = mismatch.at
        for _ in range(MAX_VARIED):
            best: tuple[int, Choice] | None = None
            for trial in self._trials(capture.copies, chosen, at):
                found = self._try(attempt, trial)
                if found < 0:
                    self._learn(capture.copies, trial)
                    return True
                if found > at and (best is None or found > best[0]):
                    best = (found, trial)
            if best is None:
                break
            at, chosen = best
        self._try(attempt, {})
        return False

    def _trials(self, vmas: list[Vma], chosen: Choice, at: int) -> Iterator[Choice]:
        """Choices to try: another history for one VMA near an address, then for two of them."""
        near = [i for i, vma in enumerate(vmas) if vma.vm_start <= at <= vma.vm_end]
        if near:
            near = [i for i in range(near[0] - 1, near[-1] + 2) if 0 <= i < len(vmas)]
        options = [
            {i: history}
            for i in near
            if i not in chosen
            for history in self._faults.alternatives(vmas[i])
        ]
        for option in options:
            yield chosen | option
        for first, second in combinations(options[:MAX_PAIRED], 2):
            if first.keys() != second.keys():
                yield chosen | first | second

    def _try(self, attempt: Attempt, chosen: Choice) -> int:
        """Make the call again: where the map differs first, -1 for nowhere.

        0: the result is not the recorded one.
        """
        attempt.undo()
        assert attempt.capture is not None
        for index, history in chosen.items():
            self._faults.set(attempt.capture.vmas[index], history, attempt.capture.vmas)
        if self._target.apply(attempt.call) != attempt.call.ret:
            return 0
        found = compare_ranges(attempt.state, attempt.windows, self._target.identities)
        return -1 if found is None else found.at

    def _learn(self, vmas: list[Vma], chosen: Choice) -> None:
        for index, history in chosen.items():
            if history.written >= 0:
                self._faults.learn(vmas[index], history.written != UNTOUCHED)
