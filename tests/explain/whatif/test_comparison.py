# SPDX-License-Identifier: GPL-2.0-or-later
"""A what-if without a change is the recorded run; with one, just what it changes is different."""

from pathlib import Path
from typing import Any

import pytest
from mypy_extensions import i64

from vmalab.explain.whatif.carry_calls import LOST
from vmalab.explain.whatif.changes import Changes, Pattern
from vmalab.explain.whatif.comparison import (
    ImageOutcome,
    WhatIf,
    what_if,
)
from vmalab.explain.whatif.doubts import AFTER_FAILURE, AFTER_SUCCESS, LIMIT_SET
from vmalab.linux.include.mm_flags import VM_NOHUGEPAGE
from vmalab.linux.mm.vma_internal import VmaInternal
from vmalab.linux.types.kernel_state import KernelState
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options

from ...small_recordings import FIRST, Make
from ..enomem.test_failed_calls import A, log_of, machine

ROOT = Path(__file__).resolve().parents[3]
RECORDINGS = [
    *sorted((ROOT / "examples").glob("*/calls.strace.gz")),
    *sorted((ROOT / "tests" / "data").glob("*-1/calls.strace.gz")),
    ROOT / "tests" / "data" / "recording" / "threads.strace",
]
NO_HUGE = Pattern("madvise", ("MADV_NOHUGEPAGE",))


def compared(path: Path, **changes: Any) -> WhatIf:
    """A what-if of a recording that is replayed without a difference."""
    found, report = what_if(RecordingFiles(str(path)), Changes(**changes), Options())
    assert report.total.differ == 0
    return found


def image_of(found: WhatIf) -> ImageOutcome:
    """The only image."""
    [image] = found.images
    return image


def mmap(at: int, length: int, prot: str = "PROT_READ|PROT_WRITE") -> str:
    """A private anonymous mapping that the kernel has put at a place."""
    return f"mmap(NULL, {length}, {prot}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {at:#x}"


@pytest.mark.parametrize(
    "log", RECORDINGS, ids=lambda path: path.stem if path.suffix == ".strace" else path.parent.name
)
def test_without_a_change_it_is_the_recorded_run(log: Path) -> None:
    path = log if log.suffix == ".strace" else log.parent
    found = compared(path)
    assert (found.left_out, found.made_otherwise, found.fails, found.passes) == (0, 0, 0, 0)
    assert found.doubts == {}
    assert found.failed_recorded == found.failed_other
    assert [image.name for image in found.images if not image.identical] == []
    for image in found.images:
        one, two = image.recorded, image.other
        assert [s.vmas for s in one.series.all()] == [s.vmas for s in two.series.all()]
        assert (one.peak, one.vmas_at_end, one.most) == (two.peak, two.vmas_at_end, two.most)


def test_memory_that_no_later_call_is_about_was_written_to_on_both_sides(make: Make) -> None:
    log = log_of(mmap(A - 4096, 12288), "getpid() = 50", "brk(NULL) = 0x555555560000")
    meta = machine()
    meta["images"]["50.1"]["anon_vma"] = []
    path = make(log, None, meta=meta)
    faults = path / "images" / "50.1" / "faults.txt"
    sizes = []
    for text in ("", f"@3 pages {A:x}\n"):
        faults.write_text(text)
        image = image_of(compared(path))
        assert image.recorded.most == image.other.most
        sizes.append(image.other.most.kernel)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("name", ["overlay", "tmpfs", "hugetlbfs", "grown"])
def test_what_a_replay_learns_of_files_holds_on_the_other_machine(name: str) -> None:
    found = compared(ROOT / "tests" / "data" / "files" / name)
    assert [image.name for image in found.images if not image.identical] == []


def test_calls_that_are_left_out(make: Make) -> None:
    """The advice on the middle page makes three VMAs of one; only that one is dropped."""
    log = log_of(
        mmap(A - 4096, 12288),
        f"madvise({A:#x}, 4096, MADV_NOHUGEPAGE) = 0",
        f"madvise({A:#x}, 4096, MADV_DONTDUMP) = 0",
    )
    path = make(log, None, meta=machine())
    found = compared(path, drops=(NO_HUGE,))
    image = image_of(found)
    assert (found.left_out, image.recorded.peak, image.other.peak) == (1, 6, 6)
    found = compared(path, drops=(NO_HUGE, Pattern("madvise", ("MADV_DONTDUMP", hex(A)))))
    image = image_of(found)
    assert (found.left_out, image.recorded.peak, image.other.peak) == (2, 6, 4)
    assert (image.recorded.vmas_at_end, image.other.vmas_at_end) == (6, 4)
    assert found.doubts == {}


