# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of a recorded program's calls on a tree: counted, with the first differences."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from vmalab.explain.on_tree.rows import MapRow

# Answers that are kept; all are counted.
MAX_KEPT: Final = 20
# Rows of a map that are shown around a difference.
ROWS_AROUND: Final = 3


@dataclass(frozen=True, slots=True)
class OtherAnswer:
    """A call that the tree answered otherwise. recorded, tree: as printed."""

    line: int
    image: str
    call: str
    recorded: str
    tree: str


@dataclass(frozen=True, slots=True)
class OtherMap:
    """The first place where two maps of an image differ, and the rows around it.

    line: of the last call before; call: as printed, "" at an image's end or beginning.
    """

    line: int
    image: str
    call: str
    at: int
    recorded: tuple[MapRow, ...]
    tree: tuple[MapRow, ...]


@dataclass(slots=True)
class ImageOnTree:
    """One image. peaks and ends: numbers of VMAs, by the recording and on the tree.

    differing: calls after which the two had not as many VMAs.
    """

    name: str
    recorded_peak: int = 0
    tree_peak: int = 0
    recorded_end: int = 0
    tree_end: int = 0
    calls: int = 0
    differing: int = 0


@dataclass(slots=True)
class OnTree:
    """All of one recording on one tree.

    calls: memory calls; made: those that the tree's code carried out. left: the others, by reason.
    given: calls whose effect was taken over from the replay, which had adopted it, by reason.
    """

    tree: str
    release: str
    calls: int = 0
    made: int = 0
    left: Counter[str] = field(default_factory=Counter)
    given: Counter[str] = field(default_factory=Counter)
    answers: list[OtherAnswer] = field(default_factory=list)
    answers_differ: int = 0
    maps: int = 0
    map: OtherMap | None = None
    maps_differ: int = 0
    died: list[str] = field(default_factory=list)
    images: list[ImageOnTree] = field(default_factory=list)
    remarks: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything went otherwise than in the recording."""
        return bool(self.answers_differ or self.maps_differ or self.died)


def first_other(
    recorded: list[MapRow], tree: list[MapRow]
) -> tuple[int, list[MapRow], list[MapRow]] | None:
    """Return where two maps part, and the rows of both around it; None when they are the same."""
    for index in range(max(len(recorded), len(tree))):
        one, other = recorded[index : index + 1], tree[index : index + 1]
        if one == other:
            continue
        at = min(row.start for row in (*one, *other))
        low, high = max(index - 1, 0), index + ROWS_AROUND
        return at, recorded[low:high], tree[low:high]
    return None
