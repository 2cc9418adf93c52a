# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of lines have numbers, by which they are found again."""

from hypothesis import given
from hypothesis import strategies as st

from vmalab.recording.readers.characters import CLOSE, COMMA
from vmalab.recording.readers.known_parts import KnownParts
from vmalab.recording.readers.scanner import Scanner

# Of few characters, so that parts are alike.
PARTS = st.lists(st.text("ab|", max_size=20).map(str.encode), max_size=200)


def find(known: KnownParts, part: bytes, before: bytes = b"", behind: bytes = b")") -> int:
    """Return what is found of a part that stands between others."""
    scanner = Scanner(before + part + behind + b"\n", len(before))
    end = scanner.place_of(COMMA, CLOSE)
    assert end == len(before + part)
    return int(known.find(scanner, len(before), end))


@given(PARTS)
def test_each_part_is_found_by_all_its_characters(parts: list[bytes]) -> None:
    known = KnownParts()
    numbers: dict[bytes, int] = {}
    for part in parts:
        found = find(known, part, b"x", b",y")
        assert found == numbers.get(part, -1)
        if found < 0:
            numbers[part] = known.add(part)
    assert known.count == len(numbers)
    assert list(numbers.values()) == list(range(len(numbers)))


def test_parts_of_any_length_are_told_apart_wherever_they_stand() -> None:
    known = KnownParts()
    parts = [bytes(range(200, 200 + size)) for size in range(40)]
    for number, part in enumerate(parts):
        assert find(known, part) == -1
        assert known.add(part) == number
    for number, part in enumerate(parts):
        for before, behind in ((b"", b""), (b"x" * 5, b",y"), (b"x", b")" + b"y" * 9)):
            assert find(known, part, before, behind) == number
        assert find(known, part[:-1] + b"x") == -1
    known.clear()
    assert find(known, b"") == -1
    assert known.add(b"") == 0
    assert find(known, b"") == 0
