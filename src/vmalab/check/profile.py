# SPDX-License-Identifier: GPL-2.0-or-later
"""What a profile of random streams is: moves with weights, and the windows they work in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import Draw
from vmalab.check.moves import anonymous as basic

Move = Callable[[Draw], Call]


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of stream. windows: (base in bytes, pages); moves: with how often each is drawn."""

    windows: tuple[tuple[int, int], ...]
    moves: tuple[tuple[Move, int], ...]
    runs_into_map_count: bool = False


# Anonymous memory, which most profiles have something of.
ANON: Final[tuple[tuple[Move, int], ...]] = (
    (basic.map_fixed, 20),
    (basic.map_alike, 12),
    (basic.map_gap, 12),
    (basic.unmap, 14),
    (basic.protect, 16),
    (basic.advise, 8),
    (basic.advise_simply, 5),
    (basic.populate, 5),
)
