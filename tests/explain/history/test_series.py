# SPDX-License-Identifier: GPL-2.0-or-later
"""The series of an address space: what its samples say, how few there are, that peaks stay."""

from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.explain.history.series import FIRST, MAX_TEXT, Sample, Series
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay

EXAMPLES = Path(__file__).parents[3] / "examples"


class Keeper(Observer):
    """Keeps one series."""

    def __init__(self, limit: int) -> None:
        self.series = Series(limit)

    def began(self, state: ImageState, mm: Mm) -> None:
        self.series.begin(mm, FIRST)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        self.series.add(mm, call)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        self.series.change(mm, line)


def _series(name: str, limit: int = 2000) -> Series:
    keeper = Keeper(limit)
    Replay(RecordingFiles(str(EXAMPLES / name)), Options(observers=(keeper,))).run()
    return keeper.series


@pytest.fixture(scope="module")
def python() -> Series:
    return _series("python-rlimit-as")


def test_every_call_has_a_sample_where_there_are_few(python: Series) -> None:
    assert [sample.index for sample in python.all()] == list(range(610))
    assert python.stride == 1


def test_the_first_sample_is_the_first_map(python: Series) -> None:
    first = python.all()[0]
    assert (first.index, first.line, first.call, first.failures) == (0, 0, FIRST, 0)
    assert first.vmas > 0


def test_the_last_sample_is_the_final_map(python: Series) -> None:
    last = python.all()[-1]
    assert (last.index, last.vmas) == (609, 103)


def test_failures_are_counted_with_the_call_that_failed(python: Series) -> None:
    samples = python.all()
    first = next(sample for sample in samples if sample.failures == 1)
    assert first.call.endswith("= -1 ENOMEM (Cannot allocate memory)")
    assert samples[-1].failures == python.failures


@pytest.mark.parametrize("limit", [8, 16, 100])
def test_few_samples_keep_the_peak_and_the_end(python: Series, limit: int) -> None:
    few = _series("python-rlimit-as", limit)
    assert few.peak == python.peak
    found = few.all()
    assert len(found) <= limit + 2
    assert max(found, key=_vmas) == python.peak
    assert found[-1] == python.all()[-1]
    assert [sample.index for sample in found] == sorted({sample.index for sample in found})


def _vmas(sample: Sample) -> int:
    return sample.vmas


def test_a_long_call_is_cut(python: Series) -> None:
    assert max(len(sample.call) for sample in python.all()) <= MAX_TEXT
