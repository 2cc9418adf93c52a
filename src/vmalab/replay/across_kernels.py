# SPDX-License-Identifier: GPL-2.0-or-later
"""Replays one recording as several kernel versions: where they part, and which feature is why.

Every version is judged by the same recording. At a difference its map is put back to the recorded
one, so each difference stands for itself. The reason is found by trying: a feature that the version
has and one that agrees has not (or the other way round) is turned over; when the difference is gone
with it, it was the reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from vmalab.calls.errors import UsageError
from vmalab.linux.include.differences.table import FEATURES
from vmalab.linux.include.feature import BASE, NEWEST, Release
from vmalab.replay.feature_trials import FeatureTrials, Place, differences
from vmalab.replay.replay import Options
from vmalab.replay.report import MAX_DIFFERENCES, Difference
from vmalab.targets.model.versions import check_version, features_of, parse_point, parse_version

AS_RECORDED: Final = "as recorded"


@dataclass(slots=True)
class Parting:
    """One call, or one map, at which not all versions do the same.

    answers: version -> what it does, AS_RECORDED where nothing differs. reasons: version -> names
    of the features that make it do otherwise together; none where they were not found.
    """

    line: int
    image: str
    call: str
    recorded: str
    answers: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, list[str]] = field(default_factory=dict)


def _version(name: str) -> Release:
    """Return a version as it orders: a series that names no point release is its newest one."""
    series, point = parse_version(check_version(name)) or BASE, parse_point(name)
    return (*series, NEWEST if point is None else point)


def feature_difference(first: str, second: str) -> dict[str, bool]:
    """Return the features that two versions do not have alike, with what the second one has."""
    one, other = features_of(first), features_of(second)
    return {
        feature.name: bool(getattr(other, feature.name))
        for feature in FEATURES
        if getattr(one, feature.name) != getattr(other, feature.name)
    }


@dataclass(slots=True)
class KernelPartings:
    """Where versions part, in the recording's order.

    end: the line of the log behind which nothing was compared, for too much differs; 0: none.
    """

    found: list[Parting]
    end: int = 0


def diff_kernels(
    path: str, versions: Sequence[str], advance: Callable[[str], None] | None = None
) -> KernelPartings:
    """Return where the versions part on a recording.

    advance: called with what is done now. Errors: ReadError, UsageError.
    """
    if len(set(versions)) < 2:
        raise UsageError("it takes two different kernel versions at least to compare them")
    for version in versions:
        check_version(version)
    found: dict[str, dict[Place, Difference]] = {}
    for version in versions:
        if advance is not None:
            advance(f"as {version}")
        found[version] = differences(path, Options(kernel=version))
    end = _end(found)
    partings: dict[Place, Parting] = {}
    for places in found.values():
        for place, difference in places.items():
            if place not in partings and (end == 0 or 0 < place[1] <= end):
                partings[place] = Parting(place[1], place[2], place[3], difference.recorded)
    for place, parting in partings.items():
        for version in versions:
            differs = found[version].get(place)
            parting.answers[version] = AS_RECORDED if differs is None else differs.predicted
    parted = {
        place: parting
        for place, parting in partings.items()
        if len(set(parting.answers.values())) > 1
    }
    _explain(path, versions, parted, advance)
    last = max((place[0] for place in parted), default=0) + 1
    # Maps that belong to no call come behind the calls.
    order = sorted(parted, key=lambda at: (at[0] % (last + 1), at))
    return KernelPartings([parted[place] for place in order], end)


def _end(found: dict[str, dict[Place, Difference]]) -> int:
    """Return the line at which the first version had all the differences that are kept, or 0."""
    full = [places for places in found.values() if len(places) >= MAX_DIFFERENCES]
    return min((max(line for _, line, _, _ in places) for places in full), default=0)


def _explain(
    path: str,
    versions: Sequence[str],
    parted: dict[Place, Parting],
    advance: Callable[[str], None] | None,
) -> None:
    """Find the feature behind each difference, from the nearest version that agrees."""
    for version in versions:
        wrong = {
            place for place, parting in parted.items() if parting.answers[version] != AS_RECORDED
        }
        nearest = _nearest(version, versions, parted, wrong)
        if nearest is None:
            continue
        if advance is not None:
            advance(f"as {version}, with features of {nearest}")
        trials = FeatureTrials(path, version, feature_difference(version, nearest))
        for place, names in trials.explain(wrong).items():
            parted[place].reasons[version] = list(names)


def _nearest(
    version: str, versions: Sequence[str], parted: dict[Place, Parting], wrong: set[Place]
) -> str | None:
    """Return the version nearest to this one that agrees with the recording most often."""
    if not wrong:
        return None
    order = sorted(versions, key=_version)

    def rank(other: str) -> tuple[int, int]:
        agrees = sum(parted[place].answers[other] == AS_RECORDED for place in wrong)
        return (-agrees, abs(order.index(other) - order.index(version)))

    best = min((other for other in versions if other != version), key=rank, default=None)
    return best if best is not None and rank(best)[0] < 0 else None
