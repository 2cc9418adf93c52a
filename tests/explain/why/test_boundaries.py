# SPDX-License-Identifier: GPL-2.0-or-later
"""Each condition that keeps two VMAs apart is named, and its cost is what merging would save."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from vmalab.explain.why.barriers import Prober
from vmalab.explain.why.boundaries import Why, explain, layout_of_lines
from vmalab.explain.why.conditions import FLAG_NAMES, notes_on
from vmalab.explain.why.moment import take
from vmalab.explain.why.visible_barriers import LineProber
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.mm.vma.merge import (
    can_merge_remove_vma,
    can_vma_merge_left,
    can_vma_merge_right,
    vmg_vma_state,
)
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.maps import parse_maps, parse_smaps
from vmalab.replay.replay import Options, Replay
from vmalab.targets.model.model import ModelTarget

from ...small_recordings import Make

Write = Callable[..., RecordingFiles]

RW = "PROT_READ|PROT_WRITE"
FIXED = "MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS"
WRITTEN = FIXED + "|MAP_POPULATE"


def mmap(start: int, pages: int, prot: str = RW, flags: str = FIXED, file: str = "-1, 0") -> str:
    """An mmap at a fixed place; file: descriptor and offset."""
    return f"mmap({start:#x}, {pages << 12}, {prot}, {flags}, {file}) = {start:#x}"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a recording without maps: the first one is empty."""

    def make(*calls: str) -> RecordingFiles:
        (tmp_path / "calls.strace").write_text("".join(f"{call}\n" for call in calls), "utf-8")
        about = {"format": 1, "kernel": {"config": {"CONFIG_ANON_VMA_NAME": True}}}
        (tmp_path / "meta.json").write_text(json.dumps(about), "utf-8")
        return RecordingFiles(str(tmp_path))

    return make


def end_of(recording: RecordingFiles, **options: str) -> Why:
    taken, report = take(recording, Options(**options), "end", None)
    assert report.differences == []
    return explain(taken.layout)


def found(why: Why) -> list[tuple[str, int, int]]:
    return [(group.text, group.boundaries, group.saves) for group in why.groups]


OPEN = 'openat(AT_FDCWD, "/lib/a", O_RDONLY) = 3'
OPEN_AGAIN = 'openat(AT_FDCWD, "/lib/a", O_RDONLY) = 4'
OPEN_OTHER = 'openat(AT_FDCWD, "/lib/b", O_RDONLY) = 4'
UFFD = "userfaultfd(O_CLOEXEC) = 3"
API = "ioctl(3, UFFDIO_API, {api=0xaa, features=0 => features=0x1ffff, ioctls=0x1}) = 0"
REGISTER = (
    "ioctl(3, UFFDIO_REGISTER, {range={start=0x10001000, len=0x1000}, "
    "mode=UFFDIO_REGISTER_MODE_MISSING, ioctls=0x1}) = 0"
)
NAMED = 'prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0x10001000, 4096, "arena") = 0'

