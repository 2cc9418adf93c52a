# SPDX-License-Identifier: GPL-2.0-or-later
"""A recorded program behaves as it would alone: what it prints, and how it ends."""

import ctypes
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vmalab.replay.report import ReplayReport

Run = Callable[..., subprocess.CompletedProcess[str]]
Replayed = Callable[[Path], ReplayReport]

COMMAND = [sys.executable, "-m", "vmalab.cli.main"]
PR_CAPBSET_DROP = 24
PROGRAMS = Path(__file__).parents[2] / "data" / "alone"
# The line that `record` adds to a program's own messages.
SUMMARY = re.compile(r"vmalab: .*\n\Z")


def built(tmp_path: Path, name: str, *flags: str) -> Path:
    """A program of the folder; skips without a compiler, or where it cannot build that one."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc)")
    program = tmp_path / name
    command = [compiler, "-w", "-O1", "-pthread", *flags, "-o", str(program)]
    done = subprocess.run(
        [*command, str(PROGRAMS / f"{name}.c")], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cc cannot build {name}.c: {done.stderr[:200]}")
    return program


def alone(tmp_path: Path, command: list[str]) -> tuple[int, str, str]:
    """The exit status as a shell has it, and both outputs, of a program that is not recorded."""
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120
    )
    status = done.returncode
    return (128 - status if status < 0 else status), done.stdout, done.stderr


def recorded(record: Run, command: list[str]) -> tuple[int, str, str]:
    """The same of one that is recorded, without the recorder's own line."""
    done = record("--", *command)
    assert SUMMARY.search(done.stderr)
    return done.returncode, done.stdout, SUMMARY.sub("", done.stderr)


CASES = {
    "children": [],
    "parents": [],
    "pidfd": [],
    "sleeps": [],
    "state": ["one", "two"],
    "tracers": [],
    "traps": [],
    "untraced": [],
}


@pytest.mark.parametrize("name", CASES)
def test_a_program_notices_nothing(
    record: Run, tmp_path: Path, replayed: Replayed, name: str
) -> None:
    command = [str(built(tmp_path, name)), *CASES[name]]
    with ThreadPoolExecutor(1) as beside:
        # One of them sleeps for seconds.
        expected = beside.submit(alone, tmp_path, command)
        found = recorded(record, command)
    assert expected.result()[1]
    assert found == expected.result()
    assert replayed(tmp_path / "r").total.final_identical is True


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_processes_are_killed_at_any_moment(record: Run, tmp_path: Path, seed: int) -> None:
    """The recorder neither waits for ever nor keeps anybody from being waited for."""
    command = [str(built(tmp_path, "storm")), str(seed), "12"]
    assert recorded(record, command) == (0, "wrong 0\n", "")


@pytest.mark.parametrize("way", ["strict", "kill", "trap", "trace", "errno", "notify"])
def test_seccomp_confines(record: Run, tmp_path: Path, way: str) -> None:
    command = [str(built(tmp_path, "seccomp")), way]
    expected = alone(tmp_path, command)
    assert "not confined" not in expected[1]
    assert expected[0] == {"strict": 137, "kill": 159, "notify": 3}.get(way, 4)
    assert recorded(record, command) == expected


@pytest.mark.parametrize("way", ["kill", "trap"])
def test_what_seccomp_has_refused_did_not_happen(
    record: Run, tmp_path: Path, replayed: Replayed, way: str
) -> None:
    recorded(record, [str(built(tmp_path, "seccomp")), way])
    assert "strace: refused by seccomp: mprotect(" in (tmp_path / "r/calls.strace").read_text()
    assert replayed(tmp_path / "r").total.final_identical is True


