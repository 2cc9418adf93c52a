# SPDX-License-Identifier: GPL-2.0-or-later
"""The density counts every VMA, at each moment; and boundaries have the conditions of their end."""

import itertools
from pathlib import Path

import pytest

from vmalab.explain.history.density import MAX_BLOCKS, MAX_MOMENTS, Density
from vmalab.explain.history.history import History
from vmalab.explain.why.moment import END, take
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

NAMES = ["dense-1", "python-rlimit-as", "sqlite3"]


def history_of(path: Path) -> History:
    history = History()
    Replay(RecordingFiles(str(path)), Options(observers=(history,))).run()
    history.finish()
    return history


@pytest.mark.parametrize("name", NAMES)
def test_each_moment_has_as_many_vmas_as_the_series(examples: Path, name: str) -> None:
    (image,) = history_of(examples / name).images.values()
    grid = image.areas.density.grid()
    vmas = {sample.index: sample.vmas for sample in image.series.all()}
    counted = {
        index: sum(row) for index, row in zip(grid.moments, grid.rows, strict=True) if index in vmas
    }
    assert len(counted) > 40
    assert counted == {index: vmas[index] for index in counted}


@pytest.mark.parametrize("name", NAMES)
def test_boundaries_at_the_end_are_those_of_the_map(examples: Path, name: str) -> None:
    (image,) = history_of(examples / name).images.values()
    taken, _ = take(RecordingFiles(str(examples / name)), Options(), END, None)
    lines = taken.layout.lines
    there = {
        lines[at].end: " + ".join(cause.text for cause in causes)
        for at, causes in enumerate(taken.layout.causes)
        if lines[at].end == lines[at + 1].start
    }
    last = image.series.calls + 1
    kept = {cut.address: cut.causes for cut in image.boundaries if cut.last == last}
    assert kept.keys() == there.keys()
    differ = [at for at in kept if kept[at] != there[at]]
    # A fault that came later may give a side an anon_vma, and no call has worked there since.
    assert len(differ) <= len(kept) // 4
    words = {at: (str(kept[at]), there[at]) for at in differ}
    assert all("anon_vma" in one + other for one, other in words.values())


def test_moments_are_bounded_and_evenly_spread() -> None:
    density = Density()
    density.add(0x1000, 1)
    for index in range(5000):
        density.note(index)
    moments = density.grid().moments
    assert MAX_MOMENTS // 2 <= len(moments) <= MAX_MOMENTS
    assert {b - a for a, b in itertools.pairwise(moments)} == {32}


def test_blocks_become_larger_when_there_are_too_many() -> None:
    density = Density()
    starts = [at << 21 for at in range(2 * MAX_BLOCKS)]
    for start in starts:
        density.add(start, 1)
    density.fit()
    density.note(0)
    for start in starts[1:]:
        density.add(start, -1)
    density.note(1)
    grid = density.grid()
    assert grid.shift == 22
    assert len(grid.blocks) == MAX_BLOCKS
    assert [sum(row) for row in grid.rows] == [2 * MAX_BLOCKS, 1]
