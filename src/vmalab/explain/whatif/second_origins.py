# SPDX-License-Identifier: GPL-2.0-or-later
"""Which recorded call answers for each VMA of the second machine of a what-if."""

from typing import final

from vmalab.calls.call import Call
from vmalab.calls.ranges import Ranges
from vmalab.calls.table import EXECS, FORKS
from vmalab.explain.blame.origin_map import OriginMap
from vmalab.explain.blame.origins import Origin, Traced
from vmalab.explain.blame.watcher import EXEC, FORK, NO_CALL, START, placed
from vmalab.explain.whatif.carry_calls import Outcome, with_result
from vmalab.linux.types.mm_types import Mm
from vmalab.replay.attempt import touched_by


@final
class SecondOrigins:
    """The origins of each image's VMAs on the second machine, by the image's name."""

    def __init__(self) -> None:
        self._maps: dict[str, OriginMap] = {}
        self._firsts: dict[str, Origin] = {}
        self._count = 0

    def at_peak(self, image: str) -> list[Traced]:
        """Return the VMAs of an image when it had the most there."""
        found = self._maps.get(image)
        return [] if found is None else found.at_peak()

    def _origin(self, line: int, what: str, call: Call | None) -> Origin:
        self._count += 1
        return Origin(self._count, line, what, call)

    def began(self, image: str, mm: Mm, *, forked: bool) -> None:
        """Begin an image."""
        found = self._maps[image] = OriginMap(False)
        first = self._firsts[image] = self._origin(0, FORK if forked else START, None)
        found.begin(mm, first)

    def after(self, image: str, mm: Mm, call: Call, outcome: Outcome) -> None:
        """Put down to a recorded call what the calls have done that it became."""
        found = self._maps.get(image)
        if found is None or call.row.family & FORKS:
            return
        if call.row.family & EXECS:
            first = self._firsts[image]
            if first.call is None:
                first.call, first.line, first.what = call, call.line, EXEC
            return
        spans: Ranges | None = []
        fresh = moved = None
        for one, result in zip(outcome.calls, outcome.results, strict=False):
            made = with_result(one, result)
            touched = touched_by(mm, made, result)
            spans = None if spans is None or touched is None else [*spans, *touched]
            fresh, moved = placed(made)
        origin = self._origin(call.line, call.spelling, call)
        found.sync(mm, spans, origin, fresh, moved)
        if len(found.vmas) != mm.map_count:
            found.sync(mm, None, origin, fresh, moved)

    def changed(self, image: str, mm: Mm) -> None:
        """Take over what came without a call."""
        found = self._maps.get(image)
        if found is not None:
            found.sync(mm, None, self._origin(0, NO_CALL, None), None, None)
