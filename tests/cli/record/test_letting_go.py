# SPDX-License-Identifier: GPL-2.0-or-later
"""Whenever and however the recording of a running process ends, the process runs on."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.record.conftest import PATIENCE, Busy, wait_until

from vmalab.recording.format.recording import RecordingFiles

Starts = Callable[..., Busy]
Attach = Callable[..., subprocess.Popen[str]]

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]
# Beside the busy threads: one in a fault that nobody serves (interruptible; state D; spinning in
# the kernel once it is to stop), one in vfork all the time (state D), one that makes threads.
EXTRAS = ["none", "fault", "populate", "read", "vfork", "churn"]
by_name = {"ids": lambda value: getattr(value, "name", value)}


def end_at(busy: Busy, recorder: subprocess.Popen[str], delay: float, number: int) -> float:
    """Ends a recorder after `delay` seconds: the seconds until the process was free of it."""
    try:
        recorder.wait(delay)
    except subprocess.TimeoutExpired:
        recorder.send_signal(number)
    took = wait_until(busy.is_free, lambda: f"{busy.statuses()} {recorder.poll()}")
    _, said = recorder.communicate(timeout=PATIENCE)
    # When it came before the recorder could take it, Python's own handling ended it.
    assert recorder.returncode in (0, 1, -number, 130), said
    assert (recorder.returncode == 0) == said.startswith("vmalab: /"), said
    busy.runs_on()
    return took


def check_recording(folder: Path) -> None:
    """The last map has been read."""
    assert json.loads((folder / "meta.json").read_text())["complete"] is True
    recording = RecordingFiles(str(folder))
    (image,) = (one for one in recording.images.values() if one.id == recording.meta.main_image)
    assert image.final()
    assert all(event.line for event in recording.log())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], **by_name)
def test_a_signal_ends_the_recording_and_not_the_process(
    busy: Starts, attach: Attach, tmp_path: Path, number: int
) -> None:
    process = busy(64)
    recorder = attach(process.pid)
    wait_until(lambda: (tmp_path / "r" / "calls.strace").exists())
    wait_until(lambda: (tmp_path / "r" / "calls.strace").stat().st_size > 0)
    recorder.send_signal(number)
    wait_until(process.is_free, lambda: str(process.statuses()))
    _, said = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, said
    process.runs_on()
    check_recording(tmp_path / "r")


@pytest.mark.parametrize("extra", ["populate", "churn"])
def test_it_ends_at_any_moment(busy: Starts, attach: Attach, tmp_path: Path, extra: str) -> None:
    process = busy(64, extra)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for number in (signal.SIGINT, signal.SIGTERM):
        recorder = attach(process.pid)
        end_at(process, recorder, chance.uniform(0.2, 1.2), number)
        if recorder.returncode == 0:
            check_recording(tmp_path / "r")


@pytest.mark.slow
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("number", SIGNALS, **by_name)
def test_it_ends_at_any_moment_within_two_seconds(
    busy: Starts, attach: Attach, tmp_path: Path, number: int, extra: str
) -> None:
    """With all parameters, 216 times."""
    process = busy(64, extra, nice=0)
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    times, complete = [], 0
    for _ in range(9):
        recorder = attach(process.pid)
        if chance.random() < 0.7:
            wait_until((tmp_path / "r" / "calls.strace").exists)
        times.append(end_at(process, recorder, chance.uniform(0.0, 1.0), number))
        if recorder.returncode == 0:
            check_recording(tmp_path / "r")
            complete += 1
    print(f"{complete} of 9 complete; free after {max(times):.2f} s at most")
    assert max(times) < 2


def test_a_second_interrupt_changes_nothing(busy: Starts, attach: Attach, tmp_path: Path) -> None:
    process = busy(64, "populate")
    recorder = attach(process.pid)
    wait_until(lambda: (tmp_path / "r" / "images").exists())
    for _ in range(20):
        recorder.send_signal(signal.SIGINT)
        time.sleep(0.005)
    _, said = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, said
    process.runs_on()
    check_recording(tmp_path / "r")


def test_a_stopped_process_stays_stopped(busy: Starts, attach: Attach, tmp_path: Path) -> None:
    process = busy(8)
    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: all(status["State"][0] == "T" for status in process.statuses()))
    before = process.counters()
    recorder = attach(process.pid)
    wait_until(lambda: (tmp_path / "r" / "images").exists())
    wait_until(lambda: json.loads((tmp_path / "r" / "meta.json").read_text())["events"] != [])
    recorder.send_signal(signal.SIGTERM)
    _, said = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 0, said
    states = [(status["State"][0], status["TracerPid"]) for status in process.statuses()]
    assert states == [("T", "0")] * 9
    assert process.counters() == before
    text = (tmp_path / "r" / "calls.strace").read_text()
    assert text.count("--- stopped by SIGSTOP ---") == 9
    os.kill(process.pid, signal.SIGCONT)
    process.runs_on()


def test_an_exec_while_attaching(busy: Starts, attach: Attach, tmp_path: Path) -> None:
    """Another thread than the first makes an exec again and again: the others vanish each time."""
    process = busy(8, "exec")
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(3):
        recorder = attach(process.pid)
        try:
            recorder.wait(chance.uniform(0.2, 0.6))
        except subprocess.TimeoutExpired:
            recorder.send_signal(signal.SIGTERM)
        _, said = recorder.communicate(timeout=PATIENCE)
        assert recorder.returncode in (0, -signal.SIGTERM), said
        wait_until(process.is_free, lambda: str(process.statuses()))
        assert process.process.poll() is None
        if recorder.returncode == 0:
            check_recording(tmp_path / "r")


def test_a_recorder_that_is_killed_lets_go(busy: Starts, attach: Attach, tmp_path: Path) -> None:
    process = busy(64, "populate")
    recorder = attach(process.pid)
    wait_until(lambda: (tmp_path / "r" / "images").exists())
    recorder.kill()
    recorder.communicate(timeout=PATIENCE)
    wait_until(process.is_free, lambda: str(process.statuses()))
    process.runs_on()
    assert json.loads((tmp_path / "r" / "meta.json").read_text())["complete"] is False


def test_one_that_is_traced_already_is_left_alone(
    busy: Starts, attach: Attach, tmp_path: Path
) -> None:
    process = busy(4)
    first = attach(process.pid)
    wait_until(lambda: not process.is_free())
    wait_until(lambda: (tmp_path / "r" / "images").exists())
    second = attach(process.pid, "second")
    _, said = second.communicate(timeout=PATIENCE)
    assert second.returncode == 2
    assert said == f"vmalab: {process.pid}: it is traced already, by process {first.pid}\n"
    assert not (tmp_path / "second").exists()
    first.terminate()
    first.communicate(timeout=PATIENCE)
    process.runs_on()
