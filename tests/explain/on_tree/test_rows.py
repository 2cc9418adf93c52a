# SPDX-License-Identifier: GPL-2.0-or-later
"""VMAs of the model as commands for a tree's program, and as rows of a map."""

from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.explain.on_tree.findings import first_other
from vmalab.explain.on_tree.rows import (
    MapRow,
    Numbers,
    file_command,
    is_carried,
    kind_of,
    map_command,
    row_of_line,
    row_of_vma,
)
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.mm_flags import VM_HUGETLB
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.targets.model.model import line_of_vma

GUARDS = Path(__file__).resolve().parents[3] / "examples" / "guards"
WORDS = frozenset(("rd", "wr", "ex", "mr", "mw", "me", "ac", "sh", "ms", "nr", "gd"))


class _First(Observer):
    """Keeps the VMAs of a program after its last call."""

    def __init__(self) -> None:
        self.vmas: list[Vma] = []

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        self.vmas = mm_vmas(mm)


@pytest.fixture(scope="module")
def vmas() -> list[Vma]:
    first = _First()
    replay = Replay(RecordingFiles(str(GUARDS)), Options(observers=(first,), until=60))
    replay.run()
    return first.vmas


def test_a_vma_and_its_line_of_smaps_make_the_same_row(vmas: list[Vma]) -> None:
    pairs = [(vma, line_of_vma(vma)) for vma in vmas]
    known = [(vma, line) for vma, line in pairs if line.inode or vma.vm_file is None]
    assert len(known) > 10
    for vma, line in known:
        assert row_of_vma(vma, WORDS) == row_of_line(line, WORDS)


def test_a_program_has_each_kind_of_vma(vmas: list[Vma]) -> None:
    assert {kind_of(vma) for vma in vmas} >= {"a", "f", "p"}


def test_the_command_of_a_file_mapping_names_its_file_by_number(vmas: list[Vma]) -> None:
    numbers = Numbers()
    vma = next(vma for vma in vmas if kind_of(vma) == "f")
    assert vma.vm_file is not None
    number = numbers.of_file(vma.vm_file)
    words = map_command(vma, number, None).split(" ")
    assert words[0] == "map"
    assert (int(words[1], 16) << 12, int(words[2], 16) << 12) == (vma.vm_start, vma.vm_end)
    assert words[5:9] == ["f", f"{number:x}", "-", "-"]
    assert file_command(number, vma, vma.vm_file).split(" ")[2] == "f"


def test_an_object_keeps_its_number(vmas: list[Vma]) -> None:
    numbers = Numbers()
    files = [vma.vm_file for vma in vmas if vma.vm_file is not None]
    assert [numbers.of_file(file) for file in files] == [numbers.of_file(file) for file in files]
    assert len({numbers.of_file(file) for file in files}) == len({id(file) for file in files})


def test_huge_pages_are_not_carried(vmas: list[Vma]) -> None:
    vma = Vma(vmas[0].vm_mm)
    assert is_carried(vma)
    vma.vm_flags = VM_HUGETLB
    assert not is_carried(vma)


def row(start: int, end: int, perms: str = "rw-p") -> MapRow:
    return MapRow(start, end, perms, (), None)


def test_maps_part_at_the_first_row_that_is_another() -> None:
    one = [row(1, 2), row(3, 4), row(5, 6)]
    assert first_other(one, list(one)) is None
    other = first_other(one, [row(1, 2), row(3, 6)])
    assert other is not None
    assert other[0] == 3
    assert other[2] == [row(1, 2), row(3, 6)]


def test_a_map_that_ends_early_parts_at_what_is_missing() -> None:
    other = first_other([row(1, 2)], [row(1, 2), row(3, 4)])
    assert other is not None
    assert other[0] == 3
