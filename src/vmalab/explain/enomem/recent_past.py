# SPDX-License-Identifier: GPL-2.0-or-later
"""What limits are about, as it was after each of an image's last calls, and at most."""

from collections import deque
from typing import Final, final

from vmalab.explain.enomem.headroom import Quantities, stack_size
from vmalab.explain.history.series import Series
from vmalab.linux.types.mm_types import Mm

# Memory calls that a trend looks back.
WINDOW: Final = 256


@final
class _Look:
    """What there was after one call, and when."""

    __slots__ = ("committed", "data", "locked", "stack", "time", "total", "vmas")

    def __init__(self) -> None:
        self.time = 0.0
        self.vmas = 0
        self.total = 0
        self.data = 0
        self.locked = 0
        self.stack = 0
        self.committed = 0

    def fill(self, mm: Mm, time: float) -> None:
        """Take down what there is now."""
        self.time = time
        self.vmas = mm.map_count
        self.total = mm.total_vm
        self.data = mm.data_vm
        self.locked = mm.locked_vm
        self.stack = stack_size(mm)
        self.committed = mm.kernel.committed_as

    def raise_to(self, other: "_Look") -> None:
        """Let each quantity be at least what it is in another look."""
        self.vmas = max(self.vmas, other.vmas)
        self.total = max(self.total, other.total)
        self.data = max(self.data, other.data)
        self.locked = max(self.locked, other.locked)
        self.stack = max(self.stack, other.stack)
        self.committed = max(self.committed, other.committed)

    def quantities(self) -> Quantities:
        """Return them in the order of headroom's."""
        return (self.vmas, self.total, self.data, self.locked, self.stack, self.committed)


@final
class RecentPast:
    """An image so far: looks at it after its last calls, the most of all, its series."""

    def __init__(self) -> None:
        self.last: deque[_Look] = deque()
        self.most = _Look()
        self.series = Series()

    def note(self, mm: Mm, time: float) -> None:
        """Note what there is now."""
        look = _Look() if len(self.last) < WINDOW else self.last.popleft()
        look.fill(mm, time)
        self.last.append(look)
        self.most.raise_to(look)
