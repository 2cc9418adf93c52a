# SPDX-License-Identifier: GPL-2.0-or-later
"""Travelling in a recording: every moment is as a plain replay has it, and nobody stays behind."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.calls.errors import VmalabError
from vmalab.explain.travel import index
from vmalab.explain.travel.journey import Journey, Lost
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.search import one_recording
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.tui.explore import errands
from vmalab.tui.explore.errands import LOST, LookErrand, MapErrand

BASE = 0x7F0000000000
PAGE = 4096
CALLS = 60


def flips(count: int) -> str:
    """A log of one mapping whose pages, every other one, are protected: each splits a VMA."""
    length = 2 * count * PAGE
    lines = [f"7 mmap(NULL, {length}, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {BASE:#x}"]
    lines += [
        f"7 mprotect({BASE + (2 * at - 1) * PAGE:#x}, 4096, PROT_NONE) = 0"
        for at in range(1, count)
    ]
    lines.append(f"7 munmap({BASE:#x}, {length}) = 0")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "flips.strace"
    path.write_text(flips(CALLS), "ascii")
    return path


@pytest.fixture(scope="module")
def journey(log: Path) -> Iterator[Journey]:
    """One journey for all tests that only look, when all has been replayed."""
    made = Journey(str(log), work=0.0, errands=errands.__name__)
    made.await_end()
    yield made
    made.close()


class Maps(Observer):
    """All maps of a plain replay: ranges after each call."""

    def __init__(self) -> None:
        self.after_call: list[list[tuple[int, int]]] = []

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        from vmalab.linux.fs.proc.task_mmu import mm_vmas

        self.after_call.append([(vma.vm_start, vma.vm_end) for vma in mm_vmas(mm)])


def calls_of(journey: Journey) -> list[int]:
    flags = journey.index.flags
    return [at for at in range(len(flags)) if flags[at] & index.CALL]


def test_every_moment_has_the_map_of_a_plain_replay(journey: Journey, log: Path) -> None:
    maps = Maps()
    Replay(one_recording(str(log)), Options(observers=(maps,))).run()
    places = calls_of(journey)
    assert len(places) == len(maps.after_call) == CALLS + 1
    # Forwards, backwards, and from one checkpoint to another.
    for at in (0, CALLS, 30, 29, 31, 1):
        _, rows = journey.ask(MapErrand(places[at]))
        assert [(row.start, row.end) for row in rows] == maps.after_call[at]
        assert journey.index.vmas[places[at]] == len(rows)


def test_many_checkpoints_are_left(journey: Journey) -> None:
    sections = {journey.section(at) for at in range(len(journey.index))}
    assert len(sections) > 10
    assert sum(last - first + 1 for first, last in sections) == len(journey.index)


def test_a_look_shows_what_the_call_changed(journey: Journey) -> None:
    at = calls_of(journey)[5]
    look = journey.ask(LookErrand(at, at, at))
    marked = [(row.start, row.mark) for row in look.rows if row.mark != " "]
    page = BASE + 9 * PAGE
    assert marked == [(page - PAGE, LOST), (page - PAGE, "~"), (page, "+"), (page + PAGE, "+")]
    assert look.calls[at].startswith(f"mprotect({page:#x}, 4096, PROT_NONE) = 0")
    assert look.told[-1] == f"VMAs: 2 made, 1 changed; now {2 * 5 + 1}"


def test_birth_and_death_of_a_vma(journey: Journey) -> None:
    known, places = journey.index, calls_of(journey)
    _, rows = journey.ask(MapErrand(places[7]))
    third = next(row for row in rows if row.start == BASE + 5 * PAGE)
    assert known.of_origin(third.born) == places[3]
    assert known.death(places[7], 0, third.number) == places[-1]


def test_steps_go_to_the_next_split(journey: Journey) -> None:
    places = calls_of(journey)
    assert journey.index.next_step(places[0], index.SPLIT) == places[1]
    assert journey.index.previous_step(places[9], index.SPLIT) == places[8]
    assert journey.index.count(index.SPLIT) == CALLS - 1


def test_a_moment_that_nobody_knows(journey: Journey) -> None:
    with pytest.raises(Lost, match="ended"):
        journey.ask(MapErrand(1 << 20))
    # The checkpoint is there for the next question.
    assert journey.ask(MapErrand(len(journey.index) - 1))


def test_too_many_checkpoints_are_thinned_out(log: Path) -> None:
    journey = Journey(str(log), work=0.0, most=8, errands=errands.__name__)
    try:
        journey.await_end()
        sections = {journey.section(at) for at in range(len(journey.index))}
        assert 3 <= len(sections) <= 8
        for at in (0, CALLS):
            assert len(journey.ask(MapErrand(at))[1]) == journey.index.vmas[at]
    finally:
        journey.close()


def test_a_log_without_calls_is_said_to_be_unusable(tmp_path: Path) -> None:
    path = tmp_path / "empty.strace"
    path.write_text("", "ascii")
    journey = Journey(str(path))
    try:
        with pytest.raises(VmalabError, match="no usable calls"):
            journey.await_beginning(lambda: None)
    finally:
        journey.close()


def test_a_recording_that_is_none(tmp_path: Path) -> None:
    journey = Journey(str(tmp_path))
    try:
        with pytest.raises(VmalabError, match="no recording here"):
            journey.await_beginning(lambda: None)
    finally:
        journey.close()


def test_a_pipe_is_travelled_in(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    journey = Journey(str(path))
    try:
        path.write_text(flips(20), "ascii")
        journey.await_end()
        # 21 calls, the beginning and the end.
        assert (len(journey.index), journey.trouble) == (23, "")
    finally:
        journey.close()


def children() -> set[int]:
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    return {int(pid) for pid in text.split()}


def test_a_replay_that_is_killed_says_so(tmp_path: Path) -> None:
    path = tmp_path / "long.strace"
    path.write_text(flips(30_000), "ascii")
    before = children()
    journey = Journey(str(path))
    try:
        journey.await_beginning(lambda: None)
        (scout,) = children() - before
        os.kill(scout, signal.SIGKILL)
        journey.await_end()
        assert journey.trouble == "the process that replays the recording has ended"
        # What is known can still be looked at.
        assert journey.ask(MapErrand(0)) is not None
    finally:
        journey.close()


_TRAVELLER = """
import sys
from vmalab.explain.travel.journey import Journey
journey = Journey(sys.argv[1], work=0.0)
journey.await_end()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_stays_behind_when_the_traveller_is_killed(log: Path, how: int) -> None:
    traveller = subprocess.Popen(
        [sys.executable, "-c", _TRAVELLER, str(log)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with traveller:
        assert traveller.stdout is not None
        assert traveller.stdout.readline() == b"ready\n"
        traveller.send_signal(how)
        traveller.wait()
        # All processes of the journey have the pipe: its end says that none is left.
        assert select.select([traveller.stdout], [], [], 60)[0]
        assert traveller.stdout.read() == b""
