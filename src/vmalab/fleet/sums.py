# SPDX-License-Identifier: GPL-2.0-or-later
"""The sums over a fleet's accounts: services, limits, refusals, causes, what-ifs.

Memory grows with the number of services and causes, and by one number for each recording.
"""

import heapq
from bisect import insort
from dataclasses import dataclass, field
from typing import Final, final

from vmalab.fleet.account import Account, Effect
from vmalab.fleet.scenarios import LimitUse, Scenario

# Recordings that are named in each list.
MOST_NAMED: Final = 100
# Services, and causes or refusals of a kind, that are told apart; all others count as one.
MOST_KINDS: Final = 10_000
OTHERS: Final = "(others)"
# Parts of a limit, in percent, for which recordings are counted.
STEPS: Final = (50, 80, 90, 100)


@dataclass(slots=True)
class ServiceSums:
    """One service. near: recordings that come near a limit. refused: calls that a limit refused.

    peaks: the most VMAs of each recording, in order. worst: the limit of which the largest part
    was used, and where.
    """

    name: str
    recordings: int = 0
    near: int = 0
    refused: int = 0
    peaks: list[int] = field(default_factory=list)
    worst: LimitUse | None = None
    worst_path: str = ""

    @property
    def median(self) -> int:
        """The median of the peaks."""
        return self.peaks[len(self.peaks) // 2] if self.peaks else 0

    @property
    def largest(self) -> int:
        """The largest of the peaks."""
        return self.peaks[-1] if self.peaks else 0


@dataclass(slots=True)
class LimitSums:
    """One limit. known: recordings that have it. at_least: how many used so much of it, by percent.

    most: the largest part that was used.
    """

    name: str
    known: int = 0
    at_least: dict[int, int] = field(default_factory=lambda: dict.fromkeys(STEPS, 0))
    most: float = 0.0


@dataclass(frozen=True, slots=True)
class NearRow:
    """A recording that comes near a limit, or reaches it."""

    path: str
    service: str
    use: LimitUse


@dataclass(slots=True)
class CauseSums:
    """What one cause made, at the peaks of all recordings. example: a recording with the most."""

    cause: str
    vmas: int = 0
    boundaries: int = 0
    recordings: int = 0
    services: set[str] = field(default_factory=set)
    example: str = ""
    most: int = -1


@dataclass(slots=True)
class FailureSums:
    """Calls of a name that a check refused, with an errno. limit: it is one that can be raised.

    example: a recording with the most.
    """

    check: str
    call: str
    errno: str
    limit: bool
    count: int = 0
    recordings: int = 0
    services: set[str] = field(default_factory=set)
    example: str = ""
    most: int = 0


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A recording that a scenario changes."""

    path: str
    service: str
    effect: Effect


@dataclass(slots=True)
class ScenarioSums:
    """What a scenario does. run: recordings on which it was run; the others it cannot change.

    same: recordings that stay as they are. more, fewer: those with more, or fewer, VMAs at most.
    failing, passing: those with calls that fail then only, or pass then only, and how many calls
    those are. peak, other_peak: sums of the peaks. changed: the recordings that change the most.
    """

    scenario: Scenario
    recordings: int = 0
    run: int = 0
    same: int = 0
    more: int = 0
    fewer: int = 0
    failing: int = 0
    failing_calls: int = 0
    passing: int = 0
    passing_calls: int = 0
    peak: int = 0
    other_peak: int = 0
    changed: list[ChangedRow] = field(default_factory=list)

    def add(self, account: Account, effect: Effect) -> None:
        """Add what it does to one recording."""
        self.recordings += 1
        self.run += effect.run
        self.same += effect.same
        self.more += effect.other_peak > effect.peak
        self.fewer += effect.other_peak < effect.peak
        self.failing += effect.fails > 0
        self.failing_calls += effect.fails
        self.passing += effect.passes > 0
        self.passing_calls += effect.passes
        self.peak += effect.peak
        self.other_peak += effect.other_peak
        if not effect.same:
            insort(self.changed, ChangedRow(account.path, account.service, effect), key=_change)
            del self.changed[MOST_NAMED:]


def _change(row: ChangedRow) -> tuple[int, int, str]:
    effect = row.effect
    return (
        -effect.fails - effect.passes,
        -abs(effect.other_peak - effect.peak),
        row.path,
    )


@final
class FleetSums:
    """All sums. near: from which part of a limit on a recording counts as near it, in percent.

    unusable: recordings of no use, with the reason, the first ones. nearest: the recordings that
    came nearest to a limit.
    """

    def __init__(self, scenarios: tuple[Scenario, ...], near: float) -> None:
        self.near_percent = near
        self.recordings = 0
        self.unusable_count = 0
        self.unusable: list[tuple[str, str]] = []
        self.calls = 0
        self.vmas = 0
        self.differing = 0
        self.near = 0
        self.refused = 0
        self.kernels: dict[str, int] = {}
        self.services: dict[str, ServiceSums] = {}
        self.limits: dict[str, LimitSums] = {}
        self.failures: dict[tuple[str, str, str], FailureSums] = {}
        self.causes: dict[str, CauseSums] = {}
        self.scenarios = [ScenarioSums(scenario) for scenario in scenarios]
        self._nearest: list[tuple[float, str, NearRow]] = []

    @property
    def nearest(self) -> list[NearRow]:
        """The recordings nearest to a limit, the nearest first."""
        return [row for _, _, row in sorted(self._nearest, key=lambda item: (-item[0], item[1]))]

    def add(self, account: Account) -> None:
        """Add one recording."""
        if account.trouble:
            self.unusable_count += 1
            if len(self.unusable) < MOST_NAMED:
                self.unusable.append((account.path, account.trouble))
            return
        self.recordings += 1
        self.calls += account.calls
        self.vmas += account.peak
        self.differing += not account.as_recorded
        self.kernels[account.kernel] = self.kernels.get(account.kernel, 0) + 1
        self._add_service(account)
        self._add_failures(account)
        self._add_causes(account)
        for sums, effect in zip(self.scenarios, account.effects, strict=True):
            sums.add(account, effect)

    def _add_service(self, account: Account) -> None:
        name = account.service
        if name not in self.services and len(self.services) >= MOST_KINDS:
            name = OTHERS
        service = self.services.setdefault(name, ServiceSums(name))
        service.recordings += 1
        insort(service.peaks, account.peak)
        near = False
        for use in account.limits:
            sums = self.limits.setdefault(use.name, LimitSums(use.name))
            sums.known += 1
            sums.most = max(sums.most, use.part)
            for step in STEPS:
                sums.at_least[step] += use.part * 100 >= step
            if use.part * 100 >= self.near_percent:
                near = True
                self._note_near(NearRow(account.path, account.service, use))
            if service.worst is None or use.part > service.worst.part:
                service.worst, service.worst_path = use, account.path
        self.near += near
        service.near += near
        refused = sum(failure.count for failure in account.failures if failure.limit)
        service.refused += refused
        self.refused += refused > 0

    def _note_near(self, row: NearRow) -> None:
        item = (row.use.part, f"{row.path}\0{row.use.name}", row)
        if len(self._nearest) < MOST_NAMED:
            self._nearest.append(item)
            return
        last = min(self._nearest, key=lambda one: (one[0], one[1]))
        if item[:2] > last[:2]:
            self._nearest[self._nearest.index(last)] = item

    def _add_failures(self, account: Account) -> None:
        for failure in account.failures:
            key = (failure.check, failure.call, failure.errno)
            if key not in self.failures and len(self.failures) >= MOST_KINDS:
                key = (OTHERS, OTHERS, "")
            sums = self.failures.setdefault(key, FailureSums(*key, failure.limit))
            sums.count += failure.count
            sums.recordings += 1
            sums.services.add(account.service)
            if failure.count > sums.most:
                sums.most, sums.example = failure.count, account.path

    def _add_causes(self, account: Account) -> None:
        for share in account.causes:
            name = share.cause
            if name not in self.causes and len(self.causes) >= MOST_KINDS:
                name = OTHERS
            sums = self.causes.setdefault(name, CauseSums(name))
            sums.vmas += share.vmas
            sums.boundaries += share.boundaries
            sums.recordings += 1
            sums.services.add(account.service)
            if share.vmas > sums.most:
                sums.most, sums.example = share.vmas, account.path

    def top_causes(self, count: int) -> list[CauseSums]:
        """Return the causes that made the most VMAs."""
        return heapq.nsmallest(count, self.causes.values(), key=lambda one: (-one.vmas, one.cause))

    def top_failures(self, count: int) -> list[FailureSums]:
        """Return the refusals of most recordings, those by limits first."""
        return heapq.nsmallest(
            count,
            self.failures.values(),
            key=lambda one: (not one.limit, -one.recordings, -one.count, one.check, one.call),
        )

    def top_services(self, count: int) -> list[ServiceSums]:
        """Return the services, those nearest to a limit first."""
        return heapq.nsmallest(count, self.services.values(), key=_urgency)

    def sorted_limits(self) -> list[LimitSums]:
        """Return the limits, that of which the largest part was used first."""
        return sorted(self.limits.values(), key=lambda one: (-one.most, one.name))


def _urgency(service: ServiceSums) -> tuple[float, int, str]:
    part = service.worst.part if service.worst is not None else 0.0
    return (-part, -service.largest, service.name)
