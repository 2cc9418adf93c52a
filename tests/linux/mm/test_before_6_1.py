# SPDX-License-Identifier: GPL-2.0-or-later
"""What Linux 5.10 does otherwise than 6.1 with mappings: lists of calls that both kernels answered.

Each list was carried out on Debian's 5.10.262 and 6.1.192; results and maps are theirs.
"""

import random
from dataclasses import dataclass

import pytest

from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import Features, Version
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_SIGBUS,
    UFFDIO_API,
    UFFDIO_COPY,
    UFFDIO_REGISTER,
    UFFDIO_UNREGISTER,
)
from vmalab.linux.kernel.fork import do_fork
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.lib.rbtree import RbNode
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task

from ..noted_calls import do_syscall

OLD, NEW = (5, 10), (6, 1)
PAGE = 4096
A = 0x10000000
B = 0x20000000
NO_FD = 2**64 - 1
NONE, RW, RWX = 0, 3, 7
FIXED = 0x32
GROWS = 0x132
SHARED_FIXED = 0x31
NORESERVE = 0x4032
MAYMOVE, TO, STAY = 1, 3, 5
TO_AND_STAY = 7
ENOMEM, EAGAIN, EFAULT, EINVAL = -12, -11, -14, -22


def in_order(node: RbNode | None) -> list[RbNode]:
    """All nodes of a subtree."""
    return [] if node is None else [*in_order(node.left), node, *in_order(node.right)]


def empty_process(version: Version) -> Task:
    """A process of a machine that had the version from its beginning."""
    config = KernelConfig()
    config.features = Features(version)
    return LinuxMachine(config).spawn()


Call = tuple[str, *tuple[int, ...]]
Vmas = list[tuple[int, int, str]]


def mmap(addr: int, pages: int, prot: int = RW, flags: int = FIXED) -> Call:
    """Anonymous memory, private at a fixed place unless told otherwise."""
    return ("mmap", addr, pages * PAGE, prot, flags, NO_FD, 0)


def mremap(addr: int, old: int, new: int, flags: int = 0, to: int = 0) -> Call:
    """mremap with lengths in pages."""
    return ("mremap", addr, old * PAGE, new * PAGE, flags, to)


def touch(addr: int) -> Call:
    """Write 16 bytes."""
    return ("getrlimit", 9, addr)


@dataclass(frozen=True)
class Case:
    """calls; the result of the last one, and the VMAs of the two windows, on each kernel.

    A VMA is its first page in the window that it begins in, its pages, its permissions and what of
    lo, ac is in its VmFlags.
    """

    name: str
    calls: tuple[Call, ...]
    old: tuple[int, Vmas]
    new: tuple[int, Vmas]


