# SPDX-License-Identifier: GPL-2.0-or-later
"""What drawings cannot say of the VMA core: bytes, the order of locks, operations at random."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import Features
from vmalab.linux.include.page import TASK_SIZE_MAX
from vmalab.linux.include.uapi.errno import EINTR, EINVAL
from vmalab.linux.kernel.exit import exit_mmap
from vmalab.linux.lib.slab import FailNth
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.mm.vma.locks import mm_take_all_locks
from vmalab.linux.mm.vma.mmap_region import mmap_region
from vmalab.linux.mm.vma.modify import vma_modify_flags
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.mm.vma.split import split_vma
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.file import FileAddressSpace
from vmalab.linux.types.mm_types import AnonVma, Mm, Vma
from vmalab.linux.types.vma_iterator import Vmi, vma_lookup
from vmalab.testing import Bench, CheckingInternal, audit, audit_end, parse_kind, parse_layout
from vmalab.testing.seams.checking import VmaBug

ONE_VMA = """
  A = rw-p
  pages   10    12    14
  layout  |AAAAAAAAAAA|
"""


@pytest.mark.parametrize(
    ("start", "length", "result"),
    [
        (0x10001, 0x1000, -EINVAL),
        (0x10000, 0, -EINVAL),
        (TASK_SIZE_MAX + 0x1000, 0x1000, -EINVAL),
        (0x10000, TASK_SIZE_MAX, -EINVAL),
        (TASK_SIZE_MAX, 0, -EINVAL),
        (0x10000, 1, 0),
        (0x10000, 0xFFF, 0),
        (0, TASK_SIZE_MAX, 0),
    ],
)
def test_munmap_takes_whole_pages_of_user_space(start: int, length: int, result: int) -> None:
    bench = parse_layout(ONE_VMA).build()
    assert do_munmap(bench.mm, start, length, None) == result
    assert audit(bench) == []


def test_munmap_rounds_the_length_up() -> None:
    bench = parse_layout(ONE_VMA).build()
    assert do_munmap(bench.mm, 0x10000, 0x1001, None) == 0
    assert [(region.start, region.end) for region in bench.regions()] == [(0x12, 0x14)]


# Locks.

LOCKS = """
  A = rw-p a1
  C = rw-p a3<a2
  S = rw-s file:data
  H = rw-s file:big ht
  pages   10    12    14    16    18
  layout  |AAAAA|SSSSS|HHHHH|CCCCC|
"""


def test_locks_are_taken_in_the_order_of_the_kernel() -> None:
    """C's anon_vma and the one it was forked from have one lock, that of their root."""
    bench = parse_layout(LOCKS).build()
    bench.seam.locked.clear()
    assert mm_take_all_locks(bench.mm) == 0
    kinds = [type(one).__name__ for one in bench.seam.locked]
    assert kinds == ["Vma"] * 4 + ["FileAddressSpace"] * 2 + ["AnonVma"] * 2
    mappings = [
        one.host.i_mapping for one in bench.seam.locked if isinstance(one, FileAddressSpace)
    ]
    big, data = bench.file("big"), bench.file("data")
    assert big is not None
    assert data is not None
    assert mappings == [big.inode.i_mapping, data.inode.i_mapping]


@pytest.mark.parametrize(
    ("version", "files", "locks"),
    [
        pytest.param((6, 12), "a" * 20, 3, id="eight together"),
        pytest.param((6, 1), "a" * 20, 20, id="one by one before"),
        pytest.param((6, 12), "aabaa", 3, id="another file between"),
        pytest.param((6, 12), "aa" + " " * 600 + "a", 2, id="a page table's worth between"),
        pytest.param((6, 12), "aa aa", 1, id="a hole between"),
    ],
)
def test_files_that_are_unmapped_together_are_unlinked_together(
    version: tuple[int, int], files: str, locks: int
) -> None:
    bench = Bench({})
    bench.config.features = Features(version)
    for page, file in enumerate(files, 16):
        if file != " ":
            bench.add(page, page + 1, parse_kind(f"r--p file:{file}"), 2 * page)
    bench.seam.locked.clear()
    assert do_munmap(bench.mm, 0x10000, len(files) << 12, None) == 0
    taken = [one for one in bench.seam.locked if isinstance(one, FileAddressSpace)]
    assert len(taken) == locks