CASES = {
    "protection": (
        "flags wr",
        [mmap(0x10000000, 2, flags=WRITTEN), "mprotect(0x10001000, 4096, PROT_READ) = 0"],
    ),
    "guard": (
        "flags rd wr ac",
        [mmap(0x10000000, 1), mmap(0x10001000, 1, "PROT_NONE")],
    ),
    "charged": (
        "flags ac",
        [
            mmap(0x10000000, 2, "PROT_READ"),
            f"mprotect(0x10001000, 4096, {RW}) = 0",
            "madvise(0x10001000, 4096, MADV_POPULATE_WRITE) = 0",
            "mprotect(0x10001000, 4096, PROT_READ) = 0",
        ],
    ),
    "advice": (
        "flags nh",
        [mmap(0x10000000, 2), "madvise(0x10001000, 4096, MADV_NOHUGEPAGE) = 0"],
    ),
    "two advices": (
        "flags hg nh",
        [
            mmap(0x10000000, 2),
            "madvise(0x10000000, 4096, MADV_HUGEPAGE) = 0",
            "madvise(0x10001000, 4096, MADV_NOHUGEPAGE) = 0",
        ],
    ),
    "locked": ("flags lo", [mmap(0x10000000, 2), "mlock(0x10001000, 4096) = 0"]),
    "file beside none": (
        "file one has none",
        [
            OPEN,
            mmap(0x10000000, 1, "PROT_READ", "MAP_PRIVATE|MAP_FIXED", "3, 0"),
            mmap(0x10001000, 1, "PROT_READ"),
        ],
    ),
    "two files": (
        "file another file",
        [
            OPEN,
            OPEN_OTHER,
            mmap(0x10000000, 1, "PROT_READ", "MAP_PRIVATE|MAP_FIXED", "3, 0"),
            mmap(0x10001000, 1, "PROT_READ", "MAP_PRIVATE|MAP_FIXED", "4, 0x1000"),
        ],
    ),
    "a file opened twice": (
        "file same file, opened apart",
        [
            OPEN,
            OPEN_AGAIN,
            mmap(0x10000000, 1, "PROT_READ", "MAP_PRIVATE|MAP_FIXED", "3, 0"),
            mmap(0x10001000, 1, "PROT_READ", "MAP_PRIVATE|MAP_FIXED", "4, 0x1000"),
        ],
    ),
    "offset in a file": (
        "offset of the file",
        [
            OPEN,
            mmap(0x10000000, 1, "PROT_READ", "MAP_PRIVATE|MAP_FIXED", "3, 0"),
            mmap(0x10001000, 1, "PROT_READ", "MAP_PRIVATE|MAP_FIXED", "3, 0x5000"),
        ],
    ),
    "moved memory": (
        "offset of anonymous memory + anon_vma",
        [
            mmap(0x10000000, 1, flags=WRITTEN),
            mmap(0x20000000, 1, flags=WRITTEN),
            "mremap(0x20000000, 4096, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, 0x10001000) = 0x10001000",
        ],
    ),
    "written apart": (
        "anon_vma",
        [
            mmap(0x10000000, 1, flags=WRITTEN),
            mmap(0x10002000, 1, flags=WRITTEN),
            "madvise(0x10002000, 4096, MADV_DONTDUMP) = 0",
            mmap(0x10001000, 1, flags=FIXED),
            "madvise(0x10002000, 4096, MADV_DODUMP) = 0",
        ],
    ),
    "name": ("name", [mmap(0x10000000, 2), NAMED]),
    "userfaultfd": ("userfaultfd", [UFFD, API, mmap(0x10000000, 2), REGISTER]),
    "close hook": (
        "close hook",
        [
            "shmget(IPC_PRIVATE, 8192, IPC_CREAT|0600) = 0",
            "shmat(0, 0x10000000, 0) = 0x10000000",
            "mprotect(0x10001000, 4096, PROT_READ) = 0",
            f"mprotect(0x10001000, 4096, {RW}) = 0",
        ],
    ),
    "policy": (
        "policy",
        [mmap(0x10000000, 2), "mbind(0x10001000, 4096, MPOL_BIND, [0x1], 64, 0) = 0"],
    ),
}


@pytest.mark.parametrize(("text", "calls"), CASES.values(), ids=CASES)
def test_each_condition_is_named(write: Write, text: str, calls: list[str]) -> None:
    assert found(end_of(write(*calls))) == [(text, 1, 1)]


def test_fork_chain_keeps_untouched_memory_apart(write: Write) -> None:
    """A child's inherited pages and memory that it maps beside them."""
    calls = [
        "1 " + mmap(0x10000000, 1, flags=WRITTEN),
        "1 fork() = 2",
        "2 " + mmap(0x10001000, 1),
        "2 +++ exited with 0 +++",
    ]
    taken, _ = take(write(*calls), Options(), 3, "2.0")
    assert found(explain(taken.layout)) == [("fork chain", 1, 1)]


def test_memory_of_drivers_never_merges(make: Make) -> None:
    """Both halves of a mapping that may not grow are alike, and stay apart."""
    halves = [
        (f"7f00000{n}0000-7f00000{n + 1}0000 r--p 000{n}0000 fe:00 20 /dev/x", "rd mr me de")
        for n in (0, 1)
    ]
    path = make('50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n', None, first=halves)
    taken, _ = take(RecordingFiles(str(path)), Options(), "end", None)
    assert found(explain(taken.layout)) == [("special de", 1, 1)]