CASES: list[Case] = [
    Case(
        "a place between two that do not fit each other",
        (
            mmap(A, 1),
            touch(A),
            mmap(A + 2 * PAGE, 1),
            touch(A + 2 * PAGE),
            mmap(A + PAGE, 1),
        ),
        (A + PAGE, [(A, 2, "rw-p ac"), (A + 2 * PAGE, 1, "rw-p ac")]),
        (A + PAGE, [(A, 1, "rw-p ac"), (A + PAGE, 2, "rw-p ac")]),
    ),
    Case(
        "a place between untouched and touched",
        (
            mmap(A, 1),
            mmap(A + 2 * PAGE, 1),
            touch(A + 2 * PAGE),
            mmap(A + PAGE, 1),
        ),
        (A + PAGE, [(A, 3, "rw-p ac")]),
        (A + PAGE, [(A, 1, "rw-p ac"), (A + PAGE, 2, "rw-p ac")]),
    ),
    Case(
        "growth up to a neighbour",
        (
            mmap(A, 1),
            mmap(A + 2 * PAGE, 1),
            mremap(A, 1, 2),
        ),
        (A, [(A, 2, "rw-p ac"), (A + 2 * PAGE, 1, "rw-p ac")]),
        (A, [(A, 3, "rw-p ac")]),
    ),
    Case(
        "shrinking where nothing is mapped",
        (
            mmap(A, 1),
            mremap(A + PAGE, 2, 1),
        ),
        (A + PAGE, [(A, 1, "rw-p ac")]),
        (EFAULT, [(A, 1, "rw-p ac")]),
    ),
    Case(
        "shrinking what begins in a hole",
        (
            mmap(A + PAGE, 2),
            mremap(A, 3, 1),
        ),
        (A, []),
        (EFAULT, [(A + PAGE, 2, "rw-p ac")]),
    ),
    Case(
        "moving nothing onto a mapping",
        (
            mmap(B, 2),
            mremap(A, 1, 1, TO, B),
        ),
        (EFAULT, [(B + PAGE, 1, "rw-p ac")]),
        (EFAULT, [(B, 2, "rw-p ac")]),
    ),
    Case(
        "shrinking nothing to another place",
        (
            mmap(A + PAGE, 1),
            mmap(B, 2),
            mremap(A, 2, 1, TO, B),
        ),
        (EFAULT, [(B + PAGE, 1, "rw-p ac")]),
        (EFAULT, [(A + PAGE, 1, "rw-p ac"), (B, 2, "rw-p ac")]),
    ),
    Case(
        "leaving shared memory behind",
        (
            mmap(A, 1, RW, SHARED_FIXED),
            mremap(A, 1, 1, TO_AND_STAY, B),
        ),
        (EINVAL, [(A, 1, "rw-s")]),
        (B, [(A, 1, "rw-s"), (B, 1, "rw-s")]),
    ),
    Case(
        "leaving the middle behind",
        (
            mmap(A, 3),
            touch(A),
            mmap(A + 4 * PAGE, 1, RW, NORESERVE),
            mremap(A + PAGE, 1, 1, TO_AND_STAY, B),
        ),
        (B, [(A, 3, "rw-p ac"), (A + 4 * PAGE, 1, "rw-p ac"), (B, 1, "rw-p ac")]),
        (B, [(A, 3, "rw-p ac"), (A + 4 * PAGE, 1, "rw-p"), (B, 1, "rw-p ac")]),
    ),
    Case(
        "leaving a part of locked memory behind",
        (
            mmap(A, 3),
            ("mlock", A, 3 * PAGE),
            mremap(A + PAGE, 1, 1, TO_AND_STAY, B),
        ),
        (B, [(A, 3, "rw-p ac"), (B, 1, "rw-p lo ac")]),
        (
            B,
            [
                (A, 1, "rw-p lo ac"),
                (A + PAGE, 1, "rw-p ac"),
                (A + 2 * PAGE, 1, "rw-p lo ac"),
                (B, 1, "rw-p lo ac"),
            ],
        ),
    ),
    Case(
        "what was left behind has its pages' history",
        (
            mmap(A, 1),
            ("madvise", A, PAGE, 16),
            touch(A),
            mmap(A + PAGE, 1),
            touch(A + PAGE),
            mremap(A, 1, 1, TO_AND_STAY, B),
            ("madvise", A, PAGE, 17),
        ),
        (0, [(A, 1, "rw-p ac"), (A + PAGE, 1, "rw-p ac"), (B, 1, "rw-p ac")]),
        (0, [(A, 2, "rw-p ac"), (B, 1, "rw-p ac")]),
    ),
    Case(
        "leaving untouched memory behind right beside itself",
        (
            mmap(A, 2),
            mremap(A, 2, 2, TO_AND_STAY, A + 2 * PAGE),
        ),
        (A + 2 * PAGE, [(A, 4, "rw-p ac")]),
        (A + 2 * PAGE, [(A, 2, "rw-p ac"), (A + 2 * PAGE, 2, "rw-p ac")]),
    ),
    Case(
        "locking on fault what allows no access",
        (
            mmap(A, 1, NONE),
            ("mlock2", A, PAGE, 1),
        ),
        (ENOMEM, [(A, 1, "---p lo")]),
        (0, [(A, 1, "---p lo")]),
    ),
    Case(
        "populating",
        (
            mmap(A, 1),
            ("madvise", A, PAGE, 23),
        ),
        (EINVAL, [(A, 1, "rw-p ac")]),
        (0, [(A, 1, "rw-p ac")]),
    ),
    Case(
        "dropping locked pages",
        (
            mmap(A, 1),
            ("madvise", A, PAGE, 24),
        ),
        (EINVAL, [(A, 1, "rw-p ac")]),
        (0, [(A, 1, "rw-p ac")]),
    ),
    Case(
        "descriptors to be closed by exec",
        (("close_range", 90, 99, 4),),
        (EINVAL, []),
        (0, []),
    ),
]


def shown(start: int, end: int, perms: str, words: tuple[str, ...]) -> tuple[int, int, str] | None:
    """Return a VMA as a case tells it, None for one that is in neither window."""
    if not (A <= start < A + (1 << 24) or B <= start < B + (1 << 24)):
        return None
    kept = " ".join([perms, *(word for word in words if word in ("lo", "ac"))])
    return start, (end - start) // PAGE, kept


