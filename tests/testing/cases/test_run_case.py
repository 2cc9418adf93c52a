# SPDX-License-Identifier: GPL-2.0-or-later
"""The runner: a case that is wrong fails, whatever is wrong, and says so as a person would."""

import pytest
from mypy_extensions import i64

from vmalab.linux.lib.slab import FailNth
from vmalab.linux.mm.vma.mmap_region import mmap_region
from vmalab.linux.mm.vma_internal import File, FileAddressSpace
from vmalab.linux.types.mm_types import Mempolicy, Mm, Vma
from vmalab.testing import (
    Bench,
    CheckingInternal,
    Leak,
    LeakChecker,
    Verdict,
    audit,
    compare_layout,
    layout_of,
    parse_cases,
    parse_layout,
    run_case,
)
from vmalab.testing.seams.checking import VmaBug

MERGE = """\
case merge: a new range behind an equal VMA extends that
  A = rw-p
  B = rw-p nh
  pages     10    12    14
  before    |AAAAA|
  call      mmap_region 12-14 A
  after     |AAAAAAAAAAA|
"""


def verdict(text: str, seam: type[CheckingInternal] = CheckingInternal) -> Verdict:
    """What becomes of the one case of a text."""
    return run_case(parse_cases(text, "x.vma")[0], seam)


def problems(text: str, seam: type[CheckingInternal] = CheckingInternal) -> str:
    """All that is wrong with the one case of a text."""
    return "\n".join(verdict(text, seam).problems)


def test_a_case_that_is_right_passes() -> None:
    assert verdict(MERGE).passed


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("|AAAAAAAAAAA|", "|AAAAA|AAAAA|", "line 6, call: the layout is not as expected"),
        ("after     |AAAAAAAAAAA|", "after     |BBBBBBBBBBB|", "the layout is not as expected"),
        ("12-14 A\n", "12-14 A -> -EPERM\n", "answered 12, not -EPERM"),
        ("  after ", "  count total_vm 5\n  after ", "total_vm is 4, not 5"),
        ("  after ", "  log mmap 12-14\n  after ", "owners were told: nothing"),
        ("  call ", "  fail anon_vma 1\n  call ", "allocation 1 of anon_vma was to fail"),
        ("  call ", "  call split_vma at 20 below\n  call ", "no VMA contains page 20"),
        ("  A = rw-p", "  set max_map_count x\n  A = rw-p", "a decimal number is needed"),
        ("  A = rw-p", "  set nothing 1\n  A = rw-p", "`set` takes one of"),
        ("  A = rw-p", "  crowd 99999999 from 1\n  A = rw-p", "a crowd has 4096 VMAs at most"),
        ("  A = rw-p", "  crowd x\n  A = rw-p", "`crowd` reads: crowd N from PAGE"),
        ("  A = rw-p", "  file x burns\n  A = rw-p", "a file `refuses ENAME`"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, why: str) -> None:
    assert old in MERGE
    assert why in problems(MERGE.replace(old, new, 1))


def test_a_failure_shows_both_layouts_under_one_ruler() -> None:
    wrong = MERGE.replace("after     |AAAAAAAAAAA|", "after     |AAAAA|BBBBB|")
    text = verdict(wrong).text()
    assert text.splitlines()[0] == "x.vma:1: x/merge failed"
    assert text.endswith(
        "  pages     10    12    14\n"
        "  expected  |AAAAA|BBBBB|\n"
        "  actual    |AAAAAAAAAAA|\n"
        "  10-12: expected, and no VMA has this range\n"
        "  10-14: a VMA that is not expected\n"
        "  12-14: expected, and no VMA has this range\n"
    )


def test_a_kind_without_a_letter_gets_one() -> None:
    wrong = MERGE.replace("call      mmap_region 12-14 A", "call      anon_vma_prepare 10")
    pictures = "\n".join(verdict(wrong.replace("|AAAAAAAAAAA|", "|AAAAA|")).pictures)
    assert "actual    |XXXXX|" in pictures
    assert "X = rw-p pgoff=10 a?" in pictures
    assert "10-12: anon_vma chain a? instead of none" in pictures


# A seam with a defect each, and what must notice it.


class LosesPolicies(CheckingInternal):
    """Drops no policy."""

    def mpol_put(self, policy: Mempolicy | None) -> None:
        """Custom: forgets to."""


class LosesFiles(CheckingInternal):
    """Takes references and never drops one."""

    def fput(self, file: File) -> None:
        """Custom: forgets to."""


class LosesVmas(CheckingInternal):
    """Gives no object of a cache back."""

    def kmem_cache_free(self, cache: object, obj: object) -> None:
        """Custom: forgets to."""


class LosesAnonVmas(CheckingInternal):
    """Unlinks nothing."""

    def unlink_anon_vmas(self, vma: Vma) -> None:
        """Custom: forgets to."""


