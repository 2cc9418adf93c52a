# SPDX-License-Identifier: GPL-2.0-or-later
"""smaps: the format, the numbers that follow from calls, and those that nobody can know."""

import pytest

from vmalab.linux.fs.exec import restore_vma
from vmalab.linux.fs.proc.smaps import (
    UNKNOWN,
    show_smap,
    smap_gather_stats,
    smaps_lines,
    thp_eligible,
)
from vmalab.linux.fs.proc.task_mmu import VSYSCALL_LINE
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup

from ...noted_calls import do_syscall

BASE = 0x10000000
HUGE = 0x200000
NOBODY = 2**64 - 1
POPULATE_READ, POPULATE_WRITE = 22, 23
TEXT = """\
10000000-10003000 rw-p 00000000 00:00 0 
Size:                 12 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                   8 kB
Pss:                   8 kB
Pss_Dirty:             8 kB
Shared_Clean:          0 kB
Shared_Dirty:          0 kB
Private_Clean:         0 kB
Private_Dirty:         8 kB
Referenced:            8 kB
Anonymous:             8 kB
KSM:                   0 kB
LazyFree:              0 kB
AnonHugePages:         0 kB
ShmemPmdMapped:        0 kB
FilePmdMapped:         0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Swap:                  0 kB
SwapPss:               0 kB
Locked:                0 kB
THPeligible:           0
VmFlags: rd wr mr mw me ac 
"""  # noqa: W291


def mapped(task: Task, size: int, flags: int = 0x32, prot: int = 3) -> Vma:
    assert do_syscall(task, "mmap", BASE, size, prot, flags, NOBODY, 0) == BASE
    mm = task.mm
    assert mm is not None
    vma = vma_lookup(mm, BASE)
    assert vma is not None
    return vma


def populate(task: Task, start: int, size: int, advice: int = POPULATE_WRITE) -> None:
    assert do_syscall(task, "madvise", start, size, advice) == 0


def values(vma: Vma) -> dict[str, str]:
    """Field -> number, of one VMA's lines."""
    fields = (line.split() for line in show_smap(vma)[1:-1])
    return {words[0].rstrip(":"): words[1] for words in fields}


def test_a_vma_with_two_pages_of_its_own_in_the_kernels_format(task: Task) -> None:
    vma = mapped(task, 0x3000)
    populate(task, BASE, 0x2000)
    assert "\n".join(show_smap(vma)) + "\n" == TEXT


def test_the_last_entry_is_the_vsyscall_page(mm: Mm) -> None:
    lines = smaps_lines(mm)
    assert lines[0] == VSYSCALL_LINE
    assert lines[1] == "Size:                  4 kB"
    assert lines[-1] == "VmFlags: ex "
    assert len(lines) == len(TEXT.splitlines())


def test_a_32_bit_process_has_no_vsyscall_page(mm: Mm) -> None:
    mm.task_size = 0xFFFFE000
    assert smaps_lines(mm) == []


def test_the_protection_key_shows_where_the_machine_has_keys(
    machine: LinuxMachine, task: Task
) -> None:
    vma = mapped(task, 0x1000)
    assert len(show_smap(vma)) == 25
    machine.config.pkeys = True
    vma.vm_flags |= 3 << 32
    assert show_smap(vma)[-2] == "ProtectionKey:         3"
    vma.vm_flags &= ~(3 << 32)


def test_the_zero_page_and_guards_do_not_count(task: Task) -> None:
    vma = mapped(task, 0x3000)
    populate(task, BASE, 0x1000, POPULATE_READ)
    assert do_syscall(task, "madvise", BASE + 0x1000, 0x1000, 102) == 0
    assert values(vma)["Rss"] == "0"


def test_locked_pages(task: Task) -> None:
    vma = mapped(task, 0x2000)
    assert do_syscall(task, "mlock2", BASE, 0x2000, 1) == 0
    assert values(vma)["Locked"] == "0"
    populate(task, BASE, 0x1000)
    assert values(vma)["Locked"] == "4"


def test_a_fork_makes_it_unknown_who_has_a_page(task: Task) -> None:
    vma = mapped(task, 0x2000)
    populate(task, BASE, 0x2000)
    assert do_fork(task, 0, 101) is not None
    shown = values(vma)
    assert (shown["Rss"], shown["Anonymous"], shown["Referenced"]) == ("8", "8", "?")
    assert {shown[name] for name in ("Pss", "Pss_Dirty", "Shared_Dirty", "Private_Dirty")} == {"?"}
    assert shown["Locked"] == "0"


