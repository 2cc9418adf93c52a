# SPDX-License-Identifier: GPL-2.0-or-later
"""What recorded calls become on a tree: made at their recorded place, or left out with a reason."""

import pytest

from vmalab.calls.call import Call
from vmalab.explain.on_tree.carried import TreeCall, carried, why_not
from vmalab.explain.on_tree.space import DESCRIPTOR
from vmalab.linux.include.mm_flags import VM_NOHUGEPAGE
from vmalab.linux.include.uapi.mman import (
    MADV_GUARD_INSTALL,
    MADV_NOHUGEPAGE,
    MADV_POPULATE_READ,
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_HUGETLB,
    MAP_PRIVATE,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.mm.page_tables import PageTables
from vmalab.linux.mm.vma_internal import VmaInternal
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import Mm, Vma

PLACE = 0x7F0000000000
ANON = MAP_PRIVATE | MAP_ANONYMOUS
EFAULT = 14


def made(name: str, *args: int, ret: int = 0, abi: str = "x86_64") -> Call:
    return Call(1, name, (*args, *(0,) * (6 - len(args))), ret=ret, abi=abi)


@pytest.fixture
def mm() -> Mm:
    from vmalab.linux.include.config import KernelConfig

    return Mm(VmaInternal(KernelState(KernelConfig())), PageTables())


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (made("brk", 0, abi="i386"), "32-bit calls"),
        (made("mbind", 0, 4096), "mbind is none"),
        (made("mmap", 0, 4096, 3, ANON | MAP_HUGETLB), "no huge pages"),
        (made("madvise", PLACE, 4096, MADV_GUARD_INSTALL), "there are no pages"),
        (made("ioctl", 3, 0), "not by their descriptors"),
        (made("memfd_create", 0, 0), "not by their descriptors"),
    ],
    ids=["32-bit", "numa", "huge", "guard", "ioctl", "descriptor"],
)
def test_what_user_mode_lacks_is_left_out_with_its_reason(call: Call, why: str) -> None:
    assert why in why_not(call)


@pytest.mark.parametrize("name", ["munmap", "mprotect", "mlock", "mremap", "brk", "mseal"])
def test_calls_of_linked_files_are_made(name: str) -> None:
    assert why_not(made(name, PLACE, 4096)) == ""


def test_a_mapping_goes_to_its_recorded_place_and_replaces_nothing(mm: Mm) -> None:
    call = made("mmap", 0, 4096, 3, ANON | MAP_32BIT, ret=PLACE)
    assert why_not(call) == ""
    one = carried(call, mm, None)
    assert isinstance(one, TreeCall)
    assert one.made.args[0] == PLACE
    assert one.made.args[3] == ANON | MAP_FIXED_NOREPLACE


def test_a_fixed_mapping_stays_what_it_was(mm: Mm) -> None:
    one = carried(made("mmap", PLACE, 4096, 3, ANON | MAP_FIXED, ret=PLACE), mm, None)
    assert isinstance(one, TreeCall)
    assert one.made.args[3] == ANON | MAP_FIXED


def test_a_mapping_of_a_file_uses_the_descriptor_that_stands_for_it(mm: Mm) -> None:
    one = carried(made("mmap", 0, 4096, 1, MAP_PRIVATE, 7, ret=PLACE), mm, Vma(mm))
    assert isinstance(one, TreeCall)
    assert one.made.args[4] == DESCRIPTOR


def test_a_refusal_by_a_file_is_left_out(mm: Mm) -> None:
    assert carried(made("mmap", 0, 4096, 1, MAP_PRIVATE, 7, ret=-13), mm, None) == (
        "mmap: a refusal by a file"
    )


def test_a_flag_that_user_mode_does_not_give_is_given_beside_the_call(mm: Mm) -> None:
    vma = Vma(mm)
    vma.vm_flags = VM_NOHUGEPAGE
    one = carried(made("mmap", 0, 4096, 3, ANON, ret=PLACE), mm, vma)
    assert isinstance(one, TreeCall)
    assert one.hidden == "nh"


def test_advice_for_huge_pages_changes_flags(mm: Mm) -> None:
    one = carried(made("madvise", PLACE, 4096, MADV_NOHUGEPAGE), mm, None)
    assert isinstance(one, TreeCall)
    assert (one.given, one.taken) == ("nh", "hg")


def test_what_pages_refuse_is_left_out(mm: Mm) -> None:
    call = made("madvise", PLACE, 4096, MADV_POPULATE_READ, ret=-EFAULT)
    assert carried(call, mm, None) == "madvise: there are no pages"


def test_a_move_goes_where_the_recording_has_it(mm: Mm) -> None:
    call = made("mremap", PLACE, 4096, 8192, MREMAP_MAYMOVE, ret=PLACE + 0x10000)
    one = carried(call, mm, None)
    assert isinstance(one, TreeCall)
    assert one.made.args[3:5] == (MREMAP_MAYMOVE | MREMAP_FIXED, PLACE + 0x10000)


def test_what_grows_where_it_is_does_not_move(mm: Mm) -> None:
    call = made("mremap", PLACE, 4096, 8192, MREMAP_MAYMOVE, ret=PLACE)
    one = carried(call, mm, None)
    assert isinstance(one, TreeCall)
    assert one.made is call