def test_a_higher_limit_lets_calls_pass(make: Make) -> None:
    log = log_of(
        mmap(A - 4096, 12288),
        f"mprotect({A:#x}, 4096, PROT_READ) = -1 ENOMEM (Cannot allocate memory)",
    )
    meta = machine({"vm.max_map_count": 4})
    path = make(log, None, meta=meta)
    found = compared(path, sysctl={"vm.max_map_count": 6})
    assert (found.fails, found.passes) == (0, 1)
    [call] = found.pass_now
    assert (call.line, call.recorded, call.other) == (
        3,
        "-1 ENOMEM (Cannot allocate memory)",
        "0",
    )
    assert image_of(found).other.peak == 6
    assert found.doubts[AFTER_SUCCESS].lines == [3]
    # One less is not enough, and leaves what was split first.
    found = compared(path, sysctl={"vm.max_map_count": 5})
    assert (found.fails, found.passes, image_of(found).other.peak) == (0, 0, 5)


def test_a_lower_limit_makes_calls_fail(make: Make) -> None:
    """What would have been mapped is not there for the calls that follow."""
    log = log_of(
        mmap(A, 8192), f"mprotect({A:#x}, 4096, PROT_READ) = 0", f"munmap({A:#x}, 8192) = 0"
    )
    pages = 2 + 2 + 33
    path = make(log, None, meta=machine())
    found = compared(path, rlimits={"AS": (pages + 1) * 4096})
    assert (found.fails, found.passes, found.left_out) == (1, 0, 2)
    [call] = found.fail_now
    assert (call.line, call.recorded, call.other) == (
        2,
        hex(A),
        "-1 ENOMEM (Cannot allocate memory)",
    )
    assert call.why == "RLIMIT_AS: the address space would be 156 KiB, RLIMIT_AS is 152 KiB"
    assert found.doubts[AFTER_FAILURE].lines == [2]
    assert found.doubts[LOST].lines == [3, 4]
    # Where there is room, nothing is different.
    found = compared(path, rlimits={"AS": (pages + 2) * 4096})
    assert (found.fails, found.doubts, image_of(found).identical) == (0, {}, True)


def test_a_changed_limit_stays_when_the_program_sets_it(make: Make) -> None:
    log = log_of(
        "prlimit64(0, RLIMIT_AS, {rlim_cur=1073741824, rlim_max=1073741824}, NULL) = 0",
        "prlimit64(0, RLIMIT_DATA, {rlim_cur=1073741824, rlim_max=1073741824}, NULL) = 0",
        "prlimit64(0, RLIMIT_AS, NULL, {rlim_cur=1073741824, rlim_max=1073741824}) = 0",
        mmap(A, 8192),
    )
    found = compared(make(log, None, meta=machine()), rlimits={"AS": 38 * 4096})
    assert found.fails == 1
    assert found.doubts[LIMIT_SET].lines == [2]


def test_calls_are_carried_along_with_their_memory(make: Make) -> None:
    """Without the munmap the next mapping is elsewhere; what is done to it is done there."""
    log = log_of(
        mmap(A, 8192),
        f"munmap({A:#x}, 8192) = 0",
        mmap(A, 8192, "PROT_READ"),
        f"mprotect({A:#x}, 4096, PROT_NONE) = 0",
        f"mremap({A:#x}, 4096, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, 0x10000000) = 0x10000000",
        f"madvise({A + 4096:#x}, 4096, MADV_DONTFORK) = 0",
        "munmap(0x10000000, 4096) = 0",
    )
    found = compared(make(log, None, meta=machine()), drops=(Pattern("munmap", (hex(A),)),))
    image = image_of(found)
    assert (found.left_out, found.fails, found.passes, found.doubts) == (1, 0, 0, {})
    # The mapping that is kept, besides the same.
    assert (image.recorded.vmas_at_end, image.other.vmas_at_end) == (4, 5)
    assert image.other.pages_at_end == image.recorded.pages_at_end + 2


def test_guard_pages_of_a_threads_stack(make: Make) -> None:
    """As glibc maps them: without rights, then with all but the guard. Two VMAs each become one."""
    calls = []
    for number in (1, 2, 3):
        at = A + 8192 - number * 0x11000
        calls += [
            mmap(at, 0x11000, "PROT_NONE"),
            f"mprotect({at + 4096:#x}, 65536, PROT_READ|PROT_WRITE) = 0",
        ]
    path = make(log_of(*calls), None, meta=machine())
    found = compared(path, guards=True)
    image = image_of(found)
    assert (found.made_otherwise, found.fails, found.doubts) == (3, 0, {})
    assert image.recorded.vmas_at_end == len(FIRST) + 6
    assert image.other.vmas_at_end == len(FIRST) + 1
    # The pages with rights are the same, for guard regions are no memory.
    assert image.recorded.most.resident == image.other.most.resident


def test_guard_pages_by_mprotect(make: Make) -> None:
    """Taken away from the middle, and given back."""
    log = log_of(
        mmap(A - 4096, 12288),
        f"mprotect({A:#x}, 4096, PROT_NONE) = 0",
        f"mprotect({A:#x}, 4096, PROT_READ|PROT_WRITE) = 0",
    )
    image = image_of(compared(make(log, None, meta=machine()), guards=True))
    assert (image.recorded.peak, image.other.peak) == (6, 4)
    assert image.recorded.vmas_at_end == image.other.vmas_at_end == 4
    one, two = image.recorded.at_end, image.other.at_end
    assert one is not None
    assert two is not None
    assert (one.resident, one.page_tables) == (two.resident, two.page_tables)


