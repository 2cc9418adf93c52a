# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings by the kernel's events that something goes wrong with: the program goes on."""

import errno
import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.record.conftest import Busy, exact, size_of_events, wait_until

from vmalab.recording.events import session as session_module
from vmalab.recording.events.flight import FlightChoices
from vmalab.recording.events.session import FlightSession
from vmalab.recording.events.source import Source
from vmalab.recording.opening import open_recording

PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (0, 2, 3, 4, 5))]
)
def test_a_recorder_that_is_killed_leaves_the_process_alone(
    watch: Callable[..., subprocess.Popen[str]],
    busy: Callable[..., Busy],
    tmp_path: Path,
    seed: int,
) -> None:
    process = busy(4)
    recorder = watch(process.pid)
    pause = random.Random(seed).random() * 1.5
    with pytest.raises(subprocess.TimeoutExpired):
        recorder.wait(pause)
    recorder.kill()
    recorder.wait()
    wait_until(process.is_free)
    process.runs_on()
    if size_of_events(tmp_path / "r") > 1 << 16:
        assert exact(tmp_path / "r").total.memory_calls > 0


def test_sigterm_ends_a_long_recording_before_it_is_sorted(
    watchable: None, busy: Callable[..., Busy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "MOST_SORTED_AT_ONCE", 64 * PAGE)
    process = busy(4)
    heard: list[str] = []

    asked: list[int] = []

    def progress(size: int, lost: int) -> None:
        # Once: a second one would come when nobody waits for it any more.
        if size > 64 * PAGE and not asked:
            asked.append(size)
            # To this thread, for others of the test's process do not wait for it.
            signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    folder = str(tmp_path / "r")
    recorder = FlightSession(folder, Source(), FlightChoices(), heard.append, progress=progress)
    summary = recorder.attach(process.pid)
    process.runs_on()
    assert process.is_free()
    assert (summary.cut, summary.lines) == ("", 0)
    assert [line.endswith("left unsorted, as SIGTERM asks for a quick end") for line in heard] == [
        True
    ]
    report = exact(tmp_path / "r")
    assert report.total.memory_calls > 0
    # The map at the end is there to be compared.
    assert report.total.maps > 0
    assert not any("cut short" in note for note in report.notes)


def test_lost_events_are_counted_and_the_replay_goes_on_behind_them(
    watchable: None, busy: Callable[..., Busy], tmp_path: Path
) -> None:
    process = busy(4)
    # It ends by what has come, so that a slow machine loses events too.
    source = Source(ring_size=PAGE)
    session = FlightSession(str(tmp_path / "r"), source, FlightChoices(max_size=64 * PAGE))
    session.attach(process.pid)
    process.runs_on()
    assert process.is_free()
    recording = open_recording(str(tmp_path / "r"))
    assert recording.meta.lost_events > 0
    report = exact(tmp_path / "r")
    assert any("lost" in note for note in report.notes)
    assert len(report.images) > 1


def test_a_full_disk_ends_the_recording_and_not_the_program(
    watchable: None, churn: Path, tmp_path: Path
) -> None:
    # All rings together hold less: some are emptied as a whole before the disk is full.
    source = Source(ring_size=64 * PAGE)
    room = 2 * len(source.rings) * 64 * PAGE
    heard: list[str] = []

    def write(fd: int, raw: bytes) -> int:
        nonlocal room
        if room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(fd, raw[:room])
        room -= written
        return written

    session = FlightSession(str(tmp_path / "r"), source, FlightChoices(), heard.append, write)
    summary = session.launch([str(churn), "8000", "4"])
    assert summary.status == 0
    assert summary.cut == "No space left on device"
    assert "the program goes on" in heard[0]
    recording = open_recording(str(tmp_path / "r"))
    assert recording.cut_short
    assert exact(tmp_path / "r").total.memory_calls > 0
