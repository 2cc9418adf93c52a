# SPDX-License-Identifier: GPL-2.0-or-later
"""The red-black tree of a first map: the order in which exec enters VMAs decides a later search.

The maps, layouts and answers are those of a small static program on Debian's 5.10.262.
"""

import pytest

from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall
from vmalab.linux.types.mm_types import Vma
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.readers.maps import parse_smaps
from vmalab.targets.model.model import ModelTarget

PAGE = 4096
BASE = 0x2AAAAAAAB000
RW, FIXED, GROWS, ANYWHERE = 3, 0x32, 0x132, 0x22
NO_FD = 2**64 - 1
PROGRAM = """\
00400000-00401000 r--p 00000000 00:02 218 /init
00401000-00405000 r-xp 00001000 00:02 218 /init
00405000-00406000 r--p 00005000 00:02 218 /init
00406000-00407000 rw-p 00006000 00:02 218 /init
00407000-004d5000 rw-p 00000000 00:00 0 [heap]
"""
KERNELS = """\
2aaaaaaab000-2aaaaaaaf000 r--p 00000000 00:00 0 [vvar]
2aaaaaaaf000-2aaaaaab1000 r-xp 00000000 00:00 0 [vdso]
"""
STACK = "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\n"
SYSCTL = {"kernel.randomize_va_space": 0, "vm.legacy_va_layout": 1}


def begun(version: str, text: str, *, vdso_dropped: bool) -> ModelTarget:
    """A machine whose process 50 begins with that map, mappings from below."""
    image = MetaImage(mm={"start_stack": 0x7FFFFFFFEE00}, vdso_dropped=vdso_dropped)
    made = ModelTarget(Meta(sysctl=SYSCTL), version)
    assert made.execute(50, image, parse_smaps(text)) == ""
    return made


@pytest.mark.parametrize(("version", "place"), [("5.10", 0x9), ("6.1", 0x6)])
def test_the_page_below_a_stack_is_left_of_it(version: str, place: int) -> None:
    target = begun(version, PROGRAM + KERNELS + STACK, vdso_dropped=False)
    task = target.task(50)
    assert task is not None
    for page, flags in ((7, FIXED), (8, GROWS)):
        do_syscall(task, "mmap", BASE + page * PAGE, PAGE, RW, flags, NO_FD, 0)
    assert do_syscall(task, "mmap", 0, PAGE, RW, ANYWHERE, NO_FD, 0) == BASE + place * PAGE


@pytest.mark.parametrize("text", [PROGRAM + KERNELS + STACK, PROGRAM + STACK, PROGRAM, ""])
@pytest.mark.parametrize("vdso_dropped", [False, True])
def test_all_vmas_are_in_their_order(text: str, vdso_dropped: bool) -> None:
    mm = begun("5.10", text, vdso_dropped=vdso_dropped).mm(50)
    assert mm is not None
    assert mm.mm_rb is not None
    assert len(mm.mm_rb.nodes) == mm.map_count == len(text.splitlines())
    for vma in mm.mm_rb.nodes:
        assert all(is_below(vma, above) for above in mm.mm_rb.right_parents(vma))


def is_below(vma: Vma, other: Vma) -> bool:
    """Whether one VMA ends where the other begins, or below."""
    return vma.vm_end <= other.vm_start