def test_a_leak_check(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    """It attaches to the threads of its own process, which ends their recording."""
    command = [str(built(tmp_path, "leaks", "-fsanitize=address"))]
    expected = alone(tmp_path, command)
    if expected != (0, "", ""):
        pytest.skip(f"the leak check does not work here: {expected[2][:200]}")
    assert recorded(record, command) == expected
    assert "strace: Process " in (tmp_path / "r" / "calls.strace").read_text()
    assert replayed(tmp_path / "r").total.final_identical is True


def test_a_closed_standard_input(record: Run, tmp_path: Path) -> None:
    program = built(tmp_path, "state")
    command = ["sh", "-c", f"exec {program} <&-"]
    expected = alone(tmp_path, command)
    assert expected[0] == 49, "EBADF"
    assert recorded(record, command) == expected


def test_a_program_by_its_signal_in_a_shell(record: Run, tmp_path: Path) -> None:
    script = 'sh -c "kill -SEGV \\$\\$"; echo $?; sh -c "kill -KILL \\$\\$"; echo $?; kill -INT $$'
    command = ["sh", "-c", script]
    expected = alone(tmp_path, command)
    assert expected[:2] == (130, "139\n137\n")
    assert recorded(record, command) == expected


def test_children_are_waited_for_by_whom_they_belong_to(record: Run, tmp_path: Path) -> None:
    """A shell with jobs: what ends in the background is there for `wait`, in its order."""
    script = "for i in 1 2 3 4 5 6; do (exit $i) & done; wait; (exit 7) & wait $!; echo $?"
    assert recorded(record, ["sh", "-c", script]) == alone(tmp_path, ["sh", "-c", script])


def test_a_tracer_of_everything(record: Run, tmp_path: Path) -> None:
    tracer = shutil.which("strace")
    if tracer is None:
        pytest.skip("there is no strace to be recorded")
    command = [tracer, "-f", "-o", "log", "-e", "trace=execve", "sh", "-c", "ls / >&2; exit 3"]
    expected = alone(tmp_path, command)
    if expected[0] != 3:
        pytest.skip(f"strace does not work here: {expected[2][:200]}")
    os.unlink(tmp_path / "log")
    assert recorded(record, command) == expected
    assert (tmp_path / "log").read_text().count("execve(") >= 2


def test_sleeping_calls_when_a_recorder_comes_and_goes(traceable: None, tmp_path: Path) -> None:
    """Each sleeps its time out, though all threads are stopped twice meanwhile."""
    program = built(tmp_path, "sleeps")
    with subprocess.Popen([str(program), "8000"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        snapshot = [*COMMAND, "snapshot", "-o", str(tmp_path / "s"), str(process.pid)]
        done = subprocess.run(snapshot, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        recording = [
            *COMMAND,
            "record",
            "--tracer",
            "ptrace",
            "-o",
            str(tmp_path / "r"),
            "-p",
            str(process.pid),
        ]
        with subprocess.Popen(recording, stderr=subprocess.PIPE) as recorder:
            meta = tmp_path / "r" / "meta.json"
            while not meta.exists() or '"attach"' not in meta.read_text():
                assert recorder.poll() is None
            recorder.send_signal(signal.SIGINT)
            assert recorder.wait(60) == 0
        output, _ = process.communicate(timeout=60)
    assert output.splitlines() == [
        "nanosleep: 0 0",
        "poll: 0 0",
        "select: 0 0",
        "epoll_wait: 0 0",
        f"semtimedop: -1 {errno.EAGAIN}",
        f"recv: -1 {errno.EAGAIN}",
        f"sigtimedwait: -1 {errno.EAGAIN}",
    ]


def without_rights(*names: str) -> Callable[[], None]:
    """For a child: root, but without these capabilities, whatever it executes."""
    numbers = {"CAP_SETUID": 7, "CAP_SYS_PTRACE": 19}

    def drop() -> None:
        libc = ctypes.CDLL(None)
        for name in names:
            assert libc.prctl(PR_CAPBSET_DROP, numbers[name], 0, 0, 0) == 0

    return drop


@pytest.mark.skipif(os.geteuid() != 0, reason="a program of another user's takes root to make")
def test_a_program_with_rights_of_its_own_has_them(traceable: None, tmp_path: Path) -> None:
    """The recorder may not trace everything: so it lets go of what would lose its rights."""
    tmp_path.chmod(0o755)
    whose = shutil.copy(shutil.which("id") or "id", tmp_path / "whose")
    os.chown(whose, 65534, 65534)
    os.chmod(whose, 0o4755)
    script = "./whose -u; echo $?; ./whose -ru & wait; echo done"
    drop = without_rights("CAP_SETUID", "CAP_SYS_PTRACE")
    outputs = []
    for command in (
        ["sh", "-c", script],
        [*COMMAND, "record", "--tracer", "ptrace", "-o", "r", "--", "sh", "-c", script],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, check=False, preexec_fn=drop
        )
        outputs.append((done.returncode, done.stdout))
    if outputs[0][1].startswith("0\n"):
        pytest.skip("a set-user-ID program has no rights here, not even alone")
    assert outputs[0] == (0, "65534\n0\n0\ndone\n")
    assert outputs[1] == outputs[0]
    assert (tmp_path / "r" / "calls.strace").read_text().count("strace: Process ") == 2
