# SPDX-License-Identifier: GPL-2.0-or-later
"""Every VMA, and every boundary, is put down to the call that made it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.explain.blame.culprits import BY, BlameReport, blame_report
from vmalab.explain.blame.watcher import Blame
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.frames import FrameNames, Frames, Named
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay

from ...small_recordings import Make, anonymous, step

Blamed = Callable[..., BlameReport]

RW = "PROT_READ|PROT_WRITE"
FIXED = "MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS"


def mmap(start: int, pages: int, prot: str = RW) -> str:
    return f"mmap({start:#x}, {pages << 12}, {prot}, {FIXED}, -1, 0) = {start:#x}"


@pytest.fixture
def blamed(tmp_path: Path) -> Blamed:
    """Writes a bare log, replays it, and answers who made what."""

    def look(
        *calls: str, peak: bool = False, address: int | None = None, names: Frames | None = None
    ) -> BlameReport:
        path = tmp_path / "log"
        path.write_text("".join(f"{call}\n" for call in calls), "utf-8")
        blame = Blame(lives=address is not None)
        report = Replay(RecordingFiles(str(path)), Options(observers=(blame,))).run()
        assert report.differences == []
        return blame_report(blame.moments(peak=peak)[-1], address, names)

    return look


def made(report: BlameReport) -> list[tuple[int, int, str, int]]:
    """Start and end in pages above 0x10000, how, and the line of the call."""
    return [
        ((vma.start >> 12) - 0x10000, (vma.end >> 12) - 0x10000, vma.how, vma.born.line)
        for vma in report.vmas
    ]


def test_a_split_is_put_down_to_who_split(blamed: Blamed) -> None:
    """The first piece goes on as the mapping; the other two are the call's."""
    report = blamed(mmap(0x10000000, 4), "mprotect(0x10001000, 4096, PROT_READ) = 0")
    assert made(report) == [(0, 1, "mapped", 1), (1, 2, "split", 2), (2, 4, "split", 2)]
    first, middle, last = report.vmas
    assert first.boundary is None
    assert (middle.boundary and middle.boundary.line, last.boundary and last.boundary.line) == (
        2,
        2,
    )
    assert (first.low.line, first.high.line) == (1, 2)
    assert (last.low.line, last.high.line) == (2, 1)
    [mprotect, mapping] = report.shares["call"]
    assert (mprotect.cause, mprotect.vmas, mprotect.boundaries, mprotect.size) == (
        "mprotect",
        2,
        2,
        0x3000,
    )
    assert (mapping.cause, mapping.vmas, mapping.boundaries) == ("mmap", 1, 0)


def test_the_piece_that_stayed_as_it_was_is_the_old_one(blamed: Blamed) -> None:
    report = blamed(mmap(0x10000000, 4), "mprotect(0x10000000, 4096, PROT_READ) = 0")
    assert made(report) == [(0, 1, "split", 2), (1, 4, "mapped", 1)]


def test_what_merges_goes_on_as_the_lower_one(blamed: Blamed) -> None:
    report = blamed(
        *(mmap(start, 1, "PROT_READ") for start in (0x10000000, 0x10002000, 0x10001000)),
        address=0x10000000,
    )
    assert made(report) == [(0, 3, "mapped", 1)]
    assert [(event.what, event.deed.line) for event in report.life] == [
        ("mapped", 1),
        ("mapped", 2),
        ("merged", 3),
    ]


def test_a_hole_in_the_middle_makes_a_new_vma(blamed: Blamed) -> None:
    report = blamed(mmap(0x10000000, 3), "munmap(0x10001000, 4096) = 0")
    assert made(report) == [(0, 1, "mapped", 1), (2, 3, "split", 2)]
    assert [vma.boundary for vma in report.vmas] == [None, None]


def test_cutting_an_end_off_changes_the_end_alone(blamed: Blamed) -> None:
    report = blamed(mmap(0x10000000, 3), "munmap(0x10002000, 4096) = 0", address=0x10000000)
    assert made(report) == [(0, 2, "mapped", 1)]
    assert (report.vmas[0].low.line, report.vmas[0].high.line) == (1, 2)
    assert [event.what for event in report.life] == ["mapped", "shrank"]


def test_mapping_over_something_is_a_new_mapping(blamed: Blamed) -> None:
    report = blamed(mmap(0x10000000, 3), mmap(0x10001000, 1, "PROT_READ"))
    assert made(report) == [(0, 1, "mapped", 1), (1, 2, "mapped", 2), (2, 3, "split", 2)]


