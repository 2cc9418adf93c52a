# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings that begin amid a process's life: what it had set is told, or found out."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.small_recordings import DATA, FIRST, Line, Make, anonymous

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.views.text import verdict

A = 0x7F0000200000
B = 0x7F00000FE000
NEW = f"50 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {B:#x}\n"
EXEC = "PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
BELOW = A - 8192
RING = (
    f"{A:x}-{A + 8192:x} rw-s 00000000 00:13 77 {' ' * 20}/[aio] (deleted)",
    "rd wr sh mr mw ms",
)
SEGMENT = (
    f"{A:x}-{A + 8192:x} rw-s 00000000 00:01 19 {' ' * 20}/SYSV00000000 (deleted)",
    "rd wr sh mr mw me ms",
)
SEALED = (
    f"{B:x}-{B + 8192:x} r--s 00000000 00:01 9 {' ' * 20}/memfd:x (deleted)",
    "rd sh mr me ms",
)


def attached(make: Make, log: str, first: list[Line], final: list[Line], **image: Any) -> Path:
    """Write a recording that begins with an attach. image: more of what meta.json says of it."""
    events = [{"after_line": 0, "event": "attach", "pid": 50, "image": "50.1"}]
    path = make(log, None, final, {"events": events}, first)
    meta = json.loads((path / "meta.json").read_text())
    meta["images"]["50.1"] |= image
    (path / "meta.json").write_text(json.dumps(meta))
    return path


def replay(path: Path) -> ReplayReport:
    return Replay(RecordingFiles(str(path)), Options()).run()


def supposed(report: ReplayReport) -> list[str]:
    """What was supposed, without the reason."""
    return [note.rpartition("began, ")[2] for note in report.notes if "supposed" in note]


def placed(*lines: Line) -> list[Line]:
    return sorted([*FIRST, *lines])


def test_what_is_as_predicted_supposes_nothing(make: Make) -> None:
    report = replay(attached(make, NEW, FIRST, placed(anonymous(B, B + 8192))))
    assert report.identical
    assert supposed(report) == []


@pytest.mark.parametrize(
    ("flags", "call"),
    [
        ("lo", "mlockall(MCL_FUTURE)"),
        ("lo lf", "mlockall(MCL_FUTURE|MCL_ONFAULT)"),
    ],
)
def test_locked_mappings_show_that_the_future_was_locked(make: Make, flags: str, call: str) -> None:
    final = placed(anonymous(B, B + 8192, flags=DATA.replace("me", f"me {flags}")))
    report = replay(attached(make, NEW, FIRST, final))
    assert report.identical
    assert supposed(report) == [call]


def test_a_refused_mapping_shows_that_code_may_not_be_written(make: Make) -> None:
    log = "50 prctl(PR_GET_MDWE, 0, 0, 0, 0) = 0x3 (PR_MDWE_REFUSE_EXEC_GAIN|PR_MDWE_NO_INHERIT)\n"
    log += f"50 mmap(NULL, 4096, {EXEC} = -1 EACCES (Permission denied)\n"
    report = replay(attached(make, log, FIRST, FIRST))
    assert report.identical
    assert report.total.adopted == 0
    assert len(supposed(report)) == 1


def test_what_nothing_explains_differs(make: Make) -> None:
    """A call that fails for no reason that an earlier one could have given."""
    log = f"50 munmap({A:#x}, 4096) = -1 EINVAL (Invalid argument)\n"
    report = replay(attached(make, log, placed(anonymous(A, A + 8192)), FIRST))
    assert not report.identical
    assert supposed(report) == []


def test_of_several_processes_nothing_is_supposed(make: Make) -> None:
    final = placed(anonymous(B, B + 8192, flags=DATA.replace("me", "me lo")))
    path = attached(make, NEW, FIRST, final)
    meta = json.loads((path / "meta.json").read_text())
    meta["events"].append({"after_line": 0, "event": "attach", "pid": 51, "image": "51.0"})
    (path / "meta.json").write_text(json.dumps(meta))
    report = replay(path)
    assert not report.identical
    assert supposed(report) == []


def test_thp_disabled_is_read_from_status(make: Make) -> None:
    log = "50 prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) = 1\n"
    report = replay(attached(make, log, FIRST, FIRST, status={"THP_enabled": "0"}))
    assert report.identical
    assert supposed(report) == []


def test_memory_merge_and_personality_are_told(make: Make) -> None:
    log = "50 prctl(PR_GET_MEMORY_MERGE, 0, 0, 0, 0) = 1\n"
    log += f"50 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {B + 4096:#x}\n"
    made = anonymous(B + 4096, B + 8192, "r-xp", "rd ex mr mw me mg")
    known = {"merge_any": True, "personality": "00400000"}
    assert replay(attached(make, log, FIRST, placed(made), **known)).identical