@pytest.mark.parametrize("version", [OLD, NEW], ids=["5.10", "6.1"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_kernel_answers_as_it_did(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, case: Case
) -> None:
    machine.config.features = Features(version)
    results = [do_syscall(task, *call) for call in case.calls]
    vmas = [
        shown(vma.vm_start, vma.vm_end, vma_perms(vma.vm_flags), vm_flag_letters(vma.vm_flags))
        for vma in mm_vmas(mm)
    ]
    made = (results[-1], [vma for vma in vmas if vma is not None])
    assert made == (case.old if version == OLD else case.new)


@pytest.mark.parametrize(("version", "result"), [(OLD, ENOMEM), (NEW, EAGAIN)], ids=str)
def test_an_advice_beyond_the_map_count(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, result: int
) -> None:
    machine.config.features = Features(version)
    assert do_syscall(task, *mmap(A, 3)) == A
    machine.config.max_map_count = mm.map_count
    assert do_syscall(task, "madvise", A + PAGE, PAGE, 16) == result


@pytest.mark.parametrize(("version", "moves"), [(OLD, True), (NEW, False)], ids=str)
def test_a_break_above_a_hole(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, moves: bool
) -> None:
    """The heap was unmapped by other means."""
    machine.config.features = Features(version)
    start = mm.start_brk = mm.brk = A
    end = start + 4 * PAGE
    assert do_syscall(task, "brk", end) == end
    assert do_syscall(task, "munmap", start, 4 * PAGE) == 0
    below = start + PAGE
    assert do_syscall(task, "brk", below) == (below if moves else end)


@pytest.mark.parametrize(("version", "vmas"), [(OLD, 1), (NEW, 2)], ids=str)
def test_the_first_growth_of_a_heap_above_other_memory(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, vmas: int
) -> None:
    machine.config.features = Features(version)
    start = mm.start_brk = mm.brk = A
    assert do_syscall(task, *mmap(start - PAGE, 1)) == start - PAGE
    assert do_syscall(task, "brk", start + PAGE) == start + PAGE
    assert len(mm_vmas(mm)) == vmas


@pytest.mark.parametrize(("version", "inside"), [(OLD, True), (NEW, False)], ids=str)
def test_a_hole_beside_a_mapping_within_a_guard_gap(
    machine: LinuxMachine, task: Task, mm: Mm, version: Version, inside: bool
) -> None:
    """A stack at the top of the area, and a page within the megabyte below it."""
    machine.config.features = Features(version)
    top = do_syscall(task, "mmap", 0, PAGE, RW, 0x22, NO_FD, 0)
    assert do_syscall(task, *mmap(top, 1, RW, GROWS)) == top
    page = top - 64 * PAGE
    assert do_syscall(task, *mmap(page, 1)) == page
    below = top - 256 * PAGE
    placed = do_syscall(task, "mmap", 0, PAGE, RW, 0x22, NO_FD, 0)
    assert placed == (page - PAGE if inside else below - PAGE)


@pytest.mark.parametrize(
    ("version", "stack_first", "page"),
    [(OLD, True, 0x17), (OLD, False, 0), (NEW, True, 0), (NEW, False, 0)],
)
def test_a_search_from_below_leaves_out_what_is_left_of_a_guard_gap_in_the_tree(
    version: Version, stack_first: bool, page: int
) -> None:
    """The guard gap begins below the lowest address of MAP_32BIT, where the search begins.

    With the stack mapped first, the other page is left of it in the tree, and passed over.
    """
    task = empty_process(version)
    low = 0x40000000
    made = [mmap(low + 0x16 * PAGE, 1, RW, GROWS), mmap(low + 0xA * PAGE, 1)]
    for call in made if stack_first else reversed(made):
        do_syscall(task, *call)
    assert do_syscall(task, "mmap", 0, PAGE, RW, 0x62, NO_FD, 0) == low + page * PAGE


@pytest.mark.parametrize("seed", range(8))
def test_the_red_black_tree_has_all_vmas_in_their_order(seed: int) -> None:
    task = empty_process(OLD)
    draws = random.Random(seed)
    for _ in range(200):
        addr, pages = A + draws.randrange(40) * PAGE, draws.randrange(1, 6)
        prot = draws.choice((NONE, RW, RW))
        call = draws.choice(
            (
                mmap(addr, pages, prot),
                ("munmap", addr, pages * PAGE),
                ("mprotect", addr, pages * PAGE, prot),
                mremap(addr, pages, pages, TO, A + draws.randrange(40) * PAGE),
            )
        )
        do_syscall(task, *call)
    child = do_fork(task, 0, 101)
    for one in (task, child):
        assert one is not None
        assert one.mm is not None
        rb = one.mm.mm_rb
        assert rb is not None
        assert [node.owner for node in in_order(rb.root.node)] == mm_vmas(one.mm)
        assert len(rb.nodes) == one.mm.map_count > 0


@pytest.mark.parametrize(("version", "answer"), [(OLD, EFAULT), (NEW, 0)], ids=str)
def test_a_page_protected_by_userfaultfd_once_registered_again(
    version: Version, answer: int
) -> None:
    """5.10 leaves the bit of a page when its range is registered no more, 6.1 takes it off."""
    task = empty_process(version)
    fd = do_syscall(task, "userfaultfd", 0)
    source, page = A, A + 4 * PAGE
    span: dict[str, object] = {"start": page, "len": PAGE}
    copy: dict[str, object] = {"dst": page, "src": source, "len": PAGE, "mode": 2, "copy": 0}

    def ask(number: int, told: dict[str, object]) -> None:
        assert do_syscall(task, "ioctl", fd, number, 0x1000, mem={2: told}) == 0

    ask(UFFDIO_API, {"api": 0xAA, "features": UFFD_FEATURE_SIGBUS, "ioctls": 0})
    for addr in (source, page):
        do_syscall(task, *mmap(addr, 1))
    ask(UFFDIO_REGISTER, {"range": span, "mode": 3, "ioctls": 0})
    ask(UFFDIO_COPY, copy)
    ask(UFFDIO_UNREGISTER, span)
    assert do_syscall(task, *touch(source)) == 0
    ask(UFFDIO_REGISTER, {"range": span, "mode": 2, "ioctls": 0})
    assert do_syscall(task, *touch(page)) == answer
