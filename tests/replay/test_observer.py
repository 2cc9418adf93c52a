# SPDX-License-Identifier: GPL-2.0-or-later
"""An observer is told of an image's beginning, calls and end in order; a replay can end early."""

from pathlib import Path

from vmalab.calls.call import Call
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay

from ..small_recordings import Make, anonymous, step

A = 0x7F00000FE000
END = 0x7F0000100000
MMAP = "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
STACK = (0x7FFD00000000, 0x7FFD00021000)
GROWN = (0x7FFCFFFFF000, 0x7FFD00021000)


class Witness(Observer):
    """Writes down what it is told, with the number of VMAs at that moment."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def began(self, state: ImageState, mm: Mm) -> None:
        self.told.append(("began", state.name, mm.map_count))

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        name = None if parent is None else parent.name
        self.told.append(("forked", state.name, mm.map_count, name))

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        self.told.append(("before", state.name, mm.map_count, call.name, call.line))

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        self.told.append(("after", state.name, mm.map_count, call.name, call.line, reason))

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        self.told.append(("changed", state.name, mm.map_count, line, span))

    def ended(self, state: ImageState, mm: Mm) -> None:
        self.told.append(("ended", state.name, mm.map_count))


LOG = f"""\
50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0
50 {MMAP} = {A:#x}
50 getpid() = 50
50 fork() = 51
51 munmap({A:#x}, 4096) = 0
51 +++ exited with 0 +++
50 munmap({A:#x}, 8192) = 0
50 +++ exited with 0 +++
"""
STEPS = (
    step("2 50 X mmap 1 0 1", anonymous(A, END))
    + step("3 50 E fork 3 1 1", anonymous(*GROWN, flags="rd wr mr mw me gd ac"))
    + step("7 50 X munmap 1 1 0")
)
META = {
    "events": [
        {"after_line": 0, "event": "exec", "pid": 50, "image": "50.1"},
        {"after_line": 3, "event": "fork", "ppid": 50, "pid": 51, "image": "51.0"},
        {"after_line": 6, "event": "exit", "pid": 51, "tid": 51},
        {"after_line": 8, "event": "exit", "pid": 50, "tid": 50},
    ],
    "images": {
        "50.1": {"mm": {"start_brk": "0x555555560000", "start_stack": "0x7ffd0001ff00"}},
        "51.0": {},
    },
}
TOLD = [
    ("began", "50.1", 3),
    ("before", "50.1", 3, "execve", 1),
    ("after", "50.1", 3, "execve", 1, None),
    ("before", "50.1", 3, "mmap", 2),
    ("after", "50.1", 4, "mmap", 2, None),
    ("changed", "50.1", 4, 3, GROWN),
    ("forked", "51.0", 4, "50.1"),
    ("before", "50.1", 4, "fork", 4),
    ("after", "50.1", 4, "fork", 4, None),
    ("before", "51.0", 4, "munmap", 5),
    ("after", "51.0", 4, "munmap", 5, None),
    ("ended", "51.0", 4),
    ("before", "50.1", 4, "munmap", 7),
    ("after", "50.1", 3, "munmap", 7, None),
    ("ended", "50.1", 3),
]


def watch(path: Path, until: int = 0) -> tuple[Replay, Witness]:
    witness = Witness()
    replay = Replay(RecordingFiles(str(path)), Options(observers=(witness,), until=until))
    replay.run()
    return replay, witness


def test_everything_is_told_once_and_in_order(make: Make) -> None:
    replay, witness = watch(make(LOG, STEPS, meta=META))
    assert replay.report.differences == []
    assert witness.told == TOLD
    assert replay.living() == []


def test_a_replay_can_end_at_a_line(make: Make) -> None:
    """Nothing that happened after the line is told, and no image that lives then ends."""
    replay, witness = watch(make(LOG, STEPS, meta=META), until=5)
    assert witness.told == TOLD[:11]
    assert [(state.name, mm.map_count) for state, mm in replay.living()] == [
        ("50.1", 4),
        ("51.0", 4),
    ]
    assert replay.report.stopped


def test_changes_that_were_seen_by_then_are_part_of_it(make: Make) -> None:
    """A stack that grew after line 3 has grown after line 3, although line 4 showed it."""
    _, witness = watch(make(LOG, STEPS, meta=META), until=3)
    assert witness.told == TOLD[:6]


def test_ending_behind_the_log_leaves_what_never_ended(make: Make) -> None:
    log = "".join(LOG.splitlines(keepends=True)[:3])
    events = {"events": META["events"][:1]}
    replay, _ = watch(make(log, STEPS, meta=META | events), until=99)
    assert [state.name for state, _ in replay.living()] == ["50.1"]


class Ranges(Observer):
    """Writes down what each call may change, as the image has it before and after the call."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[tuple[int, int]] | None]] = []

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        self.seen.append(("before", state.touched))

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        self.seen.append(("after", state.touched))


def test_an_observer_reads_what_the_call_may_change(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(f"mprotect({A:#x}, 8192, PROT_READ) = 0\nmlockall(MCL_FUTURE) = 0\n")
    witness = Ranges()
    Replay(RecordingFiles(str(log)), Options(observers=(witness,))).run()
    span = [(A, END)]
    assert witness.seen == [("before", span), ("after", span), ("before", None), ("after", None)]
