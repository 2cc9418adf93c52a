# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the calls of one random stream, by the table of its profile."""

from collections.abc import Callable, Sequence
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.check.draw import Draw, Window
from vmalab.check.moves import other_calls as calls
from vmalab.check.profile import Move
from vmalab.check.profiles import PROFILES
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.targets.real.real import Abilities

# How often the generator is told anew which VMAs there are, in calls.
SHOW_EVERY: Final = 24
# The moves that lock what has been mapped without.
LOCKING: Final[tuple[Move, ...]] = (calls.lock, calls.lock_placed, calls.lock_all)


@final
class Generator:
    """Draws one stream's calls. The model's answers steer it, so they are part of its input."""

    def __init__(
        self,
        profile: str,
        seed: int,
        abilities: Abilities,
        start_brk: int,
        reserved: Sequence[tuple[int, int]],
        admits: Callable[[str, Call], bool] | None = None,
    ) -> None:
        """admits: whether a call can be part of a profile's streams; else another one is drawn."""
        self._admits = admits
        self._profile = profile
        chosen = PROFILES[profile]
        windows = [Window(base, pages) for base, pages in chosen.windows]
        pages = sum(end - start for start, end in reserved) // PAGE_SIZE
        self.source = Draw(f"{profile}/{seed}", windows, abilities, start_brk, reserved, pages)
        locks = any(move in LOCKING for move, _ in chosen.moves)
        self.source.visits_pages = locks and not abilities.populate
        total = sum(weight for _, weight in chosen.moves)
        # 4096 places, each move on as many as its weight deserves, one at least.
        self._table: list[Move] = []
        for move, weight in chosen.moves:
            self._table += [move] * max(round(4096 * weight / total), 1)

    def next(self) -> Call:
        """Return the next call of the stream."""
        source = self.source
        while True:
            call = source.shared_out(self._table[source.below(len(self._table))](source))
            if self.admits(call):
                return call

    def admits(self, call: Call) -> bool:
        """Return whether a call can be part of the stream."""
        return self._admits is None or self._admits(self._profile, call)
