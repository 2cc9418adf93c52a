# SPDX-License-Identifier: GPL-2.0-or-later
"""A peak that was kept on the way is what a replay up to it finds."""

import shutil
from pathlib import Path

import pytest

from vmalab.explain.why.moment import peak_of, take
from vmalab.explain.why.peak_keeper import PeakKeeper
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.usable import notes_on

from ...region_calls import BASE, PAGE, region_calls

KIND = "MAP_PRIVATE|MAP_FIXED"
ANONYMOUS = "MAP_ANONYMOUS, -1, 0"
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/calls.strace*"))


def is_kept(path: Path, image: str | None = None) -> bool:
    """Return whether one replay of a log is enough."""
    keeper = PeakKeeper(image, pictures=True)
    replay = Replay(RecordingFiles(str(path)), Options(observers=(keeper,)))
    replay.target.listener = keeper.ear
    replay.run()
    _, peak = keeper.chosen()
    return peak is not None and peak.layout is not None


def check(path: Path, image: str | None = None) -> None:
    """The peak that is taken is that of a replay up to it."""
    recording = RecordingFiles(str(path))
    taken, report = take(recording, Options(), "peak", image)
    name, line = peak_of(recording, Options(), image)
    again, stopped = take(recording, Options(), line, name)
    assert taken == again
    assert notes_on(report) == notes_on(stopped)
    assert report.kernel == stopped.kernel


@pytest.mark.parametrize(
    "log",
    [
        # Two thousand calls, replayed six times.
        pytest.param(log, marks=[pytest.mark.slow] if log.parent.name == "dense-1" else [])
        for log in EXAMPLES
    ],
    ids=[log.parent.name for log in EXAMPLES],
)
def test_examples(tmp_path: Path, log: Path) -> None:
    path = tmp_path / log.name
    shutil.copyfile(log, path)
    check(path)
    check(log.parent)


@pytest.mark.parametrize("seed", range(12))
def test_random_calls(tmp_path: Path, seed: int) -> None:
    log = tmp_path / "log"
    log.write_text(region_calls(f"peak {seed}", 300))
    check(log)
    assert is_kept(log)


FIRST = f"1 mmap({BASE:#x}, 12288, PROT_READ|PROT_WRITE, {KIND}|{ANONYMOUS}) = {BASE:#x}\n"
SPLIT = f"1 mprotect({BASE + PAGE:#x}, 4096, PROT_READ) = 0\n"
GONE = f"1 munmap({BASE:#x}, 12288) = 0\n"
FILE = f"1 mmap({BASE:#x}, 4096, PROT_READ, {KIND}, 3, 0) = {BASE:#x}\n"
OPEN = '1 openat(AT_FDCWD, "/tmp/a", O_RDONLY) = 3\n'
CASES = {
    "one call": (FIRST, True),
    "the last call": (FIRST + SPLIT, True),
    "not the last call": (FIRST + SPLIT + GONE, True),
    "a file": (OPEN + FILE + GONE, True),
    "a file that is renamed": (OPEN + FILE + '1 rename("/tmp/a", "/tmp/b") = 0\n', False),
    "a file that is removed": (OPEN + FILE + GONE + '1 unlink("/tmp/a") = 0\n', False),
    "a fork": (FIRST + SPLIT + "1 fork() = 2\n" + GONE, False),
    "a child with more": (FIRST + "1 fork() = 2\n" + SPLIT.replace("1", "2", 1) + GONE, True),
    "a new program": (FIRST + SPLIT + '1 execve("/x", ["x"], 0x7) = 0\n' + FIRST, True),
    "an adopted call": (FIRST + SPLIT + f"1 munmap({BASE:#x}, 4096) = -1 EINVAL (x)\n", False),
    "a call before its turn": (
        f"{FIRST}1 clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD|CLONE_SIGHAND) = 2\n"
        f"2 mprotect({BASE + PAGE:#x}, 4096, PROT_READ <unfinished ...>\n"
        f"1 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|{ANONYMOUS}) = {BASE + (1 << 20):#x}\n"
        f"2 <... mprotect resumed>) = 0\n{GONE}",
        None,
    ),
    "no memory": ("1 getpid() = 1\n", None),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(tmp_path: Path, name: str) -> None:
    text, kept = CASES[name]
    log = tmp_path / "log"
    log.write_text(text)
    if name != "no memory":
        check(log)
        check(log, "1.0")
    if kept is not None:
        assert is_kept(log) == kept
