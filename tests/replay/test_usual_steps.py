# SPDX-License-Identifier: GPL-2.0-or-later
"""A usual call's memory is captured, and its map compared, as those of its ranges are."""

import random
from collections.abc import Iterator

import pytest

from vmalab.calls.call import Call
from vmalab.calls.snapshot import VmaLine
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.replay.memory_calls import ranges_of
from vmalab.replay.recorded_map import RecordedMap
from vmalab.replay.usual_steps import captured
from vmalab.targets.model.capture import Capture, vmas_in
from vmalab.targets.model.identity import first_mismatch
from vmalab.targets.model.model import ModelTarget

BASE = 0x7F0000000000
PAGE = 4096
PAGES = 48


@pytest.fixture
def target() -> ModelTarget:
    """A process with VMAs of one to four pages, and holes between some of them."""
    made = ModelTarget(Meta(), "6.18")
    assert made.execute(50, MetaImage(), []) == ""
    at = 0
    for pages, prot in ((2, 1), (1, 3), (4, 1), (3, 0), (1, 1), (2, 3), (1, 1), (4, 0), (2, 3)):
        args = (BASE + at * PAGE, pages * PAGE, prot, 0x32, (1 << 64) - 1, 0)
        assert made.apply(Call(50, "mmap", args)) == args[0]
        at += pages + 2 * (prot == 0)
    return made


def space(target: ModelTarget) -> Mm:
    found = target.mm(50)
    assert found is not None
    return found


def maps(lines: list[VmaLine], numbers: random.Random) -> Iterator[list[VmaLine]]:
    """The map as it is, without a line, with one twice, and with one that ends elsewhere."""
    at = numbers.randrange(len(lines))
    line = lines[at]
    yield lines
    yield lines[:at] + lines[at + 1 :]
    yield [*lines[: at + 1], *lines[at:]]
    other = VmaLine(line.start, line.end + PAGE, line.perms, 0, "00:00", 0, "", line.flags)
    yield [*lines[:at], other, *lines[at + 1 :]]


@pytest.mark.parametrize("seed", range(8))
def test_map_is_compared_as_its_window_is(target: ModelTarget, seed: int) -> None:
    numbers = random.Random(f"windows {seed}")
    mm = space(target)
    answers = set()
    for lines in maps(target.lines(mm), numbers):
        recorded = RecordedMap(lines)
        for _ in range(60):
            start = BASE + numbers.randrange(-1, PAGES) * PAGE
            end = start + numbers.randrange(1, 9) * PAGE
            window = recorded.window(start, end)
            found = first_mismatch(vmas_in(mm, start, end), window, target.identities)
            assert recorded.is_map_of(mm, start, end, target.identities) == (found is None)
            answers.add(found is None)
    assert answers == {True, False}


@pytest.mark.parametrize("seed", range(4))
def test_usual_call_is_captured_as_its_ranges_are(target: ModelTarget, seed: int) -> None:
    numbers = random.Random(f"captures {seed}")
    mm = space(target)
    for _ in range(60):
        asked, given = (BASE + numbers.randrange(PAGES) * PAGE for _ in range(2))
        length = numbers.randrange(1, 9) * PAGE
        name, ret = numbers.choice((("munmap", 0), ("mmap", asked), ("mmap", given)))
        call = Call(50, name, (asked, length, 3, 0x22, 0, 0), ret=ret)
        one, other = captured(mm, call), Capture(mm, ranges_of(call))
        assert [vma.vm_start for vma in one.copies] == [vma.vm_start for vma in other.copies]
        one.release()
        other.release()
