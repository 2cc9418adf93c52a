# SPDX-License-Identifier: GPL-2.0-or-later
"""The kit's seams: what fails, what is noted, what a strict one catches, what all must do."""

import pytest

from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.mm_flags import VM_WRITE
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.lib.maple_node import Node
from vmalab.linux.mm.vma.munmap import do_munmap
from vmalab.linux.mm.vma.split import split_vma
from vmalab.linux.mm.vma_init import vm_area_alloc, vm_area_free
from vmalab.linux.mm.vma_internal import VmaInternal
from vmalab.linux.types.file import FileAddressSpace
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import AnonVma, Vma
from vmalab.linux.types.vma_iterator import Vmi, vma_lookup
from vmalab.testing import (
    Bench,
    CheckingInternal,
    FailingInternal,
    ObservingInternal,
    StrictInternal,
    conformance,
    parse_layout,
    run_cases,
    shipped_cases,
)
from vmalab.testing.seams.checking import VmaBug

SEAMS = [VmaInternal, CheckingInternal, FailingInternal, ObservingInternal, StrictInternal]
LAYOUT = """
  A = rw-p a1
  B = rw-p file:lib a2
  pages   10    14    18    1c
  layout  |AAAAA|     |BBBBB|
"""


@pytest.mark.parametrize("seam", SEAMS, ids=[seam.__name__ for seam in SEAMS])
def test_every_seam_conforms(seam: type[VmaInternal]) -> None:
    assert conformance(seam) == []


@pytest.mark.parametrize("seam", [ObservingInternal, StrictInternal])
def test_the_cases_pass_under_every_seam(seam: type[CheckingInternal]) -> None:
    failed = [verdict.case.id for verdict in run_cases(shipped_cases(), seam) if not verdict.passed]
    assert failed == []


class Leaky(VmaInternal):
    """Forgets to count what it frees."""

    def kmem_cache_free(self, cache: object, obj: object) -> None:
        pass


class Unlocked(VmaInternal):
    """Does not mark what it locks."""

    def i_mmap_lock_write(self, mapping: FileAddressSpace) -> None:
        pass


class Stray(VmaInternal):
    """Enters VMAs nowhere."""

    def vma_interval_tree_insert(self, vma: Vma, mapping: FileAddressSpace) -> None:
        pass


@pytest.mark.parametrize(
    ("seam", "law"),
    [
        (Leaky, "allocations_are_counted_and_fail_when_arranged"),
        (Unlocked, "locks_are_marked"),
        (Stray, "reverse_maps_find_what_was_entered"),
    ],
)
def test_what_does_not_conform_is_named(seam: type[VmaInternal], law: str) -> None:
    assert any(complaint.startswith(f"{law}: ") for complaint in conformance(seam))


# Failing.


def failing_bench() -> tuple[Bench, FailingInternal]:
    """A bench whose allocations can be made to fail."""
    bench = parse_layout(LAYOUT).build(FailingInternal)
    assert isinstance(bench.seam, FailingInternal)
    return bench, bench.seam


def split(bench: Bench) -> int:
    """Split the lower VMA, which takes a VMA, maybe nodes, and a link."""
    vma = vma_lookup(bench.mm, 0x10000)
    assert vma is not None
    return int(split_vma(Vmi(bench.mm, 0x10000), vma, 0x12000, True))


def test_the_nth_allocation_fails_and_no_other() -> None:
    bench, seam = failing_bench()
    seam.fail_nth(2)
    assert split(bench) == -12
    assert seam.failed == ["maple_node"]
    assert split(bench) == 0


def test_every_other_allocation_fails() -> None:
    bench, seam = failing_bench()
    seam.fail_every(1, "anon_vma_chain")
    assert [split(bench), split(bench)] == [-12, -12]
    assert seam.failed == ["anon_vma_chain"] * 2
    seam.fail_none()
    assert split(bench) == 0


def test_a_predicate_decides() -> None:
    bench, seam = failing_bench()
    seam.fail_when(lambda cache: cache.name == "vm_area_struct" and cache.nr_active >= 2)
    assert split(bench) == -12
    assert seam.failed == ["vm_area_struct"]


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'socket' is no cache; there are anon_vma, "):
        failing_bench()[1].fail_nth(1, "socket")