class Interrupted(CheckingInternal):
    """A seam whose process gets a signal after some looks for one."""

    looks = 0

    def signal_pending(self, mm: Mm) -> bool:
        """Custom: from the fifteenth look on, while anon_vmas are locked."""
        self.looks += 1
        return self.looks > 14


def test_a_signal_in_the_middle_releases_what_was_taken() -> None:
    bench = parse_layout(LOCKS).build(Interrupted)
    assert mm_take_all_locks(bench.mm) == -EINTR
    assert any(isinstance(one, AnonVma) for one in bench.seam.locked)
    assert audit(bench) == []


# The end of an address space.


def test_exit_unmaps_what_munmap_refuses() -> None:
    bench = parse_layout(LOCKS.replace("rw-p a1", "rw-p a1 sl")).build()
    assert do_munmap(bench.mm, 0, TASK_SIZE_MAX, None) < 0
    exit_mmap(bench.mm)
    counters = ("total_vm", "data_vm", "exec_vm", "stack_vm", "locked_vm")
    for name in counters:
        setattr(bench.mm, name, 0)
    bench.tear_down()
    assert audit_end(bench) == []


# validate_mm: each invariant that is broken by hand is named.


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("vm_end", 0x13000, "10000-13000: the tree holds it at 10000-14000"),
        ("vm_start", 0x10800, "10800-14000: not page aligned"),
        ("vm_pgoff", -1, "10000-14000: negative page offset"),
        ("attached", False, "10000-14000: in the tree but marked detached"),
        ("vm_flags", 0xB, "10000-14000: shared without a file"),
        ("vm_flags", 0x2, "10000-14000: has access rights that it may not have"),
        ("anon_vma", AnonVma(), "10000-14000: its anon_vma is not in its chain"),
    ],
)
def test_a_broken_vma_is_named(field: str, value: object, complaint: str) -> None:
    bench = parse_layout(ONE_VMA).build()
    setattr(bench.vmas()[0], field, value)
    assert complaint in mm_violations(bench.mm)


@pytest.mark.parametrize("counter", ["total_vm", "locked_vm", "data_vm", "exec_vm", "stack_vm"])
def test_a_counter_that_drifts_is_named(counter: str) -> None:
    bench = parse_layout(ONE_VMA).build()
    setattr(bench.mm, counter, getattr(bench.mm, counter) + 1)
    assert [text.split()[0] for text in mm_violations(bench.mm)] == [counter]


def test_a_wrong_map_count_is_named() -> None:
    bench = parse_layout(ONE_VMA).build()
    bench.mm.map_count = 2
    assert mm_violations(bench.mm) == ["map_count is 2, the tree holds 1 VMAs"]


def test_a_split_outside_of_the_vma_is_a_bug_of_the_caller() -> None:
    bench = parse_layout(ONE_VMA).build()
    vma = bench.vmas()[0]
    with pytest.raises(VmaBug, match="the address is not inside the VMA"):
        split_vma(Vmi(bench.mm, vma.vm_start), vma, vma.vm_end, True)


# Laws, on address spaces that operations at random have made.

FLAGS = [parse_kind(text).flags for text in ("rw-p", "r--p", "rw-p nh", "rw-p lo", "---p")]
FIRST, LAST = 0x10, 0x30
ranges = st.tuples(st.integers(FIRST, LAST - 1), st.integers(1, 8))
operations = st.tuples(
    st.sampled_from(["mmap", "mmap", "munmap", "modify", "touch", "split"]),
    ranges,
    st.sampled_from(FLAGS),
    st.one_of(st.just(0), st.integers(1, 4)),
)
Operation = tuple[str, tuple[int, int], int, int]


