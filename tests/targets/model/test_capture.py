# SPDX-License-Identifier: GPL-2.0-or-later
"""A part of an address space can be taken back, and made to be as a recorded map shows it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.map_line import map_lines
from vmalab.calls.snapshot import VmaLine
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.recording.format.meta import Meta
from vmalab.targets.model.capture import Capture, cut, vmas_in
from vmalab.targets.model.identity import first_mismatch
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.reshape import reshape

from .conftest import FREE, IMAGE, LINES, apply


def state(mm: Mm) -> list[tuple[object, ...]]:
    """All that decides later calls, of each VMA, and the mm's counters."""
    vmas = [
        (v.vm_start, v.vm_end, v.vm_flags, v.vm_pgoff, v.vm_file, v.anon_vma, v.anon_name)
        for v in vmas_in(mm, 0, 1 << 56)
    ]
    return [*vmas, (mm.map_count, mm.total_vm, mm.data_vm, mm.locked_vm, mm.kernel.committed_as)]


CHANGES: list[tuple[str, tuple[int, ...]]] = [
    ("munmap", (FREE, 4096)),
    ("munmap", (FREE - 0x3000, 0x3000)),
    ("mprotect", (FREE, 4096, 1)),
    ("mprotect", (FREE - 0x1000, 8192, 0)),
    ("madvise", (FREE, 4096, 10)),
    ("mremap", (FREE, 4096, 8192, 1)),
    ("mmap", (FREE - 0x2000, 8192, 3, 0x32, 2**64 - 1, 0)),
    ("mlock", (FREE, 8192)),
]


@pytest.fixture
def busy(target: ModelTarget, mm: Mm) -> ModelTarget:
    """With three anonymous mappings above a hole, two of them written to."""
    for length in (8192, 4096, 4096):
        assert apply(target, "mmap", 0, length, 3, 0x22, 2**64 - 1, 0) > 0
        vma = vma_lookup(mm, mm.mmap_base - 0xA000)
        if vma is not None:
            anon_vma_prepare(vma)
    apply(target, "mprotect", FREE, 4096, 7)
    return target


@given(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4))
def test_what_was_captured_is_put_back(changes: list[tuple[str, tuple[int, ...]]]) -> None:
    target = ModelTarget(Meta(sysctl={"kernel.randomize_va_space": 2}), "6.18")
    target.execute(50, IMAGE, LINES)
    mm = target.mm(50)
    assert mm is not None
    apply(target, "mmap", 0, 8192, 3, 0x22, 2**64 - 1, 0)
    apply(target, "mprotect", FREE, 4096, 7)
    anon_vma_prepare(vmas_in(mm, FREE + 1, FREE + 2)[0])
    before = state(mm)
    whole = [(0, 1 << 56)]
    capture = Capture(mm, whole)
    for name, args in changes:
        apply(target, name, *args)
    capture.restore(whole)
    assert state(mm) == before
    capture.release()
    assert mm_violations(mm) == []
    assert state(mm) == before


def test_rest_of_what_grew_into_the_range_stays(busy: ModelTarget, mm: Mm) -> None:
    """A neighbour that was not captured became one with the new mapping."""
    low = vmas_in(mm, FREE - 0x2000, FREE)[0]
    place = low.vm_start - 4096
    before = [line.text for line in busy.lines(mm)]
    capture = Capture(mm, [(0x10000, 0x11000)])
    assert apply(busy, "mmap", place, 4096, 3, 0x32, 2**64 - 1, 0) == place
    capture.restore([(place, place + 4096)])
    capture.release()
    assert [line.text for line in busy.lines(mm)] == before
    assert mm.map_count == len(before)


def test_nothing_leaks_through_captures(busy: ModelTarget, mm: Mm) -> None:
    for _ in range(3):
        capture = Capture(mm, [(0, 1 << 56)])
        apply(busy, "munmap", FREE, 4096)
        capture.restore([(FREE, FREE + 4096)])
        capture.release()
    busy.exit(50)
    assert busy.machine.leaks() == []


def test_what_lies_in_several_ranges_is_captured_once(busy: ModelTarget, mm: Mm) -> None:
    ranges = [(FREE, FREE + 0x5000), (0, 1 << 56), (FREE - 0x3000, FREE + 0x1000), (FREE, FREE)]
    capture = Capture(mm, ranges)
    assert [copy.vm_start for copy in capture.copies] == [vma.vm_start for vma in mm_vmas(mm)]
    capture.release()
    assert capture.copies == []


def test_capture_keeps_what_it_holds_and_gives_it_back(busy: ModelTarget, mm: Mm) -> None:
    (vma,) = vmas_in(mm, FREE + 1, FREE + 2)
    anon_vma_prepare(vma)
    anon_vma = vma.anon_vma
    assert anon_vma is not None
    counts = (anon_vma.nr_links, anon_vma.num_active_vmas)
    held = busy.machine.leaks()
    capture = Capture(mm, [(FREE, FREE + 1)])
    assert busy.machine.leaks() == held
    assert (anon_vma.nr_links, anon_vma.num_active_vmas) > counts
    capture.release()
    assert (anon_vma.nr_links, anon_vma.num_active_vmas) == counts


def test_cut_splits_only_inside(busy: ModelTarget, mm: Mm) -> None:
    count = mm.map_count
    assert not cut(mm, FREE)
    assert not cut(mm, 0x1000)
    assert cut(mm, 0x555555555000)
    assert mm.map_count == count + 1


def anonymous(start: int, end: int, perms: str, flags: str) -> VmaLine:
    return VmaLine(start, end, perms, 0, "00:00", 0, "", tuple(flags.split()))


def test_reshape_makes_the_map_be_as_shown(busy: ModelTarget, mm: Mm) -> None:
    want = [
        *LINES[:2],
        anonymous(0x600000000000, 0x600000002000, "r--p", "rd mr mw me"),
        anonymous(FREE, FREE + 0x1000, "rw-p", "rd wr mr mw me ac lo"),
        *LINES[2:-1],
    ]
    assert reshape(busy.machine, busy.identities, mm, want) > 0
    assert first_mismatch(vmas_in(mm, 0, 1 << 56), map_lines(want), busy.identities) is None
    assert mm_violations(mm) == []
    assert mm.locked_vm == 1
    assert reshape(busy.machine, busy.identities, mm, want) == 0


def test_reshape_keeps_what_lines_do_not_show(busy: ModelTarget, mm: Mm) -> None:
    vma = vma_lookup(mm, FREE)
    assert vma is not None
    anon_vma_prepare(vma)
    anon_vma = vma.anon_vma
    lines = [
        line if line.start != FREE else anonymous(FREE, line.end, "r--p", "rd mr mw me ac")
        for line in busy.lines(mm)
    ]
    reshape(busy.machine, busy.identities, mm, lines)
    kept = vma_lookup(mm, FREE)
    assert kept is not None
    assert kept.anon_vma is anon_vma
    busy.exit(50)
    assert busy.machine.leaks() == []


def test_reshape_leaves_out_what_cannot_be(busy: ModelTarget, mm: Mm) -> None:
    torn = [*LINES[:2], anonymous(0x555555556000, 0x555555559000, "rw-p", "rd wr"), *LINES[2:-1]]
    reshape(busy.machine, busy.identities, mm, torn)
    assert first_mismatch(vmas_in(mm, 0, 1 << 56), map_lines(LINES[:-1]), busy.identities) is None