def test_guard_regions_take_a_kernel_that_has_them(make: Make) -> None:
    log = log_of(mmap(A - 4096, 12288), f"mprotect({A:#x}, 4096, PROT_NONE) = 0")
    found = compared(make(log, None, meta=machine()), guards=True, kernel="6.12")
    assert (found.made_otherwise, image_of(found).other.peak, found.kernel) == (0, 6, "6.12")


@pytest.mark.parametrize(("release", "kernel"), [("4.19.5", "4.19"), ("9.9", "9.9")])
def test_a_recording_of_a_kernel_without_a_profile_has_what_ifs(
    make: Make, release: str, kernel: str
) -> None:
    meta = machine(kernel={"release": release, "config": {}})
    log = log_of(mmap(A - 4096, 12288), f"mprotect({A:#x}, 4096, PROT_NONE) = 0")
    found = compared(make(log, None, meta=meta), drops=(Pattern("mprotect"),))
    assert (found.kernel, found.left_out) == (kernel, 1)


def test_names_keep_memory_apart(make: Make) -> None:
    name = 'prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, {:#x}, 4096, "{}") = 0'
    log = log_of(mmap(A, 8192), name.format(A, "one"), name.format(A + 4096, "two"))
    meta = machine(kernel={"release": "6.18.44", "config": {"CONFIG_ANON_VMA_NAME": True}})
    image = image_of(compared(make(log, None, meta=meta), no_names=True))
    assert (image.recorded.vmas_at_end, image.other.vmas_at_end) == (5, 4)


def test_another_kernel_places_memory_elsewhere(make: Make) -> None:
    """Linux 6.1 does not align large mappings to huge pages: the second one touches the first."""
    log = log_of(
        mmap(0x7EFFFFE00000, 0x200000),
        mmap(0x7EFFFFA00000, 0x400000),
        "munmap(0x7effffa00000, 4096) = 0",
    )
    found = compared(make(log, None, meta=machine()), kernel="6.1")
    image = image_of(found)
    assert (found.fails, found.doubts) == (0, {})
    assert not image.identical
    assert image.other.pages_at_end == image.recorded.pages_at_end


class IgnoresAdvice(VmaInternal):
    """VMAs that differ in MADV_NOHUGEPAGE only may be one."""

    def __init__(self, kernel: KernelState) -> None:
        super().__init__(kernel)
        flag: i64 = VM_NOHUGEPAGE
        self.vm_ignore_merge = self.vm_ignore_merge | flag


def test_another_rule(make: Make) -> None:
    log = log_of(
        mmap(A, 8192),
        f"madvise({A:#x}, 4096, MADV_NOHUGEPAGE) = 0",
        mmap(A - 4096, 4096),
    )
    image = image_of(compared(make(log, None, meta=machine()), seam=IgnoresAdvice))
    assert image.recorded.vmas_at_end == 6
    assert image.other.vmas_at_end < 6


def test_where_huge_pages_may_be(make: Make) -> None:
    """Of 5 MiB in an aligned place, two times 2 MiB; without those that are advised against."""
    log = log_of(
        mmap(0x7EFFFFC00000, 0x500000),
        "madvise(0x7effffc00000, 4096, MADV_NOHUGEPAGE) = 0",
    )
    path = make(log, None, meta=machine(thp={"enabled": "madvise"}))
    image = image_of(compared(path, thp="always"))
    one, two = image.recorded, image.other
    assert (one.most.huge, two.most.huge) == (0, 4 << 20)
    assert two.at_end is not None
    assert two.at_end.huge == 2 << 20
    assert one.vmas_at_end == two.vmas_at_end


def test_a_child_has_its_parents_memory_where_that_is(make: Make) -> None:
    """What is elsewhere in the parent is there in the child as well."""
    lines = [
        'execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0',
        mmap(A, 8192, "PROT_READ"),
        f"munmap({A:#x}, 8192) = 0",
        mmap(A, 8192),
        "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x1000) = 51",
    ]
    log = "".join(f"50 {line}\n" for line in lines) + f"51 mprotect({A:#x}, 4096, PROT_NONE) = 0\n"
    meta = machine()
    meta["events"] = [
        {"after_line": 0, "event": "exec", "pid": 50, "image": "50.1"},
        {"after_line": 4, "event": "fork", "ppid": 50, "pid": 51, "image": "51.0"},
    ]
    path = make(log, None, meta=meta)
    (path / "images" / "51.0").mkdir()
    found = compared(path, drops=(Pattern("munmap"),))
    assert (found.fails, found.doubts) == (0, {})
    child = {image.name: image for image in found.images}["51.0"]
    assert (child.recorded.vmas_at_end, child.other.vmas_at_end) == (5, 6)


def test_the_worked_example() -> None:
    found = compared(ROOT / "examples" / "python-rlimit-as", rlimits={"AS": 300 << 20})
    image = image_of(found)
    assert (found.calls, found.fails, found.passes) == (609, 0, 3)
    assert (image.recorded.peak, image.other.peak) == (104, 106)
    assert [call.line for call in found.pass_now] == [635, 636, 637]
