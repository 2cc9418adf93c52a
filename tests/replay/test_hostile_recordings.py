# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings come from elsewhere: whatever they hold, a replay ends with figures or a message."""

import gzip
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmalab.calls.errors import VmalabError
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.population import Bounds
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

from ..small_recordings import FIRST, Make, anonymous, smaps, step

Replayed = Callable[..., ReplayReport]

HUGE = st.sampled_from(
    ["0", "1", "4096", "0x7ffffffff000", "0x8000000000000000", "18446744073709551615", "2097151"]
)
CALLS = st.sampled_from(
    [
        "mmap({}, {}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {}",
        "mmap({}, {}, PROT_NONE, MAP_SHARED|MAP_ANONYMOUS|MAP_FIXED, -1, {}) = 0x10000",
        "mmap({}, {}, PROT_READ, MAP_PRIVATE, 3, {}) = 0x7f0000000000",
        "munmap({}, {}) = 0",
        "mremap({}, {}, {}, MREMAP_MAYMOVE|MREMAP_FIXED, 0x20000) = 0x20000",
        "mremap(0x10000, 4096, {}, MREMAP_MAYMOVE) = {}",
        "mprotect({}, {}, PROT_READ) = 0",
        "madvise({}, {}, MADV_DONTNEED) = {}",
        "mlock({}, {}) = -1 ENOMEM (x)",
        "brk({}) = {}",
        "brk(NULL) = {}",
        "clone(child_stack=NULL, flags=CLONE_VM|SIGCHLD) = 51",
        "clone(child_stack=NULL, flags=SIGCHLD) = {}",
        'execve("/bin/y", ["y"], 0x1) = 0',
        "shmat({}, {}, 0) = 0x30000",
        "exit_group(0) = ?",
        "+++ exited with 0 +++",
    ]
)


@st.composite
def log_lines(draw: st.DrawFn) -> str:
    """A line of a log with numbers that no process has."""
    pid = draw(st.sampled_from(["50 ", "51 ", "50 ", "4096 ", "[pid 50] "]))
    text = draw(CALLS)
    return pid + text.format(*[draw(HUGE) for _ in range(text.count("{}"))])


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(log_lines(), max_size=12), bare=st.booleans())
def test_calls_with_impossible_numbers(tmp_path: Path, lines: list[str], bare: bool) -> None:
    # The first place of all is one of x86-64: a log of another machine would be refused.
    first = "50 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000"
    text = "".join(f"{line}\n" for line in [first, *lines])
    path = tmp_path / "calls.strace"
    path.write_text(text, "utf-8")
    target = path
    if not bare:
        (tmp_path / "images" / "50.1").mkdir(parents=True, exist_ok=True)
        (tmp_path / "images/50.1/initial.smaps").write_text(smaps(FIRST), "utf-8")
        target = tmp_path
    total = Replay(RecordingFiles(str(target)), Options(story=True, maps=True)).run().total
    assert total.predicted + total.adopted + total.differ == total.memory_calls


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_log_cut_anywhere(examples: Path, tmp_path: Path, data: st.DataObject) -> None:
    """The rest is counted and located; what came before is as it was."""
    folder = tmp_path / "cut"
    if not folder.exists():
        shutil.copytree(examples / "sqlite3", folder)
        (folder / "calls.strace.gz").unlink()
    whole = gzip.decompress((examples / "sqlite3" / "calls.strace.gz").read_bytes())
    at = data.draw(st.integers(1, len(whole) - 1))
    (folder / "calls.strace").write_bytes(whole[:at])
    report = Replay(RecordingFiles(str(folder)), Options()).run()
    assert report.total.differ == 0
    assert report.unparsed == (whole[at - 1 : at] != b"\n" and not whole[:at].endswith(b" +++"))
    assert len(report.complaints) == report.unparsed


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_file_with_bytes_changed(examples: Path, tmp_path: Path, data: st.DataObject) -> None:
    folder = tmp_path / "changed"
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(examples / "sqlite3", folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    victim = data.draw(st.sampled_from(files))
    raw = bytearray(victim.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    victim.write_bytes(raw)
    with suppress(VmalabError):
        total = Replay(RecordingFiles(str(folder)), Options()).run().total
        assert total.predicted + total.adopted + total.differ == total.memory_calls


@pytest.mark.parametrize(
    "steps",
    [
        step("1 50 X brk 0 3 1", anonymous(0x1000, 1 << 63)),
        step("1 50 E brk 0 3 2", anonymous(0x5000, 0x9000), anonymous(0x1000, 0x7000)),
        step("1 50 E brk 0 3 1", anonymous(0x1001, 0x2003)),
        step("1 50 Q - 0 3 0"),
        step("1 9 X brk 0 1 1", anonymous((1 << 62) + 1, (1 << 62) + 5)),
    ],
    ids=["beyond the end", "overlapping", "unaligned", "nothing left", "odd"],
)
def test_steps_to_maps_that_cannot_be(make: Make, replayed: Replayed, steps: str) -> None:
    log = '50 execve("/bin/x", [], 0x1) = 0\n50 brk(NULL) = 0x555555560000\n' * 2
    report = replayed(make(log, steps))
    assert not report.identical
    assert report.total.steps_identical < report.total.steps == 1


def test_processes_without_number_are_bounded(tmp_path: Path, replayed: Replayed) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"{pid} brk(NULL) = 0x1000\n" for pid in range(1, 80, 2)), "utf-8")
    with pytest.raises(VmalabError, match=r"log:21: more than 20 images"):
        replayed(path, bounds=Bounds(images=20))


FORKS = "".join(f"1 fork() = {pid}\n" for pid in range(2, 60))


@pytest.mark.parametrize(
    "line",
    ["1 mmap(NULL, 4096, {prot}, 0x22, -1, 0) = {at:#x}\n", '1 open("/x", 0) = {number}\n'],
    ids=["VMAs", "descriptors"],
)
def test_what_forks_copy_is_bounded(tmp_path: Path, replayed: Replayed, line: str) -> None:
    path = tmp_path / "log"
    made = "".join(
        line.format(prot=at % 2, at=0x7F0000000000 - at * 4096, number=3 + at) for at in range(100)
    )
    path.write_text(made + FORKS, "utf-8")
    with pytest.raises(VmalabError, match=r"log:1[12]\d: with this fork, .* more than 2000 VMAs"):
        replayed(path, bounds=Bounds(copies=2000))
    assert replayed(path, bounds=Bounds(copies=20000)).calls_seen == 158


def test_processes_that_have_ended_are_no_copies(tmp_path: Path, replayed: Replayed) -> None:
    path = tmp_path / "log"
    made = "1 mmap(NULL, 4096, 1, 0x22, -1, 0) = 0x7f0000000000\n"
    ended = "".join(f"1 fork() = {pid}\n{pid} +++ exited with 0 +++\n" for pid in range(2, 60))
    path.write_text(made + ended, "utf-8")
    assert replayed(path, bounds=Bounds(copies=20)).calls_seen == 59
