# SPDX-License-Identifier: GPL-2.0-or-later
"""Two recordings of one workload, for programs."""

from typing import TypedDict

from vmalab.explain.diff.growth import MomentGrowth, VmaGrowth


class DiffAnswer(TypedDict):
    """Two recordings. before, after: their paths. by: what is summed by. more: VMAs that the second
    has more, at the moment where it is the most. allowed: how many it may have more. moments: the
    peak, then the end.
    """

    before: str
    after: str
    by: str
    more: int
    allowed: int
    moments: tuple[MomentGrowth, ...]
    notes: tuple[str, ...]


def diff_answer(found: VmaGrowth, allowed: int) -> DiffAnswer:
    """Return the answer."""
    return {
        "before": found.before,
        "after": found.after,
        "by": found.by,
        "more": found.more,
        "allowed": allowed,
        "moments": found.moments,
        "notes": found.notes,
    }