def test_a_ring_that_was_there_can_be_destroyed(make: Make) -> None:
    report = replay(attached(make, f"50 io_destroy({A:#x}) = 0\n", placed(RING), FIRST))
    assert report.identical


SEGMENT_IS = {"19": [0, 0o600, 8192, 1, 0, 0, 0, 0]}


@pytest.mark.parametrize("segments", [{}, SEGMENT_IS], ids=["supposed", "told"])
def test_a_segment_that_was_there_can_be_attached_and_detached(
    make: Make, segments: dict[str, list[int]]
) -> None:
    log = f"50 shmat(19, NULL, 0) = {BELOW:#x}\n50 shmdt({A:#x}) = 0\n50 shmdt({BELOW:#x}) = 0\n"
    report = replay(attached(make, log, placed(SEGMENT), FIRST, segments=segments))
    assert report.identical
    assert report.total.predicted == 3


def test_the_parts_of_an_attachment_go_together(make: Make) -> None:
    name, flags = f"00:01 19 {' ' * 20}/SYSV00000000 (deleted)", "sh mr mw me ms"
    low = (f"{A:x}-{A + 4096:x} r--s 00000000 {name}", f"rd {flags}")
    high = (f"{A + 4096:x}-{A + 8192:x} rw-s 00001000 {name}", f"rd wr {flags}")
    report = replay(attached(make, f"50 shmdt({A:#x}) = 0\n", placed(low, high), FIRST))
    assert report.identical


def test_seals_of_files_that_were_open_count(make: Make) -> None:
    fds = {"3": ["/memfd:x (deleted)", 2]}
    log = "50 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = -1 EPERM (not permitted)\n"
    log += f"50 mmap(NULL, 8192, PROT_READ, MAP_SHARED, 3, 0) = {B:#x}\n"
    path = attached(make, log, FIRST, placed(SEALED), fds=fds, seals={"3": 16})
    assert replay(path).identical


def test_a_userfaultfd_that_was_open_lets_go_of_its_mappings(make: Make) -> None:
    fds = {"5": ["anon_inode:[userfaultfd]", 0]}
    watched = anonymous(A, A + 8192, flags=DATA.replace("ac", "um ac"))
    log = f"50 ioctl(5, UFFDIO_UNREGISTER, {{start={A:#x}, len=0x2000}}) = 0\n"
    report = replay(attached(make, log, placed(watched), placed(anonymous(A, A + 8192)), fds=fds))
    assert report.identical


def test_a_userfaultfd_that_hears_of_moves_stays_with_what_is_moved(make: Make) -> None:
    """What is supposed is counted, and shown in the verdict."""
    there = anonymous(A, A + 8192, flags=DATA.replace("ac", "um ac"))
    moved = anonymous(B, B + 8192, flags=DATA.replace("ac", "um ac"))
    log = f"50 mremap({A:#x}, 8192, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, {B:#x}) = {B:#x}\n"
    fds = {"5": ["anon_inode:[userfaultfd]", 0]}
    report = replay(attached(make, log, placed(there), placed(moved), fds=fds))
    assert report.identical
    assert report.supposed == supposed(report)
    assert report.supposed == ["its userfaultfd was asked for UFFD_FEATURE_EVENT_REMAP"]
    assert report.total.supposed == 1
    assert "1 supposed of the time before" in verdict(report)


def test_guard_regions_that_were_there_are_told(make: Make) -> None:
    there = anonymous(A, A + 16384)
    log = f"50 madvise({A:#x}, 16384, MADV_POPULATE_READ) = -1 EFAULT (Bad address)\n"
    log += f"50 madvise({A:#x}, 16384, MADV_GUARD_REMOVE) = 0\n"
    log += f"50 madvise({A:#x}, 16384, MADV_POPULATE_READ) = 0\n"
    last = anonymous(A, A + 16384, flags=DATA.replace("ac", "gu ac"))
    path = attached(make, log, placed(there), placed(last), guards=[f"{A + 4096:x}-{A + 8192:x}"])
    report = replay(path)
    assert (report.identical, report.total.predicted, report.supposed) == (True, 3, [])


def test_secret_memory_that_was_open_can_be_mapped(make: Make) -> None:
    fds = {"5": ["/secretmem (deleted)", 2]}
    log = "50 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 5, 0) = -1 EINVAL (Invalid argument)\n"
    log += f"50 mmap(NULL, 8192, PROT_READ, MAP_SHARED, 5, 0) = {B:#x}\n"
    log += f"50 madvise({B:#x}, 8192, MADV_POPULATE_READ) = -1 EINVAL (Invalid argument)\n"
    name = f"00:0d 9 {' ' * 20}/secretmem (deleted)"
    made = (f"{B:x}-{B + 8192:x} r--s 00000000 {name}", "rd sh mr mw ms lo dd")
    report = replay(attached(make, log, FIRST, placed(made), fds=fds))
    assert (report.identical, report.total.adopted) == (True, 0)


