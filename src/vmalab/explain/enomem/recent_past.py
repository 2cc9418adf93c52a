# SPDX-License-Identifier: GPL-2.0-or-later
"""What limits are about, as it was after each of an image's last calls, and at most."""

from typing import Final, final

from vmalab.explain.enomem.headroom import Standing
from vmalab.explain.history.series import Series
from vmalab.linux.types.mm_types import Mm

# Memory calls that a trend looks back.
WINDOW: Final = 256


@final
class RecentPast:
    """An image so far: looks at it after its last calls, the most of all, its series."""

    def __init__(self) -> None:
        self._looks: list[Standing] = []
        # Where the oldest look is.
        self._oldest = 0
        self.most = Standing()
        self.series = Series()

    @property
    def count(self) -> int:
        """How many looks there are."""
        return len(self._looks)

    def look(self, index: int) -> Standing:
        """Return one of the looks, by its place; 0: the oldest."""
        return self._looks[(self._oldest + index) % len(self._looks)]

    def note(self, mm: Mm, time: float) -> None:
        """Note what there is now."""
        looks = self._looks
        if len(looks) < WINDOW:
            look = Standing()
            looks.append(look)
        else:
            look = looks[self._oldest]
            self._oldest = (self._oldest + 1) % WINDOW
        look.fill(mm, time)
        self.most.raise_to(look)