# Observing.


def test_a_split_is_told_in_order() -> None:
    bench = parse_layout(LAYOUT).build(ObservingInternal)
    seam = bench.seam
    assert isinstance(seam, ObservingInternal)
    seam.clear()
    vma = vma_lookup(bench.mm, 0x18000)
    assert vma is not None
    assert split_vma(Vmi(bench.mm, 0x18000), vma, 0x1A000, False) == 0
    assert seam.text().splitlines() == [
        "allocation alloc vm_area_struct",
        "reverse map clone 18-1c to 1a-1c",
        "allocation alloc anon_vma_chain",
        "reference get file lib",
        "lock take vma 18-1c",
        "lock take vma 1a-1c",
        "lock take i_mmap lib",
        "reverse map insert 1a-1c pgoff 2",
        "lock take anon_vma a1",
        "reverse map remove 18-1c pgoff 0",
        "reverse map insert 18-1a pgoff 0",
        "lock give anon_vma a1",
        "lock give i_mmap lib",
    ]


def test_accounting_is_told_with_its_amount() -> None:
    config = KernelConfig()
    seam = ObservingInternal(KernelState(config))
    task = LinuxMachine(config, seam).spawn()
    assert do_syscall(task, "mmap", 0x100000, 0x3000, 3, 0x32, 2**64 - 1, 0) == 0x100000
    assert [event.text() for event in seam.of_kind("account")] == [
        "account charge committed +3",
        "account count total_vm +3",
    ]
    assert seam.events[0].text() == "lock take mmap_lock"
    assert seam.events[-1].text() == "lock give mmap_lock"


# Strict.


def strict_bench() -> tuple[Bench, StrictInternal, Vma, Vma]:
    """A bench that is strict, with the anonymous VMA and the file's."""
    bench = parse_layout(LAYOUT).build(StrictInternal)
    seam, (anon, filed) = bench.seam, bench.vmas()
    assert isinstance(seam, StrictInternal)
    bench.begin_call()
    return bench, seam, anon, filed


def test_a_vma_is_not_written_to_without_its_lock() -> None:
    bench, seam, anon, _ = strict_bench()
    anon.vm_flags &= ~VM_WRITE
    with pytest.raises(VmaBug, match="10-14, was 10-14: changed without its write lock"):
        seam.validate_mm(bench.mm)


def test_the_mmap_lock_is_taken_once() -> None:
    bench, seam, _, _ = strict_bench()
    with pytest.raises(VmaBug, match="the mmap lock is taken twice"):
        seam.mmap_write_lock(bench.mm)


def test_a_vma_is_locked_before_reverse_maps() -> None:
    _, seam, anon, filed = strict_bench()
    assert filed.vm_file is not None
    seam.i_mmap_lock_write(filed.vm_file.inode.i_mapping)
    with pytest.raises(VmaBug, match="a VMA is locked under an i_mmap lock"):
        seam.vma_start_write(anon)


def test_i_mmap_comes_before_anon_vma() -> None:
    _, seam, anon, filed = strict_bench()
    assert anon.anon_vma is not None
    assert filed.vm_file is not None
    seam.anon_vma_lock_write(anon.anon_vma)
    with pytest.raises(VmaBug, match="an i_mmap lock is taken under an anon_vma lock"):
        seam.i_mmap_lock_write(filed.vm_file.inode.i_mapping)


def test_a_call_ends_with_every_lock_given_back() -> None:
    bench, seam, anon, _ = strict_bench()
    assert anon.anon_vma is not None
    seam.anon_vma_lock_write(anon.anon_vma)
    with pytest.raises(VmaBug, match="a call ends and an anon_vma lock is held"):
        bench.begin_call()


def test_a_vma_leaves_the_reverse_map_before_it_changes() -> None:
    _, seam, _, filed = strict_bench()
    assert filed.vm_file is not None
    mapping = filed.vm_file.inode.i_mapping
    filed.vm_end -= 0x1000
    seam.i_mmap_lock_write(mapping)
    with pytest.raises(VmaBug, match="was changed while it was in its file's reverse map"):
        seam.vma_interval_tree_remove(filed, mapping)


