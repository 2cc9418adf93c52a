# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings asked from Python: the same answers as the commands give."""

from pathlib import Path

import pytest

from vmalab import CallRefused, Recording, VmalabError


@pytest.fixture
def dense(examples: Path) -> Recording:
    return Recording.open(str(examples / "dense-1"))


def test_it_says_what_it_is(dense: Recording) -> None:
    assert dense.images == ("20000.1",)
    assert repr(dense).endswith(": 1 images>")
    assert "6.18.44" in repr(dense)


def test_a_replay_predicts_everything(dense: Recording) -> None:
    report = dense.replay()
    assert report.identical
    assert report.total.predicted == report.total.memory_calls > 0
    assert dense.replay("6.1").kernel == "6.1"


def test_why_blame_and_the_map_agree(dense: Recording) -> None:
    end = dense.vmas(at="end")
    assert dense.why(at="end").why.vmas == len(end)
    blamed = dense.blame(at="end").report.vmas
    assert [(item.start, item.end) for item in blamed] == [(line.start, line.end) for line in end]
    place = dense.why(end[0].start, at="end").place
    assert place is not None
    assert place.vma == end[0]


def test_failed_calls_and_other_limits(dense: Recording) -> None:
    found = dense.enomem()
    assert found.failed == sum(group.count for group in found.groups) > 0
    other = dense.whatif(sysctl={"vm.max_map_count": 10})
    assert other.failed_recorded == found.failed
    assert other.fails > 0


@pytest.mark.parametrize("at", ["end", "peak", 900])
def test_an_address_space_goes_on_from_a_moment(dense: Recording, at: str | int) -> None:
    space = dense.address_space(at=at)
    assert list(space.vmas) == list(dense.vmas(at=at))
    before = str(space)
    start = space.mmap(0, 4096)
    assert space.at(start) is not None
    space.munmap(start, 4096)
    assert str(space) == before
    with pytest.raises(CallRefused):
        space.munmap(1, 1)


@pytest.mark.parametrize("image", [None, "3226.1"])
def test_a_program_that_has_ended_is_as_after_its_last_call(
    examples: Path, image: str | None
) -> None:
    guards = Recording.open(str(examples / "guards"))
    space = guards.address_space(image=image)
    # Names of files are those of the first map.
    end = [(vma.start, vma.end, vma.perms) for vma in guards.vmas(at="end")]
    assert [(vma.start, vma.end, vma.perms) for vma in space.vmas] == end
    assert space.at(space.mmap(0, 4096)) is not None


@pytest.mark.parametrize("ask", ["why", "blame", "vmas", "address_space"])
def test_a_line_that_the_log_does_not_have_is_refused(examples: Path, ask: str) -> None:
    guards = Recording.open(str(examples / "guards"))
    with pytest.raises(VmalabError, match="no line 1000000000: the last event is on line "):
        getattr(guards, ask)(at=10**9)


def test_what_is_not_there(dense: Recording, tmp_path: Path) -> None:
    with pytest.raises(VmalabError):
        Recording.open(str(tmp_path))
    with pytest.raises(VmalabError, match=r"the image '1\.1' does not exist"):
        dense.address_space(image="1.1")
    with pytest.raises(VmalabError, match="no model of kernel"):
        dense.replay("1.0")


@pytest.mark.parametrize(
    ("ask", "error", "argument"),
    [
        (lambda dense: dense.why(at="then"), ValueError, "at"),
        (lambda dense: dense.blame(at=0), ValueError, "at"),
        (lambda dense: dense.vmas(at=2.5), TypeError, "at"),
        (lambda dense: dense.address_space(at="line 5"), ValueError, "at"),
        (lambda dense: dense.replay(kernel=6.1), TypeError, "kernel"),
        (lambda dense: dense.diff("examples/dense-1"), TypeError, r"other .*Recording.open"),
        (lambda dense: dense.whatif(sysctl={"max_map_count": 5}), ValueError, "sysctl"),
        (lambda dense: dense.whatif(rlimits={"RSS": 5}), ValueError, "rlimits"),
        (lambda dense: dense.whatif(rlimits={"AS": "2G"}), TypeError, "rlimits: AS"),
        (lambda dense: dense.whatif(rlimits={"AS": -1}), ValueError, "rlimits: AS"),
    ],
)
def test_misuse_names_the_argument(  # type: ignore[no-untyped-def]
    dense: Recording, ask, error, argument
) -> None:
    with pytest.raises(error, match=argument):
        ask(dense)
