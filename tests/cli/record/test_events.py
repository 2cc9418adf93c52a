# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings by the kernel's events: what they hold, and what a program notices of them.

They need CAP_BPF, CAP_PERFMON and Linux 6.7; the tests skip without, and say which was missing.
"""

import ctypes
import json
import mmap
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.record.conftest import COMMAND, Busy, exact, size_of_events, wait_until
from tests.cli.record.test_alone import CASES, SUMMARY, alone, built

from vmalab.recording.events.bpf import system
from vmalab.recording.events.source import Source
from vmalab.recording.tracer.mounts import of_device

LIBC = ctypes.CDLL(None)
PR_CAPBSET_DROP = 24
CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 21, 38, 39


# What is recorded.


def test_threads_have_the_order_that_the_kernel_gave_them(
    fly: Callable[..., subprocess.CompletedProcess[str]], churn: Path, tmp_path: Path
) -> None:
    done = fly("--", str(churn), "400", "8")
    assert done.returncode == 0
    report = exact(tmp_path / "r")
    assert report.total.memory_calls > 2000
    assert report.total.final_identical is True
    assert report.total.programs == report.total.programs_identical == 1
    assert report.total.counters == report.total.counters_identical == 1
    assert not (tmp_path / "r" / "events.raw").exists()


def test_only_the_first_pages_of_a_mapping_are_noted(
    fly: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    script = """
