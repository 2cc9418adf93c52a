# SPDX-License-Identifier: GPL-2.0-or-later
"""Simulates reports on a large fleet: what a sample finds, what it costs, how long it takes.

    python tools/simulate_fleet.py [--hosts N] [--services N] [--workers N] [--seed S] ...

Hosts run services, few of them many hosts and many of them few. Some services have a fault that
brings a part of their hosts near a limit. Each host keeps one recording a day. A report takes a
sample of them, and counts a fault as found when one recording in it shows it. Workers share the
recordings as `vmalab fleet report` does; one that dies loses what it was doing, and another one
does that again. The costs are given, so that anybody can put in those of their own machines.
"""

import argparse
import heapq
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

# Simulated days, of which the means are printed.
DAYS: Final = 20
SAMPLES: Final = (1_000, 3_000, 10_000, 30_000)
EACH: Final = (5, 20, 50)
# How unlike the sizes of services are: the k-th largest has so much less than the first, k ** -x.
_SKEW: Final = 1.0
# A restart of a worker, in seconds.
_RESTART: Final = 30.0


@dataclass(frozen=True)
class World:
    """What is simulated. faulty: services with a fault; shown: part of their hosts that show it.

    cost: CPU seconds a recording takes at the median, spread: by which factor one in six exceeds
    it. size: bytes of a recording. deaths: of workers, an hour and worker.
    """

    hosts: int = 100_000
    services: int = 1_000
    faulty: float = 0.05
    shown: float = 0.05
    cost: float = 0.1
    spread: float = 3.0
    size: int = 100_000
    workers: int = 16
    deaths: float = 0.1


@dataclass
class Fleet:
    """One fleet: hosts by service, and which services are faulty."""

    sizes: list[int]
    faulty: set[int]


def make_fleet(world: World, chance: random.Random) -> Fleet:
    """Share the hosts out to services."""
    weights = [(rank + 1) ** -_SKEW for rank in range(world.services)]
    whole = sum(weights)
    sizes = [max(1, round(world.hosts * weight / whole)) for weight in weights]
    faulty = {number for number in range(world.services) if chance.random() < world.faulty}
    return Fleet(sizes, faulty)


def found_by(world: World, fleet: Fleet, taken: Sequence[int], chance: random.Random) -> float:
    """Return the part of the faults that a sample shows. taken: recordings of each service."""
    if not fleet.faulty:
        return 1.0
    seen = 0
    for number in fleet.faulty:
        hosts = fleet.sizes[number]
        bad = max(1, round(hosts * world.shown))
        missed = 1.0
        for one in range(min(taken[number], hosts)):
            missed *= max(0, hosts - bad - one) / (hosts - one)
        seen += chance.random() >= missed
    return seen / len(fleet.faulty)


def uniform(fleet: Fleet, count: int, chance: random.Random) -> list[int]:
    """Return how many recordings of each service a sample of all has."""
    taken = [0] * len(fleet.sizes)
    picked = chance.choices(range(len(fleet.sizes)), weights=fleet.sizes, k=count)
    for number in picked:
        taken[number] += 1
    return [min(count, size) for count, size in zip(taken, fleet.sizes, strict=True)]


def of_each(fleet: Fleet, count: int) -> list[int]:
    """Return the same for a sample that has so many of each service."""
    return [min(count, size) for size in fleet.sizes]


def duration(world: World, count: int, workers: int, chance: random.Random) -> float:
    """Return the seconds that a report of so many recordings takes."""
    ends = [_life(world, chance) for _ in range(workers)]
    heap = [(0.0, number) for number in range(workers)]
    last = 0.0
    left = count
    while left:
        at, number = heapq.heappop(heap)
        done = at + chance.lognormvariate(log(world.cost), log(world.spread))
        if done > ends[number]:
            # It died in the middle: the recording is left, and the worker comes back.
            at = ends[number] + _RESTART
            ends[number] = at + _life(world, chance)
            heapq.heappush(heap, (at, number))
            continue
        left -= 1
        last = max(last, done)
        heapq.heappush(heap, (done, number))
    return last


def _life(world: World, chance: random.Random) -> float:
    return chance.expovariate(world.deaths / 3600) if world.deaths else float("inf")


def rows(world: World, seed: int) -> Iterator[str]:
    """Yield the table: a line for each sample."""
    yield (
        f"{'sample':>18} {'recordings':>10} {'faults found':>12} {'CPU hours':>9} "
        f"{'GB':>6} {'minutes':>7} {'with 1 worker':>13}"
    )
    kinds = [("of all", count) for count in SAMPLES] + [("of each", count) for count in EACH]
    for name, count in kinds:
        chance = random.Random(f"{seed} {name} {count}")
        found = recordings = 0.0
        for _ in range(DAYS):
            fleet = make_fleet(world, chance)
            taken = uniform(fleet, count, chance) if name == "of all" else of_each(fleet, count)
            found += found_by(world, fleet, taken, chance) / DAYS
            recordings += sum(taken) / DAYS
        whole = round(recordings)
        seconds = duration(world, whole, world.workers, chance)
        alone = duration(world, whole, 1, chance)
        mean = alone / max(whole, 1)
        yield (
            f"{count:>10,} {name:>7} {whole:>10,} {found:>12.0%} {whole * mean / 3600:>9.1f} "
            f"{whole * world.size / 1e9:>6.2f} {seconds / 60:>7.1f} {alone / 60:>13.1f}"
        )


def main(words: Sequence[str] | None = None) -> None:
    """Read the command line, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    usual = World()
    for name in usual.__dataclass_fields__:
        value = getattr(usual, name)
        parser.add_argument(f"--{name}", type=type(value), default=value)
    parser.add_argument("--seed", type=int, default=1)
    asked = vars(parser.parse_args(words))
    seed = asked.pop("seed")
    for line in rows(World(**asked), seed):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