C = A + 8192
WRITE = f"50 mprotect({C:#x}, 4096, PROT_READ|PROT_WRITE) = 0\n"
PARTS = [anonymous(A, C), anonymous(C, C + 4096, "r--p", DATA.replace(" wr", ""))]
WHOLE = [anonymous(A, C + 4096)]
BOTH = [anonymous(A, C), anonymous(C, C + 4096)]
PAGES = [f"{A:x}-{C:x}", f"{C:x}-{C + 4096:x}"]


@pytest.mark.parametrize(
    ("final", "written", "past"),
    [
        (WHOLE, PAGES, []),
        (BOTH, PAGES, [f"a write to the VMA at {C:#x}, apart from what is below"]),
        (BOTH, [], [f"an mremap to the VMA at {A:#x}"]),
    ],
    ids=["split", "apart", "moved"],
)
def test_what_merges_tells_where_vmas_come_from(
    make: Make, final: list[Line], written: list[str], past: list[str]
) -> None:
    """Parts of one VMA, VMAs that were always two, page offsets of another place."""
    report = replay(attached(make, WRITE, placed(*PARTS), placed(*final), anon_vma=written))
    assert report.identical
    assert supposed(report) == past


def test_pages_that_a_parent_has_too_keep_a_new_mapping_apart(make: Make) -> None:
    log = NEW.replace(f"{B:#x}", f"{BELOW:#x}")
    old, new = anonymous(A, C), anonymous(BELOW, A)
    report = replay(attached(make, log, placed(old), placed(old, new), anon_vma=PAGES[:1]))
    assert report.identical
    assert supposed(report) == ["a fork, whose parent still has these pages"]


def test_a_layout_from_below_is_that_of_the_personality(make: Make) -> None:
    """ADDR_COMPAT_LAYOUT: the lowest gap, not the highest."""
    lowest = 0x2AAAAAAAB000
    there = anonymous(lowest, lowest + 8192, "r--p", "rd mr mw me")
    above = lowest + 8192
    log = NEW.replace(f"{B:#x}", f"{above:#x}")
    final = placed(there, anonymous(above, above + 8192))
    report = replay(attached(make, log, placed(there), final, personality="00200000"))
    assert report.identical
    assert report.total.adopted == 0


def test_what_was_one_before_its_middle_was_unmapped_merges_again(make: Make) -> None:
    """Where events were lost nothing tells that three VMAs with gaps between share an anon_vma."""
    spans = [(A, C), (A + 0x4000, A + 0x6000), (A + 0x8000, A + 0xA000)]
    log = "".join(
        f"50 mmap({at:#x}, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)"
        f" = {at:#x}\n"
        for at in (C, A + 0x6000)
    )
    first = placed(*(anonymous(*span) for span in spans))
    final = placed(anonymous(A, A + 0xA000))
    pages = [f"{start:x}-{end:x}" for start, end in spans]
    report = replay(attached(make, log, first, final, anon_vma=pages))
    assert report.identical
    one = "a write to the VMA at {:#x}, when it was one with the next below"
    assert supposed(report) == [one.format(start) for start, _ in spans[1:]]


@pytest.mark.parametrize("other", [51, 50], ids=["another process", "the same, behind a loss"])
def test_what_differs_behind_a_loss_is_of_the_image_that_began_there(
    make: Make, other: int
) -> None:
    locked = placed(anonymous(B, B + 8192, flags=DATA.replace("me", "me lo")))
    path = attached(make, NEW, FIRST, locked)
    meta = json.loads((path / "meta.json").read_text())
    events = [
        {"after_line": 0, "event": "attach", "pid": other, "image": f"{other}.0"},
        {"after_line": 0, "event": "exit", "tid": other, "tgid": other, "image": f"{other}.0"},
    ]
    meta["events"] = events + meta["events"]
    meta["images"][f"{other}.0"] = meta["images"]["50.1"]
    (path / "meta.json").write_text(json.dumps(meta))
    (path / "images" / f"{other}.0").mkdir()
    begun = (path / "images" / "50.1" / "initial.smaps").read_text()
    (path / "images" / f"{other}.0" / "initial.smaps").write_text(begun)
    report = replay(path)
    assert report.identical is (other == 50)
    assert report.supposed == (["50.1: mlockall(MCL_FUTURE)"] if other == 50 else [])
