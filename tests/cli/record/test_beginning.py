# SPDX-License-Identifier: GPL-2.0-or-later
"""How recordings begin: of programs that cannot, of what may not be traced, told to end early."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.tracer.proc_files import is_kernel_thread
from vmalab.replay.report import ReplayReport

Run = Callable[..., subprocess.CompletedProcess[str]]
Replayed = Callable[[Path], ReplayReport]

pytestmark = pytest.mark.usefixtures("traceable")


@pytest.mark.parametrize(
    ("text", "status"),
    [("no program", 126), ("#!/there/is/no/such/interpreter\n", 127)],
    ids=["no-format", "no-interpreter"],
)
def test_a_program_that_does_not_begin_leaves_no_recording(
    record: Run, tmp_path: Path, text: str, status: int
) -> None:
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(0o755)
    done = record("--", "./program")
    assert done.returncode == status
    assert "vmalab: r: nothing is recorded: the program has not begun\n" in done.stderr
    assert os.listdir(tmp_path) == ["program"]


def test_folders_around_a_recording_are_made_and_go_again(record: Run, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert record("-o", "a/b/c", "--", "true").returncode == 0
    assert (tmp_path / "a" / "b" / "c" / "meta.json").exists()
    assert record("-o", "a/d/e", "--", "./missing").returncode == 2
    assert os.listdir(tmp_path / "a") == ["b"]


def test_a_thread_of_the_kernel_makes_no_calls(record: Run, tmp_path: Path) -> None:
    kernels = [pid for pid in os.listdir("/proc") if pid.isdecimal() and is_kernel_thread(int(pid))]
    if not kernels:
        pytest.skip("no thread of the kernel can be seen here")
    done = record("-p", kernels[0])
    assert done.returncode == 2
    assert (
        done.stderr == f"vmalab: {kernels[0]}: it is a thread of the kernel, which makes no calls\n"
    )
    assert os.listdir(tmp_path) == []


# Runs vmalab, which has SIGTERM as soon as it loads its tracer.
TERMINATED_EARLY = """
import os, signal, sys

class Terminates:
    def find_spec(self, name, path=None, target=None):
        if name == "vmalab.recording.tracer.session":
            os.kill(os.getpid(), signal.SIGTERM)

sys.meta_path.insert(0, Terminates())
from vmalab.cli.main import main
main()
"""


def test_a_signal_before_the_first_look_ends_the_recording_after_it(
    tmp_path: Path, replayed: Replayed
) -> None:
    program = subprocess.Popen(["sleep", "600"])
    words = ("record", "--tracer", "ptrace", "-o", "r", "-p", str(program.pid))
    try:
        done = subprocess.run(
            [sys.executable, "-c", TERMINATED_EARLY, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()
    report = replayed(tmp_path / "r")
    assert len(report.images) == 1
    assert report.total.final_identical is True
