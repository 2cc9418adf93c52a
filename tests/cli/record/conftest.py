# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of the recorder share: programs recorded by the command, and replayed."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.record.blamed import Program

from vmalab.recording.events.source import CannotWatch, Source
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.opening import open_recording
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

Run = Callable[..., subprocess.CompletedProcess[str]]

COMMAND = [sys.executable, "-m", "vmalab.cli.main"]


@pytest.fixture(scope="session")
def traceable(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips where processes may not be traced."""
    folder = tmp_path_factory.mktemp("probe") / "r"
    done = subprocess.run(
        [*COMMAND, "record", "--tracer", "ptrace", "-o", str(folder), "--", "true"],
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"tracing does not work here: {done.stderr.decode()}")


@pytest.fixture
def record(traceable: None, tmp_path: Path) -> Run:
    """Records a program into the folder `r`."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, "record", "--tracer", "ptrace", "-o", "r", *args],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def program(record: Run, tmp_path: Path) -> Program:
    return Program(record, tmp_path)


@pytest.fixture
def replayed() -> Callable[[Path], ReplayReport]:
    return replay_all


def replay_all(folder: Path) -> ReplayReport:
    """The report of a recording, which must be without differences."""
    report = Replay(RecordingFiles(str(folder)), Options()).run()
    assert [found.call for found in report.differences] == []
    assert report.unparsed == 0
    return report


# Seconds that anything may take which must happen, however slow the machine is.
PATIENCE = 120


class Busy:
    """A process of `busy.c`: threads that map and unmap, each with a counter in a file.

    nice: how much it stands back; all its threads together are as one other process by default.
    """

    def __init__(self, program: Path, file: Path, threads: int, extra: str, nice: int) -> None:
        command = ["nice", f"-n{nice}", str(program), str(file), str(threads), extra]
        self.threads = threads
        self._file = file
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            assert self.process.wait() == 77
            pytest.skip("no userfaultfd for this user")

    def statuses(self) -> list[dict[str, str]]:
        """/proc/PID/task/*/status of all threads that are there."""
        found = []
        for folder in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                text = (folder / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            found.append(dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line))
        return found

    def is_free(self) -> bool:
        """No thread is traced, or stopped."""
        return all(
            status["TracerPid"] == "0" and status["State"][0] not in "tT"
            for status in self.statuses()
        )

    def counters(self) -> list[int]:
        raw = self._file.read_bytes()[8 : 8 + 8 * self.threads]
        return [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw), 8)]

    def runs_on(self) -> None:
        """Waits until every thread has made progress."""
        before = self.counters()
        wait_until(
            lambda: all(now > old for now, old in zip(self.counters(), before, strict=True)),
            lambda: f"{self.process.poll()} {[s['State'] for s in self.statuses()]}",
        )


def wait_until(
    holds: Callable[[], bool], story: Callable[[], str] = str, limit: float = PATIENCE
) -> float:
    """Waits until something is so: the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < limit, story()
        time.sleep(0.005)
    return time.monotonic() - began


@pytest.fixture(scope="session")
def busy_program(traceable: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`busy.c`, built; skips without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc)")
    program = tmp_path_factory.mktemp("busy") / "busy"
    source = Path(__file__).with_name("busy.c")
    subprocess.run([compiler, "-O1", "-w", "-pthread", "-o", program, source], check=True)
    return program


@pytest.fixture
def busy(busy_program: Path, tmp_path: Path) -> Iterator[Callable[..., Busy]]:
    """Starts processes of `busy.c`, and sees to it that none outlives its test."""
    running: list[Busy] = []

    def start(threads: int, extra: str = "", nice: int = 19) -> Busy:
        file = tmp_path / f"counters-{len(running)}"
        running.append(Busy(busy_program, file, threads, extra, nice))
        return running[-1]

    yield start
    for one in running:
        one.process.kill()
        one.process.communicate()


def heed_signals() -> None:
    """What started the tests may have had some of them ignored, as nohup and a shell's `&` do."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def attach(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts recorders of a running process, into a new folder; ends those that are left."""
    running: list[subprocess.Popen[str]] = []

    def start(pid: int, folder: str = "r") -> subprocess.Popen[str]:
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
        command = [
            *COMMAND,
            "record",
            "--tracer",
            "ptrace",
            "-o",
            str(tmp_path / folder),
            "-p",
            str(pid),
        ]
        running.append(
            subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed_signals)
        )
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.communicate()


@pytest.fixture(scope="session")
def watchable() -> None:
    """Skips where the kernel's events may not be recorded."""
    try:
        Source().close()
    except CannotWatch as error:
        pytest.skip(f"recording by events does not work here: {error}")


@pytest.fixture
def fly(watchable: None, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Records by events into the folder `r`."""

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, "record", "--tracer", "events", "-o", "r", *args],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in done.stderr
        assert "instead" not in done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def churn(watchable: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`churn.c`, built; skips without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc)")
    program = tmp_path_factory.mktemp("churn") / "churn"
    source = Path(__file__).with_name("churn.c")
    subprocess.run([compiler, "-O1", "-w", "-pthread", "-o", program, source], check=True)
    return program


@pytest.fixture
def watch(watchable: None, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts recorders of a running process, into the folder `r`; ends those that are left."""
    running: list[subprocess.Popen[str]] = []

    def start(pid: int, *args: str) -> subprocess.Popen[str]:
        shutil.rmtree(tmp_path / "r", ignore_errors=True)
        command = [*COMMAND, "record", "--tracer", "events", "-o", str(tmp_path / "r"), *args]
        running.append(
            subprocess.Popen(
                [*command, "-p", str(pid)],
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=heed_signals,
            )
        )
        return running[-1]

    yield start
    for one in running:
        one.kill()
        one.communicate()


def exact(folder: Path) -> ReplayReport:
    """The report of a recording in which nothing differs and nothing was adopted."""
    report = Replay(open_recording(str(folder)), Options()).run()
    assert [found.call for found in report.differences] == []
    assert report.total.adopted_reasons == {}
    assert report.unparsed == 0
    return report


def size_of_events(folder: Path) -> int:
    try:
        return (folder / "events.raw").stat().st_size
    except FileNotFoundError:
        return 0