def test_guards_between_pages_are_counted_as_a_whole(write: Write) -> None:
    """Without the difference in protection all nine VMAs were one."""
    guards = [f"mprotect({0x10001000 + 0x2000 * n:#x}, 4096, PROT_NONE) = 0" for n in range(4)]
    why = end_of(write(mmap(0x10000000, 9), *guards))
    assert (why.vmas, why.touching, why.untried) == (9, 8, 0)
    assert found(why) == [("flags rd wr ac", 8, 8)]
    assert [(k.kind, k.boundaries, k.alone, k.saves) for k in why.kinds] == [("flags", 8, 8, 8)]


def test_what_lies_between_two_anon_vmas_saves_only_one_side(write: Write) -> None:
    """Untouched guards suit either neighbour, but not both, which have anon_vmas of their own."""
    why = end_of(
        write(
            mmap(0x10000000, 1, flags=WRITTEN),
            mmap(0x10002000, 1, flags=WRITTEN),
            mmap(0x10001000, 1, "PROT_NONE"),
        )
    )
    assert found(why) == [("flags rd wr ac", 2, 1)]


def test_two_conditions_at_one_boundary_are_a_group_of_their_own(write: Write) -> None:
    why = end_of(write(mmap(0x10000000, 2), NAMED, "madvise(0x10001000, 4096, MADV_DONTDUMP) = 0"))
    assert found(why) == [("flags dd + name", 1, 1)]
    assert [(k.kind, k.boundaries, k.alone, k.saves) for k in why.kinds] == [
        ("flags", 1, 0, 0),
        ("name", 1, 0, 0),
    ]


def test_what_no_call_has_tried_is_told_apart(write: Write) -> None:
    """What moves its pages away and stays has no anon_vma any more that would keep it apart."""
    move = "MREMAP_MAYMOVE|MREMAP_FIXED|MREMAP_DONTUNMAP, 0x20000000) = 0x20000000"
    why = end_of(
        write(*CASES["written apart"][1], f"mremap(0x10002000, 4096, 4096, {move}"),
    )
    assert (why.vmas, why.touching, why.groups) == (3, 1, ())
    assert (why.untried, why.untried_saves) == (1, 1)


def test_holes_are_counted_apart(write: Write) -> None:
    why = end_of(write(mmap(0x10000000, 1), mmap(0x10002000, 1), mmap(0x10005000, 1, "PROT_NONE")))
    assert (why.holes.count, why.holes.size, why.holes.alike) == (2, 0x3000, 1)
    assert (why.touching, why.groups) == (0, ())


def test_older_kernels_merge_less(write: Write) -> None:
    """Before 6.17 memory with pages did not merge into memory without, but the other way round."""
    calls = [mmap(0x10000000, 1, flags=WRITTEN), mmap(0x10001000, 1, "PROT_READ")]
    assert found(end_of(write(*calls), kernel="6.12")) == [("flags wr ac", 1, 1)]


def engine_would_merge(mm: Mm, lower: Vma, upper: Vma) -> bool:
    """Whether a call that touches either of two neighbours merges it with the other."""
    left = vmg_vma_state(Vmi(mm, upper.vm_start), lower, upper, upper.vm_start, upper.vm_end)
    right = vmg_vma_state(Vmi(mm, lower.vm_start), None, lower, lower.vm_start, lower.vm_end)
    right.next = upper
    special = 0x10044400
    if lower.vm_flags & special or upper.vm_flags & special:
        return False
    return (can_vma_merge_left(mm.seam, left) and can_merge_remove_vma(upper)) or (
        can_vma_merge_right(mm.seam, right, False) and can_merge_remove_vma(lower)
    )