def test_a_fork_of_untouched_memory_leaves_it_known(task: Task) -> None:
    vma = mapped(task, 0x2000)
    assert do_fork(task, 0, 101) is not None
    populate(task, BASE, 0x2000)
    assert values(vma)["Private_Dirty"] == "8"


def test_pages_of_a_file_are_known_once_all_are_there(task: Task) -> None:
    vma = mapped(task, 0x4000, 0x31)
    populate(task, BASE, 0x1000, POPULATE_READ)
    assert values(vma)["Rss"] == "?"
    populate(task, BASE, 0x4000, POPULATE_READ)
    shown = values(vma)
    assert (shown["Rss"], shown["Anonymous"], shown["KSM"]) == ("16", "0", "0")
    assert (shown["Pss"], shown["Referenced"]) == ("?", "?")


@pytest.mark.parametrize("advice", [8, 20, 21], ids=["free", "cold", "pageout"])
def test_advice_that_ages_pages_makes_them_unknown(task: Task, advice: int) -> None:
    vma = mapped(task, 0x2000)
    populate(task, BASE, 0x2000)
    assert do_syscall(task, "madvise", BASE, 0x1000, advice) == 0
    shown = values(vma)
    assert (shown["Rss"], shown["LazyFree"], shown["AnonHugePages"]) == ("?", "?", "0")


def test_pages_that_may_be_huge_are_unknown(task: Task) -> None:
    vma = mapped(task, 2 * HUGE)
    assert do_syscall(task, "madvise", BASE, 2 * HUGE, 14) == 0
    assert values(vma)["AnonHugePages"] == "0"
    populate(task, BASE, 0x1000)
    shown = values(vma)
    assert (shown["Rss"], shown["AnonHugePages"], shown["ShmemPmdMapped"]) == ("?", "?", "0")


def test_merged_pages_are_unknown(machine: LinuxMachine, task: Task) -> None:
    vma = mapped(task, 0x1000)
    assert do_syscall(task, "madvise", BASE, 0x1000, 12) == 0
    assert values(vma)["KSM"] == "0"
    populate(task, BASE, 0x1000)
    assert values(vma)["KSM"] == "?"


def test_nothing_is_known_of_pages_that_were_there_before(mm: Mm) -> None:
    assert restore_vma(mm, BASE, BASE + 0x3000, 0x100073, BASE >> 12, None, None) == 0
    vma = vma_lookup(mm, BASE)
    assert vma is not None
    shown = values(vma)
    unknown = {name for name, value in shown.items() if value == "?"}
    assert unknown == {
        "Rss",
        "Pss",
        "Pss_Dirty",
        "Shared_Clean",
        "Shared_Dirty",
        "Private_Clean",
        "Private_Dirty",
        "Referenced",
        "Anonymous",
    }
    assert "Rss:                   ? kB" in show_smap(vma)


def test_pages_of_devices_are_nobodys(machine: LinuxMachine, task: Task) -> None:
    vma = mapped(task, 0x1000)
    vma.vm_flags |= 0x400
    assert smap_gather_stats(vma).resident == 0
    vma.vm_flags &= ~0x400


@pytest.mark.parametrize(
    ("enabled", "size", "advice", "eligible"),
    [
        ("always", HUGE, 0, 1),
        ("always", HUGE - 0x1000, 0, 0),
        ("always", HUGE, 15, 0),
        ("madvise", HUGE, 0, 0),
        ("madvise", HUGE, 14, 1),
        ("never", HUGE, 14, 0),
    ],
)
def test_who_may_have_huge_pages(
    machine: LinuxMachine, task: Task, enabled: str, size: int, advice: int, eligible: int
) -> None:
    machine.config.thp_enabled = enabled
    vma = mapped(task, size)
    if advice:
        assert do_syscall(task, "madvise", BASE, size, advice) == 0
    assert thp_eligible(vma) == eligible


def test_a_process_may_do_without_huge_pages(machine: LinuxMachine, task: Task, mm: Mm) -> None:
    machine.config.thp_enabled = "always"
    vma = mapped(task, HUGE)
    mm.thp_disable_except_advised = True
    assert thp_eligible(vma) == 0
    assert do_syscall(task, "madvise", BASE, HUGE, 14) == 0
    assert thp_eligible(vma) == 1
    mm.thp_disable = True
    assert thp_eligible(vma) == 0


def test_huge_pages_of_shared_memory_depend_on_its_mount(machine: LinuxMachine, task: Task) -> None:
    vma = mapped(task, HUGE, 0x31)
    assert thp_eligible(vma) == 0
    machine.config.shmem_enabled = "advise"
    assert thp_eligible(vma) == UNKNOWN
    assert "THPeligible:           ?" in show_smap(vma)