class LosesCharges(CheckingInternal):
    """Returns no charge."""

    def unmap_region(self, mm: Mm, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Custom: charges as much again."""
        super().unmap_region(mm, start, end, floor, ceiling)
        self.kernel.committed_as += (end - start) >> 12


class KeepsLocks(CheckingInternal):
    """Unlocks no file."""

    def i_mmap_unlock_write(self, mapping: FileAddressSpace) -> None:
        """Custom: forgets to."""


class CountsWrong(CheckingInternal):
    """Counts pages that are not there."""

    def unmap_region(self, mm: Mm, start: i64, end: i64, floor: i64, ceiling: i64) -> None:
        """Custom: counts too much."""
        super().unmap_region(mm, start, end, floor, ceiling)
        mm.total_vm += (end - start) >> 12


UNMAP = """\
case unmap: all that a VMA holds is given back
  A = rw-p file:data policy:p a1
  pages     10    12    14    16
  before    |AAAAA|
  call      do_vmi_munmap 10-12
  after     empty
"""


@pytest.mark.parametrize(
    ("seam", "why"),
    [
        (LosesPolicies, "1 objects of numa_policy are in use, 0 can be reached"),
        (LosesFiles, "file data has 2 references, 1 are accounted for"),
        (LosesVmas, "1 objects of vm_area_struct are in use, 0 can be reached"),
        (LosesAnonVmas, "a1 counts 1 links, there are 0"),
        (LosesCharges, "2 pages are charged, accounted VMAs and files have 0"),
        (KeepsLocks, "file data: its reverse map is still locked"),
        (CountsWrong, "total_vm is 2 pages, a recount gives 0"),
    ],
)
def test_what_is_lost_is_noticed(seam: type[CheckingInternal], why: str) -> None:
    assert verdict(UNMAP).passed
    assert why in problems(UNMAP, seam)


def test_what_is_lost_in_the_end_is_noticed() -> None:
    kept = UNMAP.replace("call      do_vmi_munmap 10-12", "call      do_vmi_munmap 14-16")
    kept = kept.replace("after     empty", "after     |AAAAA|")
    assert verdict(kept).passed
    found = problems(kept, LosesPolicies)
    assert "1 objects of numa_policy leak" in found


class Crashes(CheckingInternal):
    """Fails where the engine expects no exception."""

    def mpol_equal(self, a: Mempolicy | None, b: Mempolicy | None) -> bool:
        """Custom: breaks."""
        raise KeyError("broken")


def test_an_exception_is_a_failure_with_its_place() -> None:
    policies = MERGE.replace("A = rw-p", "A = rw-p policy:p").replace(
        "mmap_region", "vma_merge_new_range"
    )
    said = problems(policies, Crashes)
    assert "the engine raised KeyError in mpol_equal (test_run_case.py:" in said


# The pieces by themselves.

LAYOUT = """
  A = rw-p
  B = r--p file:lib pgoff=3
  pages     10    12    14    16
  layout    |AAAAA|     |BBBBB|
"""


def test_a_layout_is_built_read_back_and_written() -> None:
    layout = parse_layout(LAYOUT)
    bench = layout.build()
    assert layout_of(bench).text() == layout.text() == LAYOUT[1:]
    bench.tear_down()
    assert audit(bench) == []


def test_a_layout_that_differs_is_shown() -> None:
    bench = parse_layout(LAYOUT).build()
    assert compare_layout(bench, parse_layout(LAYOUT)) == []
    other = LAYOUT.replace("|AAAAA|     |", "|AAAAA|      ").replace("BBBBB|", "     ")
    assert "  14-16: a VMA that is not expected" in compare_layout(bench, parse_layout(other))


def test_a_leak_is_raised_where_the_block_ends() -> None:
    bench = Bench({})
    with (
        pytest.raises(Leak, match=r"vm_area_struct: \+1 objects, 1 in use"),
        LeakChecker(bench.kernel),
    ):
        mmap_region(bench.mm, None, 0x10000, 0x1000, 0x73, 0x10, None)


def test_without_a_leak_nothing_is_raised() -> None:
    bench = Bench({})
    with LeakChecker(bench.kernel):
        mmap_region(bench.mm, None, 0x10000, 0x1000, 0x73, 0x10, None)
        bench.tear_down()


def test_an_exception_is_not_replaced_by_a_leak() -> None:
    bench = Bench({})
    checker = LeakChecker(bench.kernel)
    with checker:
        pass
    mmap_region(bench.mm, None, 0x10000, 0x1000, 0x73, 0x10, None)
    error = ZeroDivisionError()
    checker.__exit__(ZeroDivisionError, error, None)
    assert checker.found() == ["vm_area_struct: +1 objects, 1 in use"]


def test_failures_can_be_arranged_from_python() -> None:
    bench = Bench({})
    bench.kernel.set_fault(FailNth(1))
    assert mmap_region(bench.mm, None, 0x10000, 0x1000, 0x73, 0x10, None) == -12
    assert mmap_region(bench.mm, None, 0x10000, 0x1000, 0x73, 0x10, None) == 0x10000


def test_the_mmap_lock_must_be_held() -> None:
    bench = Bench({})
    bench.mm.mmap_lock = 0
    with pytest.raises(VmaBug, match="the mmap lock is not held"):
        mmap_region(bench.mm, None, 0x10000, 0x1000, 0x73, 0x10, None)
