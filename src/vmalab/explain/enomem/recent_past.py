# SPDX-License-Identifier: GPL-2.0-or-later
"""What limits are about, as it was after each of an image's last calls, and at most."""

from collections import deque
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
        self.last: deque[Standing] = deque()
        self.most = Standing()
        self.series = Series()

    def note(self, mm: Mm, time: float) -> None:
        """Note what there is now."""
        look = Standing() if len(self.last) < WINDOW else self.last.popleft()
        look.fill(mm, time)
        self.last.append(look)
        self.most.raise_to(look)
