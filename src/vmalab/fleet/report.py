# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a fleet: its recordings found, sampled, shared out, summed up."""

import hashlib
import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

from vmalab.crew.open_crew import nowhere, open_crew
from vmalab.crew.staff import ALONE, Staff
from vmalab.fleet.account import Asked, folder_of, take_account
from vmalab.fleet.sums import FleetSums
from vmalab.recording.shared_storage import find_recordings

# From which part of a limit on a recording is near it, in percent.
NEAR: Final = 80.0


@dataclass(frozen=True, slots=True)
class FleetSurvey:
    """What is looked at. paths: folders, or addresses of shared storage. sample: how many of the
    recordings, 0 for all; each: how many of each folder below a path; seed: which ones. near: see
    `FleetSums`.
    """

    paths: tuple[str, ...]
    asked: Asked
    staff: Staff = ALONE
    sample: int = 0
    each: int = 0
    seed: int = 0
    near: float = NEAR


def find_all(survey: FleetSurvey) -> list[str]:
    """Return the recordings that a survey looks at, in order. Errors: ReadError, UsageError."""
    found = [(top, path) for top in survey.paths for path in find_recordings(top)]
    paths = [path for _, path in found]
    if survey.each:
        folders: dict[str, list[str]] = {}
        for top, path in found:
            folders.setdefault(folder_of(path, (top,)), []).append(path)
        groups = (sample_of(group, survey.each, survey.seed) for group in folders.values())
        paths = sorted(chain.from_iterable(groups))
    return sample_of(paths, survey.sample, survey.seed) if survey.sample else paths


def sample_of(paths: Iterable[str], count: int, seed: int) -> list[str]:
    """Return so many of the paths, each as likely as any other, always the same ones for a seed.

    A path keeps its place in the sample while others come and go.
    """

    def place(path: str) -> bytes:
        return hashlib.sha256(f"{seed}\0{path}".encode("utf-8", "surrogateescape")).digest()

    return sorted(heapq.nsmallest(count, paths, key=place))


def survey_fleet(
    survey: FleetSurvey, paths: list[str], tell: Callable[[int], None] = lambda done: None
) -> FleetSums:
    """Take the account of each recording, and return the sums; `tell` hears how many are done.

    Errors: VmalabError when the crew cannot work.
    """
    sums = FleetSums(survey.asked.scenarios, survey.near)
    with open_crew(nowhere, survey.staff) as crew:
        units = (partial(take_account, path, survey.asked) for path in paths)
        for done, account in enumerate(crew.run(units), 1):
            sums.add(account)
            tell(done)
    return sums