def test_mapping_the_same_place_anew_forgets_what_was_there(blamed: Blamed) -> None:
    report = blamed(mmap(0x10000000, 3), mmap(0x10000000, 3, "PROT_READ"))
    assert made(report) == [(0, 3, "mapped", 2)]


def test_a_boundary_is_of_the_later_neighbour(blamed: Blamed) -> None:
    """The upper VMA was there first; the lower one came to touch it."""
    report = blamed(mmap(0x10001000, 1), mmap(0x10000000, 1, "PROT_READ"))
    assert made(report) == [(0, 1, "mapped", 2), (1, 2, "mapped", 1)]
    boundary = report.vmas[1].boundary
    assert boundary is not None
    assert boundary.line == 2
    assert [(share.vmas, share.boundaries) for share in report.shares["site"]] == [(1, 1), (1, 0)]


def test_a_moved_vma_stays_who_it_was(blamed: Blamed) -> None:
    report = blamed(
        mmap(0x10000000, 1),
        "mremap(0x10000000, 4096, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, 0x10008000) = 0x10008000",
        address=0x10008000,
    )
    assert made(report) == [(8, 10, "mapped", 1)]
    assert [(event.what, event.deed.name) for event in report.life] == [
        ("mapped", "mmap"),
        ("moved", "mremap"),
    ]


def test_changes_of_flags_are_remembered(blamed: Blamed) -> None:
    report = blamed(
        mmap(0x10000000, 1), "madvise(0x10000000, 4096, MADV_DONTDUMP) = 0", "getpid() = 1"
    )
    [vma] = report.vmas
    assert vma.changed is not None
    assert (vma.how, vma.born.line, vma.changed.line) == ("mapped", 1, 2)
    assert vma.changed.call == "madvise(0x10000000, 4096, MADV_DONTDUMP) = 0"


def test_the_peak_is_remembered(blamed: Blamed) -> None:
    """What was at the most is told after all of it is gone."""
    calls = [mmap(0x10000000, 9)]
    calls += [f"mprotect({0x10001000 + n * 0x2000:#x}, 4096, PROT_READ) = 0" for n in range(4)]
    report = blamed(*calls, "munmap(0x10000000, 36864) = 0", mmap(0x20000000, 1), peak=True)
    assert report.line == 5
    assert [(share.cause, share.vmas) for share in report.shares["site"]] == [
        ("mprotect(PROT_READ)", 8),
        ("mmap(PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS)", 1),
    ]


def test_a_child_has_its_parents_origins(blamed: Blamed) -> None:
    report = blamed(
        f"1 {mmap(0x10000000, 2)}",
        "1 fork() = 2",
        "2 madvise(0x10000000, 4096, MADV_DONTDUMP) = 0",
        address=0x10000000,
    )
    assert report.image == "2.0"
    assert made(report) == [(0, 1, "split", 3), (1, 2, "mapped", 1)]
    assert [event.what for event in report.life] == ["mapped", "inherited", "split"]


def test_what_the_kernel_maps_at_exec_is_of_the_exec(make: Make) -> None:
    blame = Blame()
    log = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n50 getpid() = 50\n'
    Replay(RecordingFiles(str(make(log, None))), Options(observers=(blame,))).run()
    report = blame_report(blame.moments(peak=False)[0])
    assert [(vma.how, vma.born.name, vma.born.line, vma.name) for vma in report.vmas] == [
        ("initial", "execve", 1, "/bin/x"),
        ("initial", "execve", 1, "/lib/ld.so"),
        ("initial", "execve", 1, "[stack]"),
    ]
    assert report.shares["library"][0].cause == "(kernel: exec)"


def test_a_stack_that_grew_is_no_calls_doing(make: Make) -> None:
    log = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n50 getpid() = 50\n'
    grown = anonymous(0x7FFCFFFFF000, 0x7FFD00021000, flags="rd wr mr mw me gd ac")
    blame = Blame()
    path = make(log, step("1 50 E getpid 2 1 1", grown))
    Replay(RecordingFiles(str(path)), Options(observers=(blame,))).run()
    stack = blame_report(blame.moments(peak=False)[0]).vmas[-1]
    assert (stack.how, stack.low.name, stack.high.name) == ("initial", "no call", "execve")


