# SPDX-License-Identifier: GPL-2.0-or-later
"""The language of the cases: what it says, what it refuses; writing and reading are inverse."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.include.mm_flags import VM_ACCOUNT, VM_LOCKED, VM_MAYWRITE, VM_SHARED
from vmalab.linux.include.proc_maps import VM_FLAG_OF_LETTERS
from vmalab.testing import CaseError, Kind, parse_cases, parse_file, parse_kind
from vmalab.testing.cases.picture import Box, draw, parse_boxes, parse_ruler
from vmalab.testing.cases.signatures import SIGNATURES, parse_call

GOOD = """\
case name: the law that it states
  A = rw-p
  pages     10    12    14
  before    |AAAAA|
  call      do_vmi_munmap 10-12
  after     empty
"""


def test_private_writable_memory_is_accounted() -> None:
    assert parse_kind("rw-p").flags & VM_ACCOUNT
    assert not parse_kind("r--p").flags & VM_ACCOUNT
    assert not parse_kind("rw-s").flags & VM_ACCOUNT
    assert not parse_kind("rw-p nr").flags & VM_ACCOUNT
    assert not parse_kind("rw-p -ac").flags & VM_ACCOUNT
    assert parse_kind("r--p ac").flags & VM_ACCOUNT


def test_flags_are_added_and_taken_away() -> None:
    flags = parse_kind("r--s lo -mw -sh").flags
    assert flags & VM_LOCKED
    assert not flags & (VM_MAYWRITE | VM_SHARED)


def test_a_kind_has_all_its_properties() -> None:
    kind = parse_kind("r-xp file:lib#2 pgoff=1f a3<a2<a1 policy:bind0 name:x uffd:u close nosplit")
    assert (kind.file, kind.pgoff, kind.chain) == ("lib#2", 0x1F, ("a3", "a2", "a1"))
    assert (kind.policy, kind.name, kind.uffd) == ("bind0", "x", "u")
    assert (kind.hooks, kind.ops) == (("close", "nosplit"), True)


words = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)


@st.composite
def kinds(draw_one: st.DrawFn) -> Kind:
    """Any kind that words can say."""
    perms = "".join(draw_one(st.sampled_from(pair)) for pair in ("r-", "w-", "x-", "ps"))
    extra = draw_one(st.lists(st.sampled_from(sorted(VM_FLAG_OF_LETTERS)), unique=True, max_size=4))
    text = [perms, *(word for word in extra if word not in ("rd", "wr", "ex", "ms"))]
    text += [
        f"{label}:{draw_one(words)}" for label in ("file", "policy") if draw_one(st.booleans())
    ]
    text += [f"pgoff={draw_one(st.integers(0, 2**40)):x}"] if draw_one(st.booleans()) else []
    text += draw_one(st.sampled_from([[], ["a1"], ["a2<a1"], ["ops"], ["noops"], ["close"]]))
    return parse_kind(" ".join(text))


@given(kinds())
def test_a_kind_survives_being_written_and_read(kind: Kind) -> None:
    assert parse_kind(kind.text()) == kind


@st.composite
def drawings(draw_one: st.DrawFn) -> list[Box]:
    """VMAs with holes or none between them, anywhere in the address space."""
    page = draw_one(st.integers(1, 2**34))
    boxes = []
    for _ in range(draw_one(st.integers(0, 6))):
        page += draw_one(st.sampled_from([0, 0, 1, 2, 512, 1 << 20]))
        end = page + draw_one(st.sampled_from([1, 2, 3, 16, 512, 1 << 20]))
        boxes.append(Box(page, end, draw_one(st.sampled_from("ABCxyz"))))
        page = end
    return boxes


@given(drawings(), drawings())
def test_a_drawing_survives_being_drawn_and_read(before: list[Box], after: list[Box]) -> None:
    ruler_line, *lines = draw([("before", before), ("after", after)])
    ruler = parse_ruler(ruler_line, ruler_line.index("pages") + 5)
    for line, boxes in zip(lines, (before, after), strict=True):
        assert list(parse_boxes(line, 8, ruler)) == boxes


def test_columns_between_two_numbers_are_divided_evenly() -> None:
    ruler = parse_ruler("pages   10    14    100", 5)
    assert parse_boxes("before  |AA|BB|CCCCC|", 6, ruler) == (
        Box(0x10, 0x12, "A"),
        Box(0x12, 0x14, "B"),
        Box(0x14, 0x100, "C"),
    )
    assert [ruler.page(column) for column in (8, 11, 14)] == [0x10, 0x12, 0x14]


def test_each_makes_a_case_of_every_combination() -> None:
    text = GOOD.replace("case name", "case each").replace(
        "A = rw-p", "each X: lo nh\n  each Y: a1 a2<a1\n  A = rw-p $X $Y"
    )
    cases = parse_cases(text, "dir/suite.vma")
    assert [case.id for case in cases] == [
        "suite/each[lo,a1]",
        "suite/each[lo,a2<a1]",
        "suite/each[nh,a1]",
        "suite/each[nh,a2<a1]",
    ]
    assert cases[3].legend["A"] == parse_kind("rw-p nh a2<a1")


def test_letters_and_settings_above_the_first_case_hold_for_all() -> None:
    shared = "  B = r--p\n  set max_map_count 7\n\n"
    case = parse_cases(shared + GOOD, "s.vma")[0]
    assert case.legend["B"] == parse_kind("r--p")
    assert case.settings == (("set", "max_map_count", "7"),)


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("case name:", "case name", 1, "a case opens with `case name: the law it states`"),
        ("A = rw-p", "A = rwp", 2, "permissions like rw-p come first, not 'rwp'"),
        ("A = rw-p", "A = rw-p xy", 2, "'xy' is no VmFlags word and no property"),
        ("A = rw-p", "B = rw-p", 1, "nothing says what A stands for"),
        ("pages     10", "pages     1g", 3, "'1g' is no hexadecimal page number"),
        ("    14\n", "    ffffffffffffffff\n", 3, "page ffffffffffffffff is beyond every"),
        ("A = rw-p", "A = rw-p pgoff=fffffffffffffff", 2, "'pgoff=fffffffffffffff' is no"),
        ("10    12    14", "10    14    12", 3, "the pages of a ruler rise from left to right"),
        ("  pages     10    12    14\n", "", 3, "a drawing needs a ruler (`pages`) above it"),
        ("|AAAAA|", "|AAABB|", 4, "a box is filled with one letter, not 'AAABB'"),
        ("|AAAAA|", "|AAAA|", 4, "column 18 stands under no page of the ruler"),
        ("|AAAAA|", "|AAAAA|     |     |", 4, "column 31 is beyond the ruler"),
        ("|AAAAA|", "AAAAA", 4, "boxes stand between | and |, or it is `empty`: 'AAAAA'"),
        ("do_vmi_munmap", "unmap", 5, "'unmap' is no operation; there are mmap_region"),
        ("munmap 10-12", "munmap 12-10", 5, "the call reads `do_vmi_munmap RANGE`"),
        ("munmap 10-12", "munmap 10-12 A", 5, "the call reads `do_vmi_munmap RANGE`"),
        ("10-12\n", "10-12 -> EPERM\n", 5, "a result is a page, a range, none, 0 or -ENAME"),
        ("10-12\n", "10-12 -> -EWHAT\n", 5, "EWHAT is no errno"),
        ("  call  ", "  fail what 1\n  call  ", 5, "`fail` takes one of vm_area_struct"),
        ("  after     empty\n", "  fail maple_node 1\n", 1, "`fail` stands above the call"),
        ("  after ", "  count total 4\n  after ", 6, "a count is one of map_count"),
        ("  call  ", "  after empty\n  call  ", 5, "`after` stands below the call"),
        ("  call  ", "  befor empty\n  call  ", 5, "'befor' opens no line that is known"),
        ("  call ", "\tcall ", 5, "columns matter here: use spaces instead of tabs"),
        ("  call      do_vmi_munmap 10-12\n  after     empty\n", "", 1, "a case has a `before`"),
        ("  A = rw-p", "  each X:\n  A = rw-p", 1, "each needs at least one value"),
    ],
)
def test_what_cannot_be_understood_is_located(old: str, new: str, line: int, why: str) -> None:
    assert old in GOOD
    with pytest.raises(CaseError) as caught:
        parse_cases(GOOD.replace(old, new, 1), "some/file.vma")
    assert str(caught.value).startswith(f"some/file.vma:{line}: {why}")


def test_two_cases_of_one_name_are_refused() -> None:
    with pytest.raises(CaseError, match=r"x.vma:7: there is a case 'name' already"):
        parse_cases(GOOD + GOOD, "x.vma")


def test_drawings_above_the_first_case_are_refused() -> None:
    with pytest.raises(CaseError, match="only letters and settings"):
        parse_cases("  pages 10\n" + GOOD, "x.vma")


def test_a_file_that_is_not_there_is_an_error_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="No such file"):
        parse_file(tmp_path / "none.vma")


def test_a_file_that_is_not_text_is_an_error_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "bytes.vma"
    path.write_bytes(b"case \xff\xfe: x\n")
    with pytest.raises(CaseError, match="not UTF-8"):
        parse_file(path)


def complaint(text: str) -> str:
    """What is wrong with a text; where nothing is, only the name."""
    try:
        parse_cases(text, "any.vma")
    except CaseError as error:
        return str(error)
    return "any.vma:"


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    assert complaint(text).startswith("any.vma:")


@given(
    st.lists(st.sampled_from([*GOOD.split(), "|", "->", "[x]", "each", "X:", "\n  "]), max_size=40)
)
def test_no_mixture_of_words_breaks_the_parser(parts: list[str]) -> None:
    assert complaint("case a: b\n " + " ".join(parts)).startswith("any.vma:")


@pytest.mark.parametrize("signature", SIGNATURES)
def test_every_signature_can_be_called(signature: str) -> None:
    example = signature.replace("[", "").replace("]", "").replace("RANGE", "10-14")
    example = example.replace("PAGE", "12").replace("VMA", "10").replace("KIND", "A")
    example = example.replace("COUNT", "8").replace("ADVICE", "dontneed")
    assert parse_call(example).name == signature.split()[0]
