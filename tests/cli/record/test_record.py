# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab record` on real programs: replayed, nothing differs, and the programs notice nothing."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.tracer.probe import can_probe
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.targets.real.programs.chosen import exercise
from vmalab.targets.real.target_errors import TargetError

Run = Callable[..., subprocess.CompletedProcess[str]]
Replayed = Callable[[Path], ReplayReport]

COMMAND = [sys.executable, "-m", "vmalab.cli.main"]
pytestmark = pytest.mark.usefixtures("traceable")

THREADS = """
import threading, subprocess, sys
def work(n):
    kept = [bytearray(300000 + 1000 * i) for i in range(n)]
threads = [threading.Thread(target=work, args=(20,)) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True).stdout)
"""

# A shell's own stack grows by each function that it calls within another.
NESTED = "deeper() { if [ $1 -gt 0 ]; then deeper $(($1 - 1)); fi; }; deeper 500; echo out again"


@pytest.mark.parametrize("options", [[], ["--steps"]], ids=["plain", "steps"])
def test_threads_and_a_child(
    record: Run, tmp_path: Path, options: list[str], replayed: Replayed
) -> None:
    done = record(*options, "--", sys.executable, "-c", THREADS)
    assert done.stdout == "b'42\\n'\n"
    report = replayed(tmp_path / "r")
    assert report.total.differ == 0
    assert report.total.final_identical is True
    assert report.total.counters == report.total.counters_identical == 1
    assert len(report.images) == 2
    assert report.total.steps == report.total.steps_identical
    assert (report.total.steps > 100) == bool(options)
    if can_probe():
        assert report.total.adopted == 0