def carry_out(bench: Bench, operation: Operation) -> int:
    """Make one call on what is there: its result, or 1 when it does not apply."""
    name, (start, pages), flags, nth = operation
    bench.kernel.set_fault(FailNth(nth) if nth else None)
    first, last = start << 12, (start + pages) << 12
    vma = vma_lookup(bench.mm, first)
    result = 1
    if name == "mmap":
        given_flags = flags & ~0x100000
        result = mmap_region(bench.mm, None, first, last - first, given_flags, start, None)
    elif name == "munmap":
        result = do_munmap(bench.mm, first, last - first, None)
    elif name == "touch" and vma is not None:
        result = anon_vma_prepare(vma)
    elif name == "split" and vma is not None and vma.vm_start < first:
        vmi = Vmi(bench.mm, first)
        vmi.load()
        result = split_vma(vmi, vma, first, pages % 2 == 0)
    elif name == "modify" and vma is not None:
        result = modify(bench, vma, first, min(last, vma.vm_end), flags)
    bench.kernel.set_fault(None)
    return int(result)


def modify(bench: Bench, vma: Vma, first: int, last: int, flags: int) -> int:
    """Give a range of a VMA other flags, as mprotect and madvise do."""
    vmi = Vmi(bench.mm, first)
    vmi.load()
    prev = vma if first > vma.vm_start else vmi.prev()
    vmi.set(first)
    vmi.load()
    old, pages = int(vma.vm_flags), (last - first) >> 12
    vmg = vma_modify_flags(vmi, prev, vma, first, last, flags)
    if vmg.result is not None and vmg.error == 0:
        vmg.result.vm_flags = vmg.vm_flags
        bench.account(old, -pages)
        bench.account(int(vmg.vm_flags), pages)
    return int(vmg.error)


def mapped(bench: Bench) -> dict[int, tuple[int, int]]:
    """Flags and page offset of each page: what is mapped, wherever the borders are."""
    return {
        page: (region.kind.flags, (region.kind.pgoff or 0) + page - region.start)
        for region in bench.regions()
        for page in range(region.start, region.end)
    }


@given(st.lists(operations, max_size=25))
@settings(max_examples=150)
def test_nothing_breaks_or_leaks_whatever_fails(calls: list[Operation]) -> None:
    bench = Bench({})
    for call in calls:
        carry_out(bench, call)
        assert audit(bench) == []
    bench.tear_down()
    assert audit_end(bench) == []


@given(st.lists(operations, max_size=20), operations)
@settings(max_examples=150)
def test_a_call_that_runs_out_of_memory_maps_and_unmaps_nothing_else(
    calls: list[Operation], last: Operation
) -> None:
    bench = Bench({})
    for call in calls:
        carry_out(bench, call)
    before = mapped(bench)
    name, (start, pages), _, _ = last
    if carry_out(bench, last) < 0:
        after = mapped(bench)
        inside = set(range(start, start + pages)) if name == "mmap" else set()
        assert {page: before[page] for page in before if page not in inside} == {
            page: after[page] for page in after if page not in inside
        }
        assert set(after) <= set(before)


@given(st.lists(operations, max_size=20), ranges)
@settings(max_examples=150)
def test_changing_flags_there_and_back_changes_nothing(
    calls: list[Operation], place: tuple[int, int]
) -> None:
    bench = Bench({})
    for call in calls:
        carry_out(bench, call)
    vma = vma_lookup(bench.mm, place[0] << 12)
    if vma is None:
        return
    first, last, flags = place[0] << 12, min(sum(place) << 12, vma.vm_end), int(vma.vm_flags)
    before = mapped(bench)
    assert modify(bench, vma, first, last, flags ^ 0x4000000) == 0
    changed = vma_lookup(bench.mm, first)
    assert changed is not None
    assert modify(bench, changed, first, last, flags) == 0
    assert mapped(bench) == before
    assert audit(bench) == []


def test_the_configuration_of_a_bench_is_its_own() -> None:
    left, right = Bench({}), Bench({})
    left.config.max_map_count = 1
    assert right.config.max_map_count == KernelConfig().max_map_count