import mmap
for _ in range(2):
    with mmap.mmap(-1, 4096 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as m:
        m.madvise(mmap.MADV_NOHUGEPAGE)
        for at in range(0, len(m), mmap.PAGESIZE):
            m[at] = 1
        m.flush(0, len(m))
"""
    assert fly("--", sys.executable, "-c", script).returncode == 0
    exact(tmp_path / "r")
    (folder,) = (tmp_path / "r" / "images").iterdir()
    # Each mapping by itself has 4096 pages; the first ones of each are there.
    faults = [line.split() for line in (folder / "faults.txt").read_text().splitlines()]
    assert sum(len(words) - 2 for words in faults if words[1] == "pages") < 4096
    log = (tmp_path / "r" / "calls.strace").read_text().splitlines()
    flushes = [at for at, line in enumerate(log) if "msync(" in line]
    assert len(flushes) == 2
    noted = [words for words in faults if int(words[0][1:]) in flushes]
    assert len(noted) == 2


def test_files_have_the_paths_that_the_kernel_prints(
    fly: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    for name in ("gone", "near"):
        (tmp_path / name).write_bytes(bytes(mmap.PAGESIZE))
    script = """
import lzma, mmap, os
memory = os.memfd_create("a memory")
os.ftruncate(memory, mmap.PAGESIZE)
gone = os.open("{gone}", os.O_RDONLY)
os.unlink("{gone}")
near = os.open("near", os.O_RDONLY)
kept = [mmap.mmap(fd, 0, prot=mmap.PROT_READ) for fd in (memory, gone, near)]
print(open("/proc/self/maps").read(), flush=True)
os._exit(0)
""".replace("{gone}", str(tmp_path / "gone"))
    done = fly("--", sys.executable, "-c", script)
    (folder,) = (tmp_path / "r" / "images").iterdir()
    of_file = re.compile(r"^[0-9a-f]+-.* (\S+:\S+ [1-9]\d* +/.*)$", re.M)
    recorded = of_file.findall((folder / "final.smaps").read_text())
    printed = of_file.findall(done.stdout)
    assert sum("(deleted)" in line for line in printed) == 2
    assert any("lzma" in line for line in printed)
    assert any("near" in line for line in printed)
    # With its size and file system, as by ptrace.
    note = re.search(
        r"/near<(\S+) \d+ \d+ (\d+) (\S+)>>", (tmp_path / "r/calls.strace").read_text()
    )
    assert note is not None
    assert (int(note[2]), note[3]) == (mmap.PAGESIZE, of_device("self", note[1]))
    known = json.loads((tmp_path / "r" / "meta.json").read_text())["filesystems"]
    assert known
    assert known == {dev: of_device("self", dev) for dev in known}
    assert [" ".join(line.split()) for line in recorded] == [
        " ".join(line.split()) for line in printed
    ]


def test_children_and_their_programs_are_followed(
    fly: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    script = "import os, subprocess; os.fork() or subprocess.run(['cat', '/dev/null']); print(6)"
    assert fly("--", sys.executable, "-c", script).returncode == 0
    report = exact(tmp_path / "r")
    names = sorted(name.partition(".")[2] for name in report.images)
    assert names == ["0", "1", "1"] or names == ["0", "0", "1", "1"]
    assert all(image.figures.final_identical for image in report.images.values())


def test_a_thread_that_has_ended_is_forgotten(watchable: None) -> None:
    # The kernel clears the place of the thread's number (218: set_tid_address) when it has ended,
    # which here is a page that is not there.
    script = (
        "import ctypes, mmap, os, sys, threading; sys.stdin.readline(); kept = []\n"
        "def work():\n"
        "    kept.append(mmap.mmap(-1, 4096))\n"
        "    at = ctypes.addressof(ctypes.c_char.from_buffer(kept[-1]))\n"
        "    ctypes.CDLL(None).syscall(218, ctypes.c_ulong(at))\n"
        "for _ in range(5):\n"
        "    thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "while len(os.listdir('/proc/self/task')) > 1: pass\n"
    )
    source = Source()
    try:
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as program:
            source.follow(program.pid)
            program.communicate(b"\n")
        wait_until(lambda: source.idle)
        assert system.keys(source.maps.tasks, 4) == []
    finally:
        source.close()


def test_names_that_arguments_point_to_are_recorded(
    fly: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    script = (
        "import ctypes, mmap, os; m = mmap.mmap(-1, 1 << 16); libc = ctypes.CDLL(None);"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(m));"
        "libc.prctl(0x53564d41, 0, ctypes.c_ulong(at), ctypes.c_ulong(4096), b'a name');"
        "mask = ctypes.c_ulong(1); libc.syscall(237, ctypes.c_ulong(at), ctypes.c_ulong(4096),"
        " 1, ctypes.byref(mask), 64, 0); os.memfd_create('another')"
    )
    assert fly("--", sys.executable, "-c", script).returncode == 0
    text = (tmp_path / "r" / "calls.strace").read_text()
    assert "PR_SET_VMA_ANON_NAME" in text
    assert '"a name"' in text
    assert 'memfd_create("another"' in text
    assert "MPOL_PREFERRED, [1], 64" in text
    exact(tmp_path / "r")


# What a program notices.


@pytest.mark.parametrize("name", CASES)
def test_a_program_notices_nothing(
    fly: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, name: str
) -> None:
    command = [str(built(tmp_path, name)), *CASES[name]]
    with ThreadPoolExecutor(1) as beside:
        # One of them sleeps for seconds.
        expected = beside.submit(alone, tmp_path, command)
        done = fly("--", *command)
    found = (done.returncode, done.stdout, SUMMARY.sub("", done.stderr))
    assert found == expected.result()
    exact(tmp_path / "r")


def test_nobody_traces_the_program(
    fly: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = fly("--", "grep", "-E", "TracerPid|Seccomp:", "/proc/self/status")
    assert done.stdout.split() == ["TracerPid:", "0", "Seccomp:", "0"]


@pytest.mark.parametrize("status", ["exit 3", "kill -9 $$", "kill -TERM $$"])
def test_the_exit_status_is_the_programs_own(
    fly: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, status: str
) -> None:
    expected = alone(tmp_path, ["sh", "-c", status])[0]
    assert fly("--", "sh", "-c", status).returncode == expected


# A process that runs already.


@pytest.mark.slow
def test_a_busy_process_is_recorded_while_it_runs(
    watch: Callable[..., subprocess.Popen[str]], busy: Callable[..., Busy], tmp_path: Path
) -> None:
    process = busy(8)
    recorder = watch(process.pid, "--duration", "0.3")
    message = recorder.communicate(timeout=120)[1]
    assert recorder.returncode == 0, message
    process.runs_on()
    assert process.is_free()
    report = exact(tmp_path / "r")
    assert report.total.memory_calls > 100
    assert report.total.final_identical is True


def test_an_interrupt_ends_the_recording_only(
    watch: Callable[..., subprocess.Popen[str]], busy: Callable[..., Busy], tmp_path: Path
) -> None:
    process = busy(2)
    recorder = watch(process.pid)
    wait_until(lambda: size_of_events(tmp_path / "r") > 1 << 16 or recorder.poll() is not None)
    recorder.send_signal(signal.SIGINT)
    message = recorder.communicate(timeout=120)[1]
    assert recorder.returncode == 0, message
    process.runs_on()
    assert exact(tmp_path / "r").total.final_identical is True


@pytest.mark.slow
def test_so_many_events_are_enough(
    watch: Callable[..., subprocess.Popen[str]], busy: Callable[..., Busy], tmp_path: Path
) -> None:
    process = busy(4)
    recorder = watch(process.pid, "--max-size", "1")
    message = recorder.communicate(timeout=120)[1]
    assert recorder.returncode == 0, message
    assert exact(tmp_path / "r").total.final_identical is True


@pytest.mark.slow
def test_only_the_newest_events_are_kept(
    watch: Callable[..., subprocess.Popen[str]], busy: Callable[..., Busy], tmp_path: Path
) -> None:
    process = busy(2)
    recorder = watch(process.pid, "--last", "0.3", "--duration", "1.5")
    message = recorder.communicate(timeout=120)[1]
    assert recorder.returncode == 0, message
    process.runs_on()
    assert process.is_free()
    report = exact(tmp_path / "r")
    first, last = sorted(report.images, key=lambda name: int(name.partition(".")[2]))
    assert report.images[first].figures.memory_calls > 0
    assert report.images[last].figures.final_identical is True
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        "calls.strace",
        "images",
        "meta.json",
    ]


def test_a_call_that_fails_for_want_of_memory_ends_the_recording(
    watch: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    script = (
        "import mmap, resource, sys; sys.stdin.readline();"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "try: mmap.mmap(-1, 1 << 31)\n"
        "except OSError: print('failed', flush=True)\n"
        "sys.stdin.readline()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        recorder = watch(program.pid, "--until-enomem")
        meta = tmp_path / "r" / "meta.json"
        wait_until(lambda: meta.exists() and '"flight"' in meta.read_text())
        program.stdin.write("\n")
        program.stdin.flush()
        message = recorder.communicate(timeout=120)[1]
        assert recorder.returncode == 0, message
        program.stdin.write("\n")
    assert program.returncode == 0
    assert "ENOMEM" in (tmp_path / "r" / "calls.strace").read_text()
    exact(tmp_path / "r")


def test_events_are_recorded_unless_something_else_is_asked_for(
    watchable: None, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    done = subprocess.run(
        [*COMMAND, "record", "-o", "r", "--", "./script"], capture_output=True, cwd=tmp_path
    )
    assert done.returncode == 3
    assert b"ptrace" not in done.stderr
    assert tracer_of(tmp_path / "r") == "events"
    report = exact(tmp_path / "r")
    # The headers of a script's program are those of its interpreter.
    assert report.total.programs == report.total.programs_identical == 1


def tracer_of(folder: Path) -> str | None:
    tracer: str | None = json.loads((folder / "meta.json").read_text()).get("tracer")
    return tracer


def without_rights() -> None:
    """What a child does before its exec: it gives up what recording by events takes."""
    for right in (CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF):
        assert LIBC.prctl(PR_CAPBSET_DROP, right, 0, 0, 0) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_without_the_rights_the_program_is_held_at_its_calls(
    traceable: None, tmp_path: Path
) -> None:
    def run(folder: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, "record", *options, "-o", str(tmp_path / folder), "--", "true"],
            capture_output=True,
            text=True,
            preexec_fn=without_rights,
        )

    done = run("a")
    assert done.returncode == 0
    assert done.stderr.endswith(
        " s; by ptrace: missing rights: CAP_PERFMON, CAP_BPF (root has all)\n"
    )
    assert tracer_of(tmp_path / "a") is None
    done = run("b", "--duration", "9")
    assert done.returncode == 2
    assert "the kernel's events cannot be recorded: missing rights: CAP_PERFMON" in done.stderr
    assert "without --duration, --max-size, --last and --until-enomem ptrace" in done.stderr
    assert not (tmp_path / "b").exists()


def test_options_of_the_other_tracer_are_refused(tmp_path: Path) -> None:
    for options in (["--tracer", "events", "--steps"], ["--tracer", "ptrace", "--duration", "1"]):
        done = subprocess.run(
            [*COMMAND, "record", *options, "-o", str(tmp_path / "r"), "--", "true"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "need --tracer" in done.stderr
    assert not (tmp_path / "r").exists()
