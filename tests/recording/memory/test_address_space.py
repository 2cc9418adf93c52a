# SPDX-License-Identifier: GPL-2.0-or-later
"""What is read from a kernel's memory is what that kernel showed; damaged memory is an error."""

import pytest

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import vmas_of
from vmalab.linux.include.mm_flags import VM_SEALED, VM_UFFD_MINOR
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.memory.address_space import AddressSpaces, MemoryVma
from vmalab.recording.readers.maps import parse_smaps
from vmalab.targets.model.memory_vmas import model_flags, vmas_of_memory
from vmalab.targets.model.model import ModelTarget

from ...kept_memory import KERNELS, KeptMemory, kept


def space(kernel: str, pid: str) -> list[MemoryVma]:
    spaces = AddressSpaces(KeptMemory(kernel))
    return spaces.vmas(spaces.process(int(pid)))


def pids(kernel: str) -> list[str]:
    return list(kept(kernel)["smaps"])


@pytest.mark.parametrize("which", [0, 1], ids=["parent", "child"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_vmas_are_as_smaps_shows_them(kernel: str, which: int) -> None:
    pid = pids(kernel)[which]
    target = ModelTarget(Meta(), kernel)
    target.execute(1, MetaImage(), None)
    mm = target.mm(1)
    assert mm is not None
    major, minor = (int(part) for part in kernel.split("."))
    _, lines = vmas_of_memory(mm, space(kernel, pid), (major, minor))
    assert lines == vmas_of(parse_smaps(kept(kernel)["smaps"][pid]))


@pytest.mark.parametrize("kernel", KERNELS)
def test_processes_are_listed_with_their_vmas(kernel: str) -> None:
    found = list(AddressSpaces(KeptMemory(kernel)).processes())
    assert [str(one.pid) for one in found] == pids(kernel)
    assert {one.name for one in found} == {"init"}
    assert [one.vmas for one in found] == [len(space(kernel, pid)) for pid in pids(kernel)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_no_file_of_proc_shows_is_read(kernel: str) -> None:
    parent, child = (space(kernel, pid) for pid in pids(kernel))
    at = {vma.start: vma for vma in parent}
    assert at[0x1001E000].policy_is == (2, 0, 1, -1)
    assert at[0x10028000].context
    assert not at[0x1002A000].context
    assert len({at[start].anon_vma for start in (0x10000000, 0x10004000, 0x10006000)}) == 1
    below = {vma.start: vma for vma in child}
    assert (at[0x10000000].links, below[0x10000000].links) == (1, 2)
    assert below[0x40010000].pgoff == 0x40000
    assert below[0x40010000].anon_vma == below[0x40001000].anon_vma
    assert not below[0x10028000].context
    assert at[0x30000000].inode
    assert not at[0x30000000].anon_vma


def test_process_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ReadError, match="no process 4711 with an address space"):
        AddressSpaces(KeptMemory("7.3")).process(4711)


def test_list_of_tasks_that_leads_nowhere_is_an_error() -> None:
    memory = KeptMemory("7.3")
    first = memory.symbol("init_task") + (memory.offset("task_struct", "tasks") or 0)
    memory.reads[first] = bytes(8)
    with pytest.raises(ReadError, match="nothing at"):
        list(AddressSpaces(memory).processes())


@pytest.mark.parametrize("low", [0x0E, 0x1E, 0x7E], ids=["leaf", "range", "no type"])
def test_tree_of_damaged_nodes_is_an_error(low: int) -> None:
    memory = KeptMemory("7.3")
    spaces = AddressSpaces(memory)
    process = spaces.process(int(pids("7.3")[0]))
    root = process.mm + (memory.offset("mm_struct", "mm_mt.ma_root") or 0)
    node = 0xFFFF888000000000
    memory.reads[root] = (node | low).to_bytes(8, "little")
    # A node that has itself below, or VMAs that are none.
    below = node if low == 0x0E else node | low
    memory.reads[node] = below.to_bytes(8, "little") * 32
    with pytest.raises(ReadError):
        spaces.vmas(process)


def test_kernel_of_another_kind_is_an_error() -> None:
    memory = KeptMemory("7.3")
    memory.offset = lambda name, path: None  # type: ignore[method-assign]
    with pytest.raises(ReadError, match="this kernel's struct task_struct has no tasks"):
        AddressSpaces(memory)


def test_bits_that_moved_are_the_models() -> None:
    assert model_flags(1 << 63 | 1, (6, 12)) == VM_SEALED | 1
    assert model_flags(1 << 38, (6, 12)) == VM_UFFD_MINOR
    assert model_flags(1 << 37, (6, 1)) == VM_UFFD_MINOR
    assert model_flags(VM_UFFD_MINOR, (7, 3)) == VM_UFFD_MINOR
