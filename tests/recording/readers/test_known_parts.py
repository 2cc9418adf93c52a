# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of lines have numbers, by which they are found again."""

from hypothesis import given
from hypothesis import strategies as st

from vmalab.recording.readers.known_parts import KnownParts
from vmalab.recording.readers.scanner import PADDING

# Of few characters, so that parts are alike.
PARTS = st.lists(st.text("ab|", max_size=20).map(str.encode), max_size=200)


@given(PARTS)
def test_each_part_is_found_by_all_its_characters(parts: list[bytes]) -> None:
    known = KnownParts()
    numbers: dict[bytes, int] = {}
    for part in parts:
        text = b"x" + part + b"y" + PADDING
        found = known.find(text, 1, 1 + len(part))
        assert found == numbers.get(part, -1)
        if found < 0:
            numbers[part] = known.add(part)
    assert known.count == len(numbers)
    assert list(numbers.values()) == list(range(len(numbers)))


def test_parts_of_any_length_are_told_apart_wherever_they_stand() -> None:
    known = KnownParts()
    parts = [bytes(range(200, 200 + size)) for size in range(40)]
    numbers = [known.add(part) for part in parts]
    for part, number in zip(parts, numbers, strict=True):
        for before, behind in ((b"", b""), (b"x" * 5, b"y"), (b"x", b"y" * 9)):
            at = len(before)
            assert known.find(before + part + behind + PADDING, at, at + len(part)) == number
        changed = part[:-1] + b"x"
        assert known.find(changed + PADDING, 0, len(changed)) == -1
    known.clear()
    assert known.find(PADDING, 0, 0) == -1
    assert known.add(b"b") == 0
