# SPDX-License-Identifier: GPL-2.0-or-later
"""Usual calls, carried out as plain numbers, end as they do when each is judged at length."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmalab.bench.pipeline import region_log
from vmalab.bench.region_recording import write_region_recording
from vmalab.calls.call import Call
from vmalab.calls.table import BY_REGISTERS
from vmalab.linux.include.page import PMD_SIZE
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import NUMBERS

BASE = 0x7F0000000000
KIND = "MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"


class Witness(Observer):
    """Notes what it is told of calls."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Note what the call may change."""
        self.told.append((call.line, state.touched, mm.map_count))

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Note how it ended."""
        self.told.append((call.line, reason, state.answer, mm.map_count))


def found(path: str, *, at_length: bool, watched: bool) -> tuple[object, ...]:
    """Everything that a replay finds."""
    witness = Witness()
    observers = (witness,) if watched else ()
    replay = Replay(RecordingFiles(path), Options(maps=True, observers=observers, story=watched))
    replay.judge.usual_calls.at_length = at_length
    report = replay.run()
    figures = {name: getattr(report.total, name) for name in NUMBERS}
    maps = {name: image.final for name, image in report.images.items()}
    differences = [(one.line, one.recorded, one.predicted) for one in report.differences]
    notes = (report.notes, report.supposed, report.total.adopted_reasons)
    told = report.story
    story = (told.merged, told.split, told.made, told.gone, told.failures, told.failed)
    return figures, maps, differences, notes, story, told.most_vmas, told.most_at, witness.told


def logs(examples: Path) -> Iterator[Path]:
    """The recordings of the examples."""
    return (path for path in sorted(examples.iterdir()) if (path / "meta.json").exists())


EXAMPLES = [path.name for path in logs(Path(__file__).parents[2] / "examples")]


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "watched"])
@pytest.mark.parametrize("form", ["recording", "bare"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(examples: Path, tmp_path: Path, name: str, form: str, watched: bool) -> None:
    path = examples / name
    if form == "bare":
        (log,) = path.glob("calls.strace*")
        path = tmp_path / log.name
        shutil.copyfile(log, path)
    quick = found(str(path), at_length=False, watched=watched)
    assert quick == found(str(path), at_length=True, watched=watched)


LINES = {
    "another result": f"1 mmap(NULL, 4096, PROT_READ, {KIND}) = {BASE:#x}",
    "no such memory": f"1 munmap({BASE:#x}, 4096) = 0",
    "a failure": f"1 mprotect({BASE:#x}, 4096, PROT_READ) = -1 ENOMEM (Cannot allocate memory)",
    "a failure that is none": f"1 mprotect({BASE:#x}, 4096, PROT_READ) = 0",
    "an address beyond all": f"1 madvise({(1 << 64) - 4096:#x}, {1 << 63}, MADV_DONTNEED) = 0",
    "a length beyond all": f"1 mlock({BASE:#x}, {(1 << 64) - 1}) = 0",
    "a 32-bit address": f"1 mmap(NULL, 4096, PROT_READ, {KIND}) = 0x7000000",
    "a free place for huge pages": f"1 mmap(NULL, {PMD_SIZE}, PROT_READ, {KIND}) = {BASE:#x}",
    "the stack of a thread": f"1 mmap(NULL, 8192, PROT_NONE, MAP_STACK|{KIND}) = {BASE:#x}",
    "a thread with a stack": f"1 mmap(NULL, 8192, PROT_NONE, MAP_STACK|{KIND}) = {BASE:#x}\n"
    f"2 mprotect({BASE:#x}, 4096, PROT_NONE) = 0\n"
    f"1 munmap({BASE:#x}, 8192) = 0",
    "the break": "1 brk(NULL) = 0x555555559000\n1 brk(0x55555555b000) = 0x55555555b000",
    "a break that stays": "1 brk(NULL) = 0x555555559000\n1 brk(0x55555555b000) = 0x555555559000",
    "a move": f"1 mmap({BASE:#x}, 8192, PROT_READ, MAP_FIXED|{KIND}) = {BASE:#x}\n"
    f"1 mremap({BASE:#x}, 8192, 16384, MREMAP_MAYMOVE) = {BASE + (1 << 30):#x}",
    "code": f"1 mmap({BASE:#x}, 4096, PROT_EXEC, MAP_FIXED|{KIND}) = {BASE:#x}\n"
    f"1 mprotect({BASE:#x}, 4096, PROT_READ|PROT_EXEC) = 0\n"
    f"1 mprotect({BASE:#x}, 4096, PROT_READ|PROT_EXEC) = -1 EACCES (Permission denied)",
    "a filter": f"1 mlock({BASE:#x}, 4096) = -1 EPERM (Operation not permitted)",
    "never returned": f"1 munmap({BASE:#x}, 4096) = ?",
    "a thread": f"1 mmap({BASE:#x}, 4096, PROT_READ, MAP_FIXED|{KIND}) = {BASE:#x}\n"
    "1 clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD|CLONE_SIGHAND) = 2\n"
    f"2 munmap({BASE:#x}, 4096 <unfinished ...>\n"
    f"1 mmap({BASE:#x}, 4096, PROT_READ, MAP_FIXED|{KIND}) = {BASE:#x}\n"
    "2 <... munmap resumed>) = 0\n2 +++ exited with 0 +++\n"
    f"1 munmap({BASE:#x}, 4096) = 0",
    "a child": f"1 mmap({BASE:#x}, 4096, PROT_READ, MAP_FIXED|{KIND}) = {BASE:#x}\n"
    f"1 fork() = 2\n2 munmap({BASE:#x}, 4096) = 0\n1 mprotect({BASE:#x}, 4096, PROT_NONE) = 0\n"
    f"2 mprotect({BASE:#x}, 4096, PROT_NONE) = -1 ENOMEM (Cannot allocate memory)",
    "a new program": f"1 mmap({BASE:#x}, 4096, PROT_READ, MAP_FIXED|{KIND}) = {BASE:#x}\n"
    f'1 execve("/x", ["x"], 0x7) = 0\n1 munmap({BASE:#x}, 4096) = 0\n'
    f"1 mprotect({BASE:#x}, 4096, PROT_NONE) = -1 ENOMEM (Cannot allocate memory)",
}


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "watched"])
@pytest.mark.parametrize("what", LINES)
def test_lines(tmp_path: Path, what: str, watched: bool) -> None:
    log = tmp_path / "log"
    log.write_text(f"{LINES[what]}\n")
    quick = found(str(log), at_length=False, watched=watched)
    assert quick == found(str(log), at_length=True, watched=watched)


def damaged(line: str, numbers: random.Random) -> str:
    """A line of a step, at times as another kernel or another history would have shown it."""
    how = numbers.randrange(40)
    if how == 0:
        return line.replace(" ac", "")
    if how == 1:
        return line.partition(" |")[0]
    if how == 2:
        return line.replace("-p ", "-s ")
    if how == 3 and line:
        start, _, rest = line.partition("-")
        end, _, behind = rest.partition(" ")
        return f"{start}-{int(end, 16) + 4096:x} {behind}"
    return line


@pytest.mark.parametrize("watched", [False, True], ids=["alone", "watched"])
@pytest.mark.parametrize("told", [False, True], ids=["supposed faults", "recorded faults"])
@pytest.mark.parametrize("seed", range(6))
def test_steps(tmp_path: Path, seed: int, told: bool, watched: bool) -> None:
    numbers = random.Random(seed)
    log, folder = tmp_path / "log", tmp_path / "recording"
    log.write_text("".join(region_log(150)))
    write_region_recording(log, folder, steps=True)
    (image,) = (folder / "images").iterdir()
    steps = image / "steps.txt"
    lines = steps.read_text().split("\n")
    if seed:
        lines = [line if line[:1] == "@" else damaged(line, numbers) for line in lines]
    steps.write_text("\n".join(lines))
    if not told:
        (image / "faults.txt").unlink()
    quick = found(str(folder), at_length=False, watched=watched)
    assert quick == found(str(folder), at_length=True, watched=watched)


class Counting(Observer):
    """Counts usual calls."""

    def __init__(self) -> None:
        self.replay: Replay | None = None
        self.usual = 0

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Count a call that is one."""
        assert self.replay is not None
        caller = self.replay.callers.of(call.tid)
        if caller is not None and call.row.family & BY_REGISTERS:
            self.usual += self.replay.judge.usual_calls.is_usual(caller, call)


def test_most_calls_of_a_log_are_usual(examples: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.gz"
    shutil.copyfile(examples / "guards" / "calls.strace.gz", log)
    counting = Counting()
    counting.replay = Replay(RecordingFiles(str(log)), Options(observers=(counting,)))
    report = counting.replay.run()
    assert counting.usual > report.total.memory_calls / 2