@pytest.mark.parametrize("until", [100, 700, 1332, 1700, 2000])
def test_no_condition_fails_where_the_engine_would_merge(examples: Path, until: int) -> None:
    recording = RecordingFiles(str(examples / "dense-1"))
    replay = Replay(recording, Options(until=until))
    replay.run()
    [(_, mm)] = replay.living()
    vmas = mm_vmas(mm)
    prober = Prober(mm)
    pairs = [pair for pair in pairwise(vmas) if pair[0].vm_end == pair[1].vm_start]
    assert len(pairs) > 5
    for lower, upper in pairs:
        assert (prober.causes(lower, upper) == ()) == engine_would_merge(mm, lower, upper)


# Snapshots.


@pytest.fixture
def any_mm() -> Mm:
    target = ModelTarget(Meta(), "6.18")
    target.execute(1, MetaImage(), None)
    mm = target.mm(1)
    assert mm is not None
    return mm


SMAPS = """\
10000000-10001000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me ac
10001000-10002000 rw-p 00000000 00:00 0
VmFlags: rd wr mr mw me ac nh
10002000-10003000 rw-p 00000000 00:00 0                                  [anon:arena]
VmFlags: rd wr mr mw me ac nh
10003000-10004000 r--p 00000000 fe:00 7                                  /lib/a
VmFlags: rd mr mw me
10004000-10005000 r--p 00001000 fe:00 7                                  /lib/a
VmFlags: rd mr mw me sd
10006000-10007000 r--p 00003000 fe:00 7                                  /lib/a
VmFlags: rd mr mw me
10007000-10008000 rw-s 00000000 00:01 9                                  /dev/zero (deleted)
VmFlags: rd wr sh mr mw me ms
10008000-10009000 rw-s 00003000 00:01 9                                  /dev/zero (deleted)
VmFlags: rd wr sh mr mw me ms
"""


def test_a_snapshot_tells_what_it_shows(any_mm: Mm) -> None:
    why = explain(layout_of_lines(parse_smaps(SMAPS), LineProber(any_mm)))
    texts = {group.text: group.boundaries for group in why.groups}
    assert texts == {
        "flags nh": 1,
        "name": 1,
        "flags wr ac nh + file one has none + name": 1,
        "not shown file opened apart, anon_vma, fork chain, policy, close hook, not tried": 1,
        "flags wr sh ms + file another file": 1,
        "offset of the file": 1,
    }
    assert not why.complete
    assert why.has_flags
    assert (why.holes.count, why.holes.alike) == (1, 1)


def test_a_flag_of_a_newer_kernel_tells_vmas_apart(any_mm: Mm) -> None:
    text = SMAPS.replace("me ac nh\n10002000", "me ac zz nh\n10002000")
    why = explain(layout_of_lines(parse_smaps(text), LineProber(any_mm)))
    assert {"flags nh zz", "flags zz + name"} <= {group.text for group in why.groups}
    assert "zz: not known" in notes_on(why.groups[0].causes + why.groups[1].causes)


def test_policies_of_numa_maps_are_known(any_mm: Mm) -> None:
    policies = {0x10003000: "default", 0x10004000: "default", 0x10007000: "bind:0"}
    policies |= {0x10008000: "default"}
    why = explain(layout_of_lines(parse_smaps(SMAPS), LineProber(any_mm, policies)))
    texts = {group.text for group in why.groups}
    assert "not shown file opened apart, anon_vma, fork chain, close hook, not tried" in texts
    assert "offset of the file + policy" in texts


def test_maps_alone_tells_permissions(any_mm: Mm) -> None:
    text = "\n".join(line for line in SMAPS.splitlines() if not line.startswith("VmFlags"))
    why = explain(layout_of_lines(parse_maps(text), LineProber(any_mm)))
    texts = [group.text for group in why.groups]
    assert "flags wr + file one has none + name" in texts
    assert "not shown flags, offset, anon_vma, fork chain, userfaultfd, policy, not tried" in texts
    assert not why.has_flags


def test_every_flag_has_a_name_and_a_setter(write: Write) -> None:
    assert FLAG_NAMES["nh"] == "VM_NOHUGEPAGE"
    why = end_of(write(mmap(0x10000000, 1), mmap(0x10001000, 1, "PROT_READ")))
    assert notes_on(why.groups[0].causes) == [
        "wr VM_WRITE: the protection: mmap, mprotect",
        "ac VM_ACCOUNT: private writable memory is charged, and stays so once written to",
    ]
