# SPDX-License-Identifier: GPL-2.0-or-later
"""What a walk holds each call to, shown by an engine's part that breaks it."""

import pytest

from vmalab.linux.include.uapi.errno import EINVAL
from vmalab.linux.types.file import File
from vmalab.linux.types.mm_types import Vma
from vmalab.testing.cases.owners import CaseFileOps
from vmalab.testing.cases.picture import Box
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.walks.walk import Walk


class SilentFileOps(CaseFileOps):
    """A file that refuses to be mapped and does not say so."""

    def mmap(self, file: File, vma: Vma) -> int:
        return -EINVAL


class OwnInternal(CheckingInternal):
    """A seam of one's own."""


def walk_over(seam: type[CheckingInternal], silent: bool) -> Walk:
    """A walk that maps a file which refuses, with or without a note."""
    walk = Walk((("file", "lib", "refuses", "EINVAL"),), (Box(0x10, 0x12, "A"),), seam, twin=False)
    walk.begin()
    [bench] = walk.benches
    file = bench.file("lib")
    assert file is not None
    if silent:
        file.f_op = SilentFileOps(bench)
    walk.step("mmap 20-22 F")
    walk.end()
    return walk


@pytest.mark.parametrize(
    ("seam", "silent", "found"),
    [
        (CheckingInternal, False, []),
        (CheckingInternal, True, ["mmap 20-22 F answers -EINVAL and notes 0: no check said so"]),
        (OwnInternal, True, []),
    ],
    ids=["noted", "not noted", "not noted, with a seam of one's own"],
)
def test_a_refusal_without_a_note_is_found(
    seam: type[CheckingInternal], silent: bool, found: list[str]
) -> None:
    assert walk_over(seam, silent).found == found


def test_a_call_forgets_what_refused_the_one_before() -> None:
    walk = walk_over(CheckingInternal, False)
    [bench] = walk.benches
    assert bench.mm.refusal.errno == EINVAL
    bench.begin_call()
    assert bench.mm.refusal.errno == 0