def test_a_vma_leaves_its_anon_vmas_trees_before_it_changes() -> None:
    bench, seam, anon, _ = strict_bench()
    seam.vma_start_write(anon)
    anon.vm_pgoff += 1
    with pytest.raises(VmaBug, match="10-14 was changed in the trees of its anon_vmas"):
        seam.validate_mm(bench.mm)


def test_a_freed_vma_is_not_used_again() -> None:
    bench, seam, anon, _ = strict_bench()
    spare = vm_area_alloc(bench.mm)
    assert spare is not None
    vm_area_free(spare)
    with pytest.raises(VmaBug, match="is copied after it was freed"):
        seam.anon_vma_clone(anon, spare)
    with pytest.raises(VmaBug, match="freed twice"):
        vm_area_free(spare)
    spare.vm_start = 0x5000
    with pytest.raises(VmaBug, match="written to after it was freed"):
        seam.validate_mm(bench.mm)


def test_a_freed_vma_is_not_in_the_tree() -> None:
    bench, seam, anon, _ = strict_bench()
    seam.kmem_cache_free(seam.kernel.vm_area_cache, anon)
    with pytest.raises(VmaBug, match="10-14 is in the tree after it was freed"):
        seam.validate_mm(bench.mm)


def test_a_freed_anon_vma_is_not_used_again() -> None:
    bench, seam, anon, _ = strict_bench()
    own = anon.anon_vma
    assert own is not None
    assert do_munmap(bench.mm, 0x10000, 0x4000, None) == 0
    with pytest.raises(VmaBug, match="an anon_vma is used after it was freed"):
        seam.anon_vma_lock_write(own)
    used = AnonVma()
    used.nr_links = 1
    with pytest.raises(VmaBug, match="an anon_vma with 1 links is freed"):
        seam.graves.freed(seam.kernel.anon_vma_cache, used)


def test_a_node_is_freed_once() -> None:
    _, seam, _, _ = strict_bench()
    node = Node()
    seam.graves.freed(seam.kernel.maple_node_cache, node)
    with pytest.raises(VmaBug, match="a node of a tree is freed twice"):
        seam.graves.freed(seam.kernel.maple_node_cache, node)


def test_a_mapped_file_has_a_reference_for_each_vma() -> None:
    bench, seam, _, filed = strict_bench()
    assert filed.vm_file is not None
    half = (filed.vm_start + filed.vm_end) >> 1
    assert split_vma(Vmi(bench.mm, filed.vm_start), filed, half, True) == 0
    filed.vm_file.f_count = 1
    with pytest.raises(VmaBug, match="the file lib has 1 references, 2 VMAs"):
        seam.validate_mm(bench.mm)
    filed.vm_file.f_count = 0
    with pytest.raises(VmaBug, match="put once too often"):
        seam.fput(filed.vm_file)
    with pytest.raises(VmaBug, match="taken after it was released"):
        seam.get_file(filed.vm_file)


def test_a_whole_process_is_watched() -> None:
    config = KernelConfig()
    seam = StrictInternal(KernelState(config))
    machine = LinuxMachine(config, seam)
    task = machine.spawn()
    assert do_syscall(task, "mmap", 0x100000, 0x8000, 3, 0x32, 2**64 - 1, 0) == 0x100000
    assert do_syscall(task, "madvise", 0x100000, 0x8000, 23) == 0
    child = do_syscall(task, "fork")
    assert child > 0
    for one in (task, machine.tasks[child]):
        assert do_syscall(one, "mprotect", 0x102000, 0x2000, 1) == 0
        assert do_syscall(one, "mremap", 0x104000, 0x1000, 0x4000, 1) > 0
        assert do_syscall(one, "munmap", 0x100000, 0x8000) == 0
    assert seam.checked > 20
    for one in list(machine.tasks.values()):
        machine.exit_task(one)
    assert machine.leaks() == []