def test_a_call_under_way_claims_what_was_seen_before_it_ended(make: Make) -> None:
    """The map was seen changed while the call of another thread was unfinished."""
    end = 0x7F0000100000
    log = (
        '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
        "50 clone(child_stack=0x7f0000000000, "
        "flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD) = 51\n"
        f"51 mmap(NULL, 8192, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>\n"
        "50 getpid() = 50\n"
        f"51 <... mmap resumed>) = {end - 0x2000:#x}\n"
        "50 getpid() = 50\n"
    )
    events = [
        {"after_line": 0, "event": "exec", "pid": 50, "image": "50.1"},
        {"after_line": 1, "event": "thread", "tgid": 50, "tid": 51, "image": "50.1"},
    ]
    blame = Blame()
    steps = step("3 50 E getpid 1 0 1", anonymous(end - 0x2000, end))
    report = Replay(
        RecordingFiles(str(make(log, steps, meta={"events": events}))), Options(observers=(blame,))
    ).run()
    assert report.differences == []
    vma = blame_report(blame.moments(peak=False)[0]).vmas[1]
    assert (vma.how, vma.born.name, vma.born.line, vma.born.tid) == ("mapped", "mmap", 5, 51)


FRAMES = [
    "/usr/lib/x86_64-linux-gnu/libc.so.6(mmap64+0x20) [0x10e1a0]",
    "/usr/lib/libarena.so.2 (deleted)(arena::grow(unsigned long)+0x7f) [0x4af]",
    "/bin/x(main+0x12) [0x1132]",
]


def test_a_site_is_the_first_frame_outside_the_c_library(blamed: Blamed) -> None:
    stack = [f" > {frame}" for frame in FRAMES]
    report = blamed(mmap(0x10000000, 1), *stack)
    stack = report.vmas[0].born.stack
    assert [frame.label for frame in stack.frames] == [
        "mmap64",
        "arena::grow(unsigned long)",
        "main",
    ]
    assert stack.own == 1
    assert report.shares["library"][0].cause == "libarena.so.2"
    assert report.shares["site"][0].cause == (
        "libarena.so.2: arena::grow(unsigned long), "
        "mmap(PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS)"
    )


def test_sums_by_all_that_a_stack_tells(blamed: Blamed) -> None:
    stack = [f" > {frame}" for frame in FRAMES]
    names = {FRAMES[1]: FrameNames((Named("grow", "/src/arena.cc", 7),))}
    report = blamed(mmap(0x10000000, 1), *stack, mmap(0x20000000, 1), names=names)
    causes = {by: [share.cause for share in report.shares[by]] for by in BY}
    assert causes["function"] == ["(no stack recorded)", "libarena.so.2: grow"]
    assert causes["file"] == ["(no stack recorded)", "/src/arena.cc"]
    assert causes["library"] == ["(no stack recorded)", "libarena.so.2"]
    assert causes["mapping"] == ["(anonymous)"]
    assert causes["site"][0].startswith("libarena.so.2: grow at arena.cc:7, mmap(")
    assert causes["call"] == ["mmap"]


def test_all_maps_of_a_file_are_one_row_by_mapping(blamed: Blamed) -> None:
    calls = [
        f"mmap({at:#x}, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3</srv/index>, 0) = {at:#x}"
        for at in range(0x10000000, 0x10000000 + 40 * 0x2000, 0x2000)
    ]
    opened = 'openat(AT_FDCWD, "/srv/index", O_RDONLY) = 3</srv/index>'
    report = blamed(opened, *calls, mmap(0x20000000, 1))
    shares = [(share.cause, share.vmas) for share in report.shares["mapping"]]
    assert shares == [("/srv/index", 40), ("(anonymous)", 1)]


class Agreement(Observer):
    """Compares what is known with the map after each call."""

    def __init__(self, blame: Blame) -> None:
        self._blame = blame
        self.calls = 0
        self.most: list[tuple[int, int]] = []

    def after(self, state: ImageState, mm: Mm, call: object, reason: str | None) -> None:
        known = self._blame.moments(peak=False)[-1].vmas
        there = [(vma.vm_start, vma.vm_end) for vma in mm_vmas(mm)]
        assert [(vma.start, vma.end) for vma in known] == there
        if len(there) > len(self.most):
            self.most = there
        self.calls += 1


@pytest.mark.parametrize("name", ["dense-1", "python-rlimit-as"])
def test_what_is_known_is_the_map_after_every_call(examples: Path, name: str) -> None:
    blame = Blame()
    agreement = Agreement(blame)
    recording = RecordingFiles(str(examples / name))
    report = Replay(recording, Options(observers=(blame, agreement))).run()
    assert agreement.calls >= report.total.memory_calls
    [moment] = blame.moments(peak=True)
    assert [(vma.start, vma.end) for vma in moment.vmas] == agreement.most
    shares = blame_report(moment).shares
    assert blame_report(moment, summed_by=("call",)).shares == {"call": shares["call"]}
    for by in ("site", "call", "library"):
        assert sum(share.vmas for share in shares[by]) == len(moment.vmas)
