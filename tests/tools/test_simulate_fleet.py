# SPDX-License-Identifier: GPL-2.0-or-later
"""The simulation of a large fleet: the same for a seed, and its laws."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from simulate_fleet import World, duration, found_by, main, make_fleet, of_each, uniform

WORLD = World(hosts=2_000, services=50, deaths=0.0)
PAGE = Path(__file__).parent.parent.parent / "docs" / "scale.md"


def test_the_manual_shows_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    assert capsys.readouterr().out in PAGE.read_text("utf-8")


def test_a_sample_of_all_hosts_finds_all_faults() -> None:
    chance = random.Random(1)
    fleet = make_fleet(WORLD, chance)
    assert fleet.faulty
    assert found_by(WORLD, fleet, fleet.sizes, chance) == 1
    assert found_by(WORLD, fleet, [0] * len(fleet.sizes), chance) == 0


def test_no_sample_has_more_of_a_service_than_there_are() -> None:
    chance = random.Random(1)
    fleet = make_fleet(WORLD, chance)
    for taken in (uniform(fleet, 5_000, chance), of_each(fleet, 100)):
        assert all(one <= size for one, size in zip(taken, fleet.sizes, strict=True))


def test_workers_share_the_time() -> None:
    alone = duration(WORLD, 2_000, 1, random.Random(1))
    shared = duration(WORLD, 2_000, 10, random.Random(1))
    assert alone / 11 < shared < alone / 8


def test_workers_that_die_cost_time_and_lose_nothing() -> None:
    dying = replace(WORLD, deaths=60.0)
    chance = random.Random(1)
    assert duration(dying, 2_000, 4, chance) > duration(WORLD, 2_000, 4, random.Random(1))
