# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever goes wrong in the recorder ends the recording and not the program."""

import json
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.record.conftest import COMMAND, PATIENCE, Busy, wait_until

from vmalab.recording.format.recording import RecordingFiles

pytestmark = pytest.mark.usefixtures("traceable")

Run = Callable[..., subprocess.CompletedProcess[str]]
Attach = Callable[..., subprocess.Popen[str]]

# Threads, a child, a signal taken, some hundred memory calls, an exit status of its own.
PROGRAM = """
import mmap, os, signal, subprocess, sys, threading
taken = []
signal.signal(signal.SIGUSR1, lambda *unused: taken.append(1))
def work():
    for size in range(60):
        mmap.mmap(-1, 4096 * (size + 1)).close()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
os.kill(os.getpid(), signal.SIGUSR1)
child = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True)
for thread in threads: thread.join()
print(child.stdout.strip(), child.returncode, taken, flush=True)
sys.exit(7)
"""
PRINTED = "42 0 [1]\n"

# Records PROGRAM with a part that fails at its n-th use; tells of the end as an object.
DRIVER = """
import json, os, sys
from vmalab.recording.tracer.recorder import Recorder
from vmalab.recording.tracer.session import Parts, Session, choices_for
folder, part, count, error, program = sys.argv[1:]
left = int(count)
def fail():
    global left
    left -= 1
    if left < 0:
        raise eval(error)
def write(fd, raw):
    fail()
    return os.write(fd, raw[:4000])
class Failing(Recorder):
    def _stopped(self, task, number, event):
        if part == "before":
            fail()
        super()._stopped(task, number, event)
        if part == "after":
            fail()
parts = Parts(write, Recorder) if part == "write" else Parts(os.write, Failing)
choices = choices_for(steps=True, checkpoint=50, stacks=True)
session = Session(folder, choices, None, lambda text: print(text, file=sys.stderr), parts)
summary = session.launch([sys.executable, "-c", program])
print(json.dumps([summary.status, summary.cut, summary.lines]), file=sys.stderr)
"""
ERRORS = {
    "OSError(28, 'No space left on device')": "No space left on device",
    "OSError(24, 'Too many open files')": "Too many open files",
    "MemoryError()": "out of memory",
    "IndexError('list index')": "a defect of vmalab: IndexError: list index",
}


Check = Callable[[Path, int, str | None], None]


@pytest.fixture
def check_cut(vmalab_here: Run) -> Check:
    """Sees that a recording is there up to a whole line, and that a replay says it is cut short."""

    def check(folder: Path, lines: int, why: str | None) -> None:
        log = (folder / "calls.strace").read_bytes()
        assert log.count(b"\n") == lines
        assert log == b"" or log.endswith(b"\n")
        meta = json.loads((folder / "meta.json").read_text())
        assert meta["complete"] is False
        assert not list(folder.rglob("*.new"))
        recording = RecordingFiles(str(folder))
        events = recording.log()
        assert len(list(events)) >= 0
        assert events.unparsed == 0
        for image in recording.images.values():
            list(image.steps())
            list(image.faults())
            for line in image.checkpoints:
                assert image.checkpoint(line)
        if b" = " in log:
            done = vmalab_here("replay", folder)
            assert "the recording was cut short: " in done.stderr
            assert "a defect" not in done.stderr.replace(why or "a defect", "")
            assert done.returncode in (0, 1), done.stderr

    return check


# At each of these uses of each part, by each error in turn; those that are run in any case have
# each part and each error, early and late.
QUICK = ("write-0", "write-5", "write-150", "before-1", "before-20", "after-2", "after-400")
FAILURES = [
    pytest.param(
        part,
        count,
        list(ERRORS)[index % len(ERRORS)],
        id=f"{part}-{count}",
        marks=[] if f"{part}-{count}" in QUICK else [pytest.mark.slow],
    )
    for part in ("write", "before", "after")
    for index, count in enumerate((0, 1, 2, 5, 20, 60, 150, 400, 700))
]


@pytest.mark.parametrize(("part", "count", "error"), FAILURES)
def test_what_fails_does_not_fail_the_program(
    check_cut: Check, tmp_path: Path, part: str, count: int, error: str
) -> None:
    command = [sys.executable, "-c", DRIVER, "r", part, str(count), error, PROGRAM]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=PATIENCE
    )
    if part == "write" and count == 0:
        # Not even the folder could be made ready: the program is never started.
        assert done.stdout == ""
        return
    assert done.stdout == PRINTED, done.stderr
    said, told = done.stderr.splitlines()
    status, cut, lines = json.loads(told)
    assert (status, cut) == (7, ERRORS[error])
    assert said.startswith(f"r: {cut}; recording ended after {lines} lines")
    check_cut(tmp_path / "r", lines, cut)


def limited(which: int, value: int) -> Callable[[], None]:
    """Sets a soft limit in a new process."""
    hard = resource.getrlimit(which)[1]
    return lambda: resource.setrlimit(which, (value, hard))


