# SPDX-License-Identifier: GPL-2.0-or-later
"""numa_maps: policies, names and counts of pages."""

import pytest

from vmalab.linux.fs.exec import restore_vma
from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.numa_maps import mpol_to_str, node_list, numa_maps_lines
from vmalab.linux.include.features import VERSIONS, Features, Version
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.filemap import thp_fops
from vmalab.linux.types.mm_types import Mempolicy, Mm
from vmalab.linux.types.task import Task

from ...noted_calls import do_syscall

BASE = 0x10000000
NOBODY = 2**64 - 1
# What a log shows as a mask, not as an address.
POINTER = 1 << 63 | 3


@pytest.mark.parametrize(
    ("nodes", "text"), [(0, ""), (1, "0"), (0b1011, "0-1,3"), (1 << 1023, "1023"), (0b110, "1-2")]
)
def test_nodes_show_as_ranges(nodes: int, text: str) -> None:
    assert node_list(nodes) == text


@pytest.mark.parametrize(
    ("mode", "flags", "text"),
    [
        (0, 0, "default"),
        (1, 0, "prefer:0"),
        (2, 0, "bind:0"),
        (2, 0x8000, "bind=static:0"),
        (3, 0x4000, "interleave=relative:0"),
        (2, 0x2000 | 0x18, "bind=balancing:0"),
        (5, 0xA000 | 0x18, "prefer (many)=static|balancing:0"),
        (4, 0, "local"),
        (6, 0, "weighted interleave:0"),
    ],
)
def test_policies_show_as_the_kernel_prints_them(mode: int, flags: int, text: str) -> None:
    policy = Mempolicy(mode, flags, 0 if mode in (0, 4) else 1, -1)
    assert mpol_to_str(policy) == text


def test_without_a_policy_it_is_the_default_one() -> None:
    assert mpol_to_str(None) == "default"


@pytest.mark.parametrize(
    "version", [one for one in VERSIONS if Features(one).numa_balancing_policy], ids=str
)
def test_every_kernel_with_balancing_names_it(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version
) -> None:
    machine.config.features = Features(version)
    assert do_syscall(task, "mmap", BASE, 0x1000, 3, 0x32, NOBODY, 0) == BASE
    bind = 0x2000 | 2
    assert do_syscall(task, "mbind", BASE, 0x1000, bind, POINTER, 64, 0, mem={3: [1]}) == 0
    assert numa_maps_lines(mm, None) == [f"{BASE:08x} bind=balancing:0"]


def test_untouched_vmas_show_policy_and_name(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    file = file_open(machine, "/a b=c\td\n", 0)
    ops = thp_fops.vm_ops
    assert restore_vma(mm, 0x1000, 0x2000, 0x71, 0, file, ops) == 0
    mm.page_tables.complete = True
    mm.start_brk, mm.brk, mm.start_stack = BASE, BASE + 0x1000, BASE + 0x10000
    assert do_syscall(task, "mmap", BASE, 0x1000, 3, 0x32, NOBODY, 0) == BASE
    assert do_syscall(task, "mmap", BASE + 0xF000, 0x2000, 3, 0x32, NOBODY, 0) > 0
    assert do_syscall(task, "mbind", BASE, 0x1000, 2, POINTER, 64, 0, mem={3: [1]}) == 0
    assert numa_maps_lines(mm, None) == [
        "00001000 default file=/a\\040b\\075c\\011d\\012",
        f"{BASE:08x} bind:0 heap",
        f"{BASE + 0xF000:08x} default stack",
    ]
    assert numa_maps_lines(mm, Mempolicy(4, 0, 0, -1))[2] == f"{BASE + 0xF000:08x} local stack"


def test_touched_vmas_show_their_pages(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x4000, 3, 0x32, NOBODY, 0) == BASE
    assert do_syscall(task, "madvise", BASE, 0x3000, 23) == 0
    head = f"{BASE:08x} default anon=3 dirty=3 active=?"
    assert numa_maps_lines(mm, None) == [f"{head} N0=3 kernelpagesize_kB=4"]
    machine.config.numa_nodes = 2
    assert numa_maps_lines(mm, None) == [f"{head} N?=? kernelpagesize_kB=4"]


def test_pages_of_files_show_what_is_unknown(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x4000, 3, 0x31, NOBODY, 0) == BASE
    assert do_syscall(task, "madvise", BASE, 0x1000, 22) == 0
    assert numa_maps_lines(mm, None)[0].endswith("(deleted) pages=?")
    assert do_syscall(task, "madvise", BASE, 0x4000, 22) == 0
    shown = numa_maps_lines(mm, None)[0]
    assert shown.endswith(" dirty=? mapped=4 mapmax=? active=? N0=4 kernelpagesize_kB=4")


def test_huge_pages_are_named(task: Task, mm: Mm) -> None:
    assert do_syscall(task, "mmap", BASE, 0x200000, 3, 0x44032, NOBODY, 0) == BASE
    shown = numa_maps_lines(mm, None)[0]
    assert shown == f"{BASE:08x} default file=/anon_hugepage\\040(deleted) huge pages=?"
