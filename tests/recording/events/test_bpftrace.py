# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs of our program for bpftrace: written here by hand, damaged, and made by bpftrace itself."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.events.bpftrace_script import bpftrace_script
from vmalab.recording.opening import open_recording
from vmalab.replay.replay import Options, Replay

COMMAND = [sys.executable, "-m", "vmalab.cli.main"]
ANON = "0 1000 3 22 ffffffffffffffff 0"
# Two threads: the one that entered first got the lock last, and is logged first.
LOG = f"""Attaching 12 probes...
vmalab-bpftrace 1 7
E 7 7 90 59 1000 0 0 0 0 0
P 7 7 100 7 /usr/bin/prog
E 7 7 200 9 {ANON}
L 7 7 300
X 7 7 400 9 139637976727552
E 7 7 500 56 3d0f00 0 0 0 0 0
N 7 7 510 8 3d0f00
X 7 7 520 56 8
E 7 7 600 9 {ANON}
E 7 8 610 9 {ANON}
L 7 7 650
X 7 7 660 9 139637976719360
L 7 8 640
X 7 8 670 9 139637976723456
W 7 8 680 7f0000000000
E 7 8 700 257 ffffff9c 2000 0 0 0 0
S 7 8 710 2000 dead beef
X 7 8 720 257 3
E 7 8 800 16 0 5401 0 0 0 0
X 7 8 810 16 0
E 7 7 900 231 0 0 0 0 0 0
D 7 8 910
D 7 7 920
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "calls.log"
    path.write_text(LOG)
    return path


def lines_of(log: Path) -> list[str]:
    """The sorted log, without times of the day."""
    recording = open_recording(str(log))
    lines = Path(recording.log_path).read_text().splitlines()
    return [f"{words[0]} {words[2]}" for words in (line.split(" ", 2) for line in lines)]


def test_calls_are_in_the_order_of_the_lock_and_strings_are_theirs(log: Path) -> None:
    found = lines_of(log)
    assert [line.split("(")[0] for line in found] == [
        *("7 execve", "7 mmap", "7 clone", "8 mmap", "7 mmap", "8 openat"),
        *("8 +++ exited with 0 +++", "7 exit_group", "7 +++ exited with 0 +++"),
    ]
    assert '"/usr/bin/prog"' in found[0]
    assert '"dead beef"' in found[5]
    recording = open_recording(str(log))
    image = recording.image("7.1")
    assert image is not None
    assert [fact.kind for fact in image.faults()] == ["pages"]
    assert [event.event for event in recording.meta.events][:2] == ["exec", "thread"]


def test_a_string_may_hold_a_newline_and_the_log_may_be_cut_off(log: Path) -> None:
    log.write_text(LOG.replace("dead beef", "dead\nbeef") + "E 7 7 99")
    assert any('"dead\\nbeef"' in line for line in lines_of(log))


def test_a_process_that_ran_already_begins_with_its_threads(log: Path) -> None:
    log.write_text(LOG.replace("P 7 7 100 7 /usr/bin/prog\n", ""))
    recording = open_recording(str(log))
    assert [event.event for event in recording.meta.events][:2] == ["attach", "thread"]
    assert lines_of(log)[0].startswith("7 mmap(")


def test_lost_events_are_counted_and_end_what_is_known(log: Path) -> None:
    log.write_text(LOG.replace("E 7 7 600", "Lost 12 events\nE 7 7 600"))
    recording = open_recording(str(log))
    assert recording.meta.lost_events == 12
    assert len(lines_of(log)) == 3


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("L 7 7 300", "L 7 x 300", "calls.log:6: not a line"),
        ("X 7 7 400 9", "X 7 7 400 9 9 9", "calls.log:7: not a line"),
        ("E 7 7 600 9", f"E 7 7 600 9{'f' * 17}", "calls.log:11: not a line"),
        ("vmalab-bpftrace 1", "vmalab-bpftrace 2", "calls.log:2: not a line"),
    ],
)
def test_what_is_no_such_log_says_where(log: Path, old: str, new: str, where: str) -> None:
    log.write_text(LOG.replace(old, new, 1))
    with pytest.raises(ReadError, match=where):
        open_recording(str(log))


def test_damaged_logs_are_read_or_refused(log: Path) -> None:
    dice = random.Random(1)
    for _ in range(300):
        text = bytearray(LOG.encode())
        for _ in range(dice.randint(1, 4)):
            text[dice.randrange(30, len(text))] = dice.choice(
                b"0123456789abcdefELXSNPWGD -\n\xff\0"
            )
        log.write_bytes(text)
        try:
            Replay(open_recording(str(log)), Options()).run()
        except ReadError:
            continue


def test_the_program_looks_for_the_calls_that_are_recorded() -> None:
    script = bpftrace_script(4711)
    assert "@tree[(uint64)4711] = 1;" in script
    assert "@calls[9] = 1;" in script
    assert "@calls[0] = 1;" not in script
    assert "@strings[257] = 2;" in script
    assert "cpid" not in script


@pytest.mark.slow
def test_what_bpftrace_logs_can_be_replayed(tmp_path: Path) -> None:
    bpftrace = shutil.which("bpftrace")
    if bpftrace is None:
        pytest.skip("bpftrace is not installed")
    printed = subprocess.run([*COMMAND, "record", "--bpftrace"], capture_output=True, check=True)
    (tmp_path / "calls.bt").write_bytes(printed.stdout)
    program = f"{sys.executable} -c 'import threading; print(6 * 7)'"
    done = subprocess.run(
        [bpftrace, "-o", "calls.log", "calls.bt", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    log = tmp_path / "calls.log"
    if not log.exists() or "\nE " not in log.read_text():
        pytest.skip(f"bpftrace does not work here: {done.stderr[-300:]}")
    report = Replay(open_recording(str(log)), Options()).run()
    assert report.differences == []
    assert report.unparsed == 0
    assert report.total.memory_calls > 20
    assert set(report.total.adopted_reasons) <= {"unknown layout"}
