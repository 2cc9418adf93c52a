# SPDX-License-Identifier: GPL-2.0-or-later
"""How a fleet's report scales, as it is measured: the ratios are those of pairs of runs."""

from fleet_scale import Cost, lines_of


def test_ratios_are_medians_of_pairs() -> None:
    pairs = [
        (Cost(20.0, 20.0), Cost(11.0, 22.0)),
        # Somebody else was busy meanwhile.
        (Cost(60.0, 20.0), Cost(90.0, 21.0)),
        (Cost(40.0, 30.0), Cost(20.0, 30.0)),
    ]
    _, each, cpu, wall = lines_of(pairs, 200, 2)
    assert each == "one worker: 0.100 s of CPU a recording"
    assert cpu == "2 workers: 1.05 times the CPU of one, so at most 1.90 times as fast"
    assert wall == "2 workers: 1.82 times as fast by the clock"
