# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks the model against a real kernel on random streams: one after the other, by profile."""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.snapshot import VmaLine, vmas_of
from vmalab.check.beside import Beside
from vmalab.check.finding import Finding
from vmalab.check.generator import SHOW_EVERY, Generator
from vmalab.check.guide import UNGUIDED, Guide
from vmalab.check.profiles import settings_for
from vmalab.check.trial import Drawn, Trial
from vmalab.check.varied import Varied
from vmalab.linux.types.mm_types import Vma
from vmalab.targets.real.beginning import Beginning

# Calls of one stream, and calls between two comparisons of the map.
STREAM: Final = 2000
PER_MAP: Final = 200


@final
class DrawnStream(Drawn):
    """A generator fed with the model's answers, and now and then with its map."""

    def __init__(
        self,
        profile: str,
        seed: int,
        trial: Trial,
        beginning: Beginning,
        twin: Beside,
        guide: Guide,
    ) -> None:
        reserved = [(line.start, line.end) for line in vmas_of(beginning.first.lines())]
        self._generator = Generator(
            profile,
            seed,
            trial.target.abilities,
            beginning.start_brk,
            reserved,
            trial.target.admits,
        )
        self._source = self._generator.source
        self._calls = Varied(self._generator, guide) if guide.runs else self._generator
        self._twin = twin
        self._until_shown = SHOW_EVERY

    def next(self) -> Call:
        """Return the next call."""
        self._until_shown -= 1
        if self._until_shown <= 0:
            self._until_shown = SHOW_EVERY
            self._source.show([_range(vma) for vma in self._twin.vmas()])
        return self._calls.next()

    def note(self, call: Call, result: int) -> None:
        """A call was answered by the model."""
        self._source.note(call, result)


def _range(vma: Vma | VmaLine) -> tuple[int, int]:
    if isinstance(vma, VmaLine):
        return vma.start, vma.end
    return int(vma.vm_start), int(vma.vm_end)


def check_stream(
    trial: Trial,
    profile: str,
    seed: int,
    calls: int = STREAM,
    per_map: int = PER_MAP,
    guide: Guide = UNGUIDED,
) -> Finding | None:
    """Return one stream: None, or the first difference in it, at the call that made it."""
    settings = settings_for(profile, seed, trial.target.abilities)

    def make(beginning: Beginning, twin: Beside) -> Drawn:
        return DrawnStream(profile, seed, trial, beginning, twin, guide)

    found = trial.draw(settings, make, calls, per_map)
    if found is None:
        return None
    return Finding(profile, seed, settings, trial.locate(settings, found))