def test_a_pipeline(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    done = record("--steps", "--", "sh", "-c", "ls / | sort | wc -l; exit 5")
    assert done.returncode == 5
    assert int(done.stdout) > 3
    report = replayed(tmp_path / "r")
    assert report.total.final_identical is True
    assert len(report.images) >= 6


PASSED = """
import mmap, os, socket
one, other = socket.socketpair()
if os.fork():
    files = [os.memfd_create("passed"), os.open("/etc/passwd", os.O_RDONLY)]
    os.ftruncate(files[0], 8192)
    socket.send_fds(one, [b"x"], files)
    here = mmap.mmap(files[0], 8192)
    here[0] = 7
    one.recv(1)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
else:
    _, files, _, _ = socket.recv_fds(other, 1, 2)
    there = mmap.mmap(files[0], 4096)
    shown = mmap.mmap(files[1], 0, prot=mmap.PROT_READ)
    other.send(b"y")
    os._exit(5)
"""


def test_files_that_come_over_a_socket(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    """The log does not show their opening; the notes at their mappings tell what they are."""
    assert record("--", sys.executable, "-c", PASSED).stdout == "5\n"
    report = replayed(tmp_path / "r")
    assert report.total.final_identical is True
    assert "unseen fd" not in report.total.adopted_reasons
    text = (tmp_path / "r" / "calls.strace").read_text()
    assert text.count("</memfd:passed (deleted)<00:01 ") == 2


@pytest.mark.skipif(not can_probe(), reason="the kernel cannot tell what was written to")
def test_a_program_that_does_what_programs_do(
    record: Run, tmp_path: Path, replayed: Replayed
) -> None:
    """It also lets go of a userfaultfd, which joins memory that it has written to meanwhile."""
    try:
        program = exercise(static=True)
    except TargetError as error:
        pytest.skip(str(error))
    assert record("--steps", "--", program).returncode == 0
    report = replayed(tmp_path / "r")
    assert report.total.steps == report.total.steps_identical > 200
    assert "close(" in (tmp_path / "r" / "calls.strace").read_text()
    assert set(report.total.adopted_reasons) <= {"random place"}


@pytest.mark.skipif(not can_probe(), reason="the kernel cannot tell what was written to")
def test_a_stack_that_faults_let_grow(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    """Without what the recorder saw of faults, the last map could not be predicted."""
    assert record("--", "sh", "-c", NESTED).stdout == "out again\n"
    report = replayed(tmp_path / "r")
    assert report.total.final_identical is True
    for facts in (tmp_path / "r").rglob("faults.txt"):
        facts.unlink()
    blind = Replay(RecordingFiles(str(tmp_path / "r")), Options()).run()
    assert blind.total.final_identical is False


def test_checkpoints(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    record("--checkpoint", "50", "--", sys.executable, "-c", "import json")
    report = replayed(tmp_path / "r")
    assert report.total.checkpoints >= 3
    assert report.total.checkpoints_identical == report.total.checkpoints


def test_stacks(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    record("-k", "--steps", "--", sys.executable, "-c", "import json")
    text = (tmp_path / "r" / "calls.strace").read_text()
    frames = [line for line in text.splitlines() if line.startswith(" > /")]
    assert len(frames) > 100
    report = replayed(tmp_path / "r")
    assert report.total.steps == report.total.steps_identical > 20
    for call in RecordingFiles(str(tmp_path / "r")).log():
        if getattr(call, "name", "") == "munmap":
            assert getattr(call, "stack", None)


def test_the_summary(record: Run, tmp_path: Path) -> None:
    done = record("--json", "--", "true")
    summary = json.loads(done.stderr)
    lines = (tmp_path / "r" / "calls.strace").read_bytes().count(b"\n")
    assert summary["lines"] == lines
    assert summary["images"] == 1
    assert summary["exit_status"] == 0
    meta = json.loads((tmp_path / "r" / "meta.json").read_text())
    assert meta["command"] == ["true"]
    assert meta["main_image"] in meta["images"]
    assert meta["kernel"]["release"] == os.uname().release


def test_a_signal_ends_the_program(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    done = record("--", "sh", "-c", "kill -USR1 $$")
    assert done.returncode == 128 + signal.SIGUSR1
    lines = (tmp_path / "r" / "calls.strace").read_text().splitlines()
    assert lines[-1].endswith("+++ killed by SIGUSR1 +++")
    assert replayed(tmp_path / "r").total.final_identical is True


def test_no_such_program(record: Run, tmp_path: Path) -> None:
    done = record("--", "no-such-program-here")
    assert done.returncode == 2
    assert done.stderr == "vmalab: no-such-program-here: no such program\n"
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [("folder", "a directory, no program"), ("text", "cannot be run: Permission denied")],
)
def test_what_is_no_program_is_called_what_it_is(
    record: Run, tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("true\n")
    done = record("--", str(tmp_path / name))
    assert done.returncode == 2
    assert done.stderr == f"vmalab: {tmp_path / name}: {why}\n"


def test_the_name_of_a_recording_does_not_steer_a_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    words = [*COMMAND, "record", "-o", "r\x1b[31m\n\x07", "--", "true"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=follower) as program:
        os.close(follower)
        shown = b""
        with suppress(OSError):
            while part := os.read(leader, 4096):
                shown += part
    os.close(leader)
    assert program.returncode == 0
    assert b"r\\x1b[31m\\x0a\\x07: " in shown
    assert b"\x1b[31m" not in shown


def test_a_program_that_cannot_be_run(record: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x7fELF and no more")
    bad.chmod(0o755)
    done = record("--", str(bad))
    assert done.returncode == 126
    assert "Exec format error" in done.stderr


def test_a_recording_is_not_overwritten(record: Run) -> None:
    record("--", "true")
    done = record("--", "true")
    assert done.returncode == 2
    assert "not empty" in done.stderr


def test_what_is_asked_must_be_one_thing(record: Run) -> None:
    assert record().returncode == 2
    assert record("-p", str(os.getpid()), "--", "true").returncode == 2


# Seconds that any one step may take on a busy machine.
PATIENCE = 300

# Runs until its input ends, so that a test says when, however slow the machine is.
BUSY = """
import select, sys, threading, mmap, time
file = open(sys.executable, "rb")
def work():
    while True:
        kept = [bytearray(400000) for _ in range(5)]
        time.sleep(0.001)
threading.Thread(target=work, daemon=True).start()
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ).close()
    time.sleep(0.001)
print("done", flush=True)
"""


Starts = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Starts]:
    """Starts processes, and sees to it that none outlives its test."""
    running: list[subprocess.Popen[str]] = []

    def started(*command: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield started
    for process in running:
        process.kill()
        process.communicate()


def busy(start: Starts) -> subprocess.Popen[str]:
    """A process with two threads that maps and unmaps until its input is closed."""
    process = start(sys.executable, "-c", BUSY)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def lines_of(folder: Path) -> int:
    log = folder / "calls.strace"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def wait_for_lines(folder: Path, count: int) -> None:
    """Waits until a log has so many lines."""
    end = time.monotonic() + PATIENCE
    while lines_of(folder) < count:
        assert time.monotonic() < end, "no progress"
        time.sleep(0.02)


@pytest.mark.parametrize("options", [[], ["--steps"]], ids=["plain", "steps"])
def test_a_running_process(
    start: Starts, tmp_path: Path, options: list[str], replayed: Replayed
) -> None:
    folder = tmp_path / "r"
    process = busy(start)
    recorder = start(
        *COMMAND, "record", "--tracer", "ptrace", "-o", folder, *options, "-p", str(process.pid)
    )
    wait_for_lines(folder, 150)
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait(PATIENCE) == 0
    assert process.poll() is None
    report = replayed(folder)
    assert report.total.memory_calls > 20
    assert report.total.final_identical is True
    if can_probe():
        assert report.total.adopted == 0


def test_a_recorder_that_is_killed_leaves_what_it_had(
    start: Starts, tmp_path: Path, replayed: Replayed
) -> None:
    folder = tmp_path / "r"
    recorder = start(
        *COMMAND, "record", "--tracer", "ptrace", "-o", folder, "--", sys.executable, "-c", BUSY
    )
    wait_for_lines(folder, 400)
    recorder.kill()
    recorder.wait()
    # The program goes on: it is not to outlive the test.
    os.kill(int((folder / "calls.strace").read_text().split()[0]), signal.SIGKILL)
    report = replayed(folder)
    assert report.total.memory_calls > 150
    assert report.total.final_identical is None
    assert report.notes == ["the recording was cut short: the recorder was killed, or still runs"]


def test_an_attached_recorder_that_is_killed_harms_nobody(
    start: Starts, tmp_path: Path, replayed: Replayed
) -> None:
    folder = tmp_path / "r"
    process = busy(start)
    recorder = start(*COMMAND, "record", "--tracer", "ptrace", "-o", folder, "-p", str(process.pid))
    wait_for_lines(folder, 20)
    recorder.kill()
    recorder.wait()
    output, _ = process.communicate(timeout=PATIENCE)
    assert output == "done\n"
    assert process.returncode == 0
    replayed(folder)


def test_a_recorder_that_is_to_end_ends_the_program(
    start: Starts, tmp_path: Path, replayed: Replayed
) -> None:
    folder = tmp_path / "r"
    recorder = start(
        *COMMAND, "record", "--tracer", "ptrace", "-o", folder, "--", sys.executable, "-c", BUSY
    )
    wait_for_lines(folder, 400)
    recorder.terminate()
    assert recorder.wait(PATIENCE) == 128 + signal.SIGTERM
    assert replayed(folder).total.final_identical is True


def test_a_snapshot(start: Starts, tmp_path: Path) -> None:
    process = busy(start)
    done = subprocess.run(
        [*COMMAND, "snapshot", "--json", "-o", str(tmp_path / "s"), str(process.pid)],
        capture_output=True,
        text=True,
        check=True,
    )
    output, _ = process.communicate(timeout=PATIENCE)
    assert output == "done\n"
    taken = json.loads(done.stdout)
    recording = RecordingFiles(str(tmp_path / "s"))
    image = recording.image(taken["image"])
    assert image is not None
    lines = [line for line in image.initial() or [] if line.name != "[vsyscall]"]
    assert len(lines) == taken["vmas"]
    assert [line for line in lines if line.name == "[stack]"]
    threads = [event.event for event in recording.meta.events]
    assert threads == ["attach", "thread"]


def test_a_process_that_is_not_there(tmp_path: Path) -> None:
    limit = Path("/proc/sys/kernel/pid_max").read_text().strip()
    done = subprocess.run(
        [*COMMAND, "snapshot", "-o", str(tmp_path / "s"), limit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"vmalab: {limit}: no such process\n"
    assert not (tmp_path / "s").exists()