def test_a_file_that_may_not_grow(check_cut: Check, tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "record", "--steps", "-o", "r", "--", sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=PATIENCE,
        preexec_fn=limited(resource.RLIMIT_FSIZE, 50_000),
    )
    assert (done.returncode, done.stdout) == (7, PRINTED)
    found = re.match(
        r"vmalab: r: File too large; recording ended after (\d+) lines, "
        r"the program goes on untraced\n",
        done.stderr,
    )
    assert found, done.stderr
    check_cut(tmp_path / "r", int(found.group(1)), None)


def test_too_many_open_files(check_cut: Check, tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8; do sleep 0.5 & done; wait; exit 5"
    done = subprocess.run(
        [*COMMAND, "record", "--steps", "-o", "r", "--", "sh", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=PATIENCE,
        preexec_fn=limited(resource.RLIMIT_NOFILE, 24),
    )
    assert done.returncode == 5, done.stderr
    found = re.match(
        r"vmalab: r: Too many open files; recording ended after (\d+) lines, "
        r"the program goes on untraced\n",
        done.stderr,
    )
    assert found, done.stderr
    check_cut(tmp_path / "r", int(found.group(1)), None)


# Records with so many descriptors more than it has when all is loaded.
FEW = """
import os, resource, sys
from vmalab.calls.errors import ReadError
from vmalab.recording.tracer.session import Session, choices_for
choices = choices_for(steps=False, checkpoint=0, stacks=False)
most = max(map(int, os.listdir("/proc/self/fd"))) + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
try:
    sys.exit(Session("r", choices).launch(["true"]).status)
except ReadError as error:
    print(error)
    sys.exit(2)
"""


@pytest.mark.parametrize("more", range(9))
def test_few_descriptors(tmp_path: Path, more: int) -> None:
    """Either the program runs, or there is a reason, and no folder."""
    done = subprocess.run(
        [sys.executable, "-c", FEW, str(more)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0 or "Too many open files" in done.stdout, done.stderr
    assert (tmp_path / "r").exists() == (done.returncode == 0)


FULL = """
mount -t tmpfs -o size=120k tmpfs disk || exit 99
"$@"
status=$?
cp -r disk/r r
exit $status
"""


def test_a_full_disk(check_cut: Check, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare to mount a small disk with")
    record = [*COMMAND, "record", "--steps", "-o", "disk/r", "--", sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", FULL, "sh", *record],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=PATIENCE,
    )
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip(f"a small disk takes root: {done.stderr}")
    assert (done.returncode, done.stdout) == (7, PRINTED), done.stderr
    found = re.match(
        r"vmalab: disk/r: No space left on device; recording ended after (\d+) lines", done.stderr
    )
    assert found, done.stderr
    check_cut(tmp_path / "r", int(found.group(1)), None)


def test_a_folder_that_is_deleted(
    busy: Callable[..., Busy], attach: Attach, tmp_path: Path
) -> None:
    process = busy(4)
    recorder = attach(process.pid)
    wait_until(lambda: (tmp_path / "r" / "images").exists())
    wait_until(lambda: (tmp_path / "r" / "calls.strace").stat().st_size > 0)

    def deleted() -> bool:
        # The recorder may put a file into it at the very moment.
        shutil.rmtree(tmp_path / "r", ignore_errors=True)
        return not (tmp_path / "r").exists()

    wait_until(deleted)
    _, said = recorder.communicate(timeout=PATIENCE)
    assert recorder.returncode == 1
    assert "lines, the process goes on untraced\n" in said
    wait_until(process.is_free)
    process.runs_on()


def test_signals_reach_a_program_that_is_no_longer_recorded(tmp_path: Path) -> None:
    """SIGTERM to the recorder goes on to the program, and its end is the recorder's."""
    script = "trap 'echo taken; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    recorder = subprocess.Popen(
        [*COMMAND, "record", "--steps", "-o", "r", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        preexec_fn=limited(resource.RLIMIT_FSIZE, 20_000),
    )
    assert recorder.stderr is not None
    assert "the program goes on untraced" in recorder.stderr.readline()
    recorder.send_signal(signal.SIGTERM)
    output, _ = recorder.communicate(timeout=PATIENCE)
    assert (recorder.returncode, output) == (3, "ready\ntaken\n")


def test_a_program_outlives_a_recorder_that_is_killed(check_cut: Check, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM + "\n")
    script = f"sleep 1; {sys.executable} program.py > out; echo $? > status"
    recorder = subprocess.Popen(
        [*COMMAND, "record", "--tracer", "ptrace", "-o", "r", "--", "sh", "-c", script],
        cwd=tmp_path,
    )
    wait_until(lambda: (tmp_path / "r" / "calls.strace").exists())
    wait_until(lambda: (tmp_path / "r" / "calls.strace").stat().st_size > 0)
    recorder.kill()
    recorder.wait()
    status = tmp_path / "status"
    wait_until(lambda: status.exists() and status.read_text() == "7\n")
    assert (tmp_path / "out").read_text() == PRINTED
    check_cut(tmp_path / "r", (tmp_path / "r" / "calls.strace").read_bytes().count(b"\n"), None)
