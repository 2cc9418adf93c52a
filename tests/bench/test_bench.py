# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmarks do what they say: the same work on both sides, streams that stay as they are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vmalab.bench import parts
from vmalab.bench.growth import (
    Growth,
    fill,
    growth_stream,
    large_machine,
    measure_growth,
    steady_rows,
)
from vmalab.bench.pairs import Pairs
from vmalab.bench.recorded_stream import recorded_stream
from vmalab.bench.stream import PROFILES, make_stream
from vmalab.check.piece import version_of
from vmalab.check.trial import Trial
from vmalab.linux.arch.x86.entry.syscalls.batch import Batch, do_batch
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.uapi.unistd import NR_write
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.strace import StraceReader
from vmalab.targets.opening import open_target
from vmalab.targets.real.target_errors import TargetError


@pytest.fixture(scope="module")
def pairs() -> Iterator[Pairs]:
    """This machine's kernel and the model of it."""
    try:
        with open_target("live") as target:
            yield Pairs(Trial(target, version_of(target)))
    except TargetError as error:
        pytest.skip(str(error))


@pytest.mark.live
@pytest.mark.parametrize(
    "profile",
    # Making a map of so many VMAs takes the interpreted engine many seconds.
    [pytest.param(p, marks=pytest.mark.slow) if p == "pages65536" else p for p in PROFILES],
)
def test_both_sides_do_the_same_work(pairs: Pairs, profile: str) -> None:
    stream = make_stream(profile, pairs.fresh(), seed=7, calls=200)
    times = pairs.measure([stream], pairs=1)
    assert times.calls == len(stream.timed) > 0
    assert times.model_ns > 0
    assert times.live_ns > 0


@pytest.mark.live
def test_a_call_that_the_worker_does_not_make_ends_it(pairs: Pairs) -> None:
    stream = make_stream("dense", pairs.fresh(), seed=7, calls=10)
    stream.timed.append((NR_write, 1, 0, 0, 0, 0, 0))
    with pytest.raises(TargetError, match="a call of a timed batch: Operation not permitted"):
        pairs.measure([stream], pairs=1)


@pytest.mark.parametrize("profile", ["dense", "placement"])
@pytest.mark.live
def test_a_seed_gives_the_same_stream(pairs: Pairs, profile: str) -> None:
    first = make_stream(profile, pairs.fresh(), seed=3, calls=100)
    again = make_stream(profile, pairs.fresh(), seed=3, calls=100)
    other = make_stream(profile, pairs.fresh(), seed=4, calls=100)
    assert first.timed == again.timed != other.timed


@pytest.mark.live
@pytest.mark.parametrize("name", ["sqlite3", "python-rlimit-as"])
def test_a_recorded_program_is_made_on_both_sides(pairs: Pairs, examples: Path, name: str) -> None:
    stream = recorded_stream(RecordingFiles(str(examples / name)), pairs.fresh())
    times = pairs.measure([stream, stream], pairs=1)
    assert times.calls == 2 * len(stream.timed) > 40


@pytest.mark.parametrize("region", [True, False])
def test_growth_streams_keep_the_number_of_vmas(region: bool) -> None:
    task = large_machine()
    fill(task, 0, 500)
    assert task.mm is not None
    before = task.mm.map_count
    batch = Batch(steady_rows(500, 2000, region))
    do_batch(task, batch)
    assert min(batch.answers()) >= 0
    assert task.mm.map_count == before == len(mm_vmas(task.mm))
    task.machine.shutdown()


def test_growth_is_measured_for_each_size() -> None:
    growth = Growth()
    measure_growth(growth, 200, calls=100, repeats=1)
    measure_growth(growth, 100, calls=100, repeats=1)
    assert set(growth.region) == set(growth.uniform) == {100, 200}
    assert len(growth_stream(100, 50, True).setup) == 100


def test_the_log_that_is_read_is_understood() -> None:
    reader = StraceReader()
    for line in parts.log_text(80).splitlines():
        reader.feed(line)
    assert len(reader.take()) == 80
    assert reader.unparsed == 0


def test_the_snapshot_is_printed_as_it_was_read() -> None:
    assert parts.snapshot_seconds(vmas=50) > 0
