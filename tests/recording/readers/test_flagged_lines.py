# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of steps are read as lines of maps are, whatever has been read before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.map_line import map_line
from vmalab.calls.snapshot import VmaLine
from vmalab.recording.readers.flagged_lines import FlaggedLines
from vmalab.recording.readers.maps import Flags, parse_flagged_range
from vmalab.recording.readers.scanner import Scanner, bytes_of

HEADS = ("7f0000000000-7f0000001000", "5000-6000", "ffffffffff600000-ffffffffff601000", "6000-5000")
PERMS = ("rw-p", "r--s", "--xp", "rw-", "rwxq")
OFFSETS = ("00000000", "1000", "8000000000000000", "")
FILES = ("00:00 0", "fe:00 12", "fe:00 012", "0:0 1", "00:1f 18446744073709551616")
NAMES = ("", " ", "  ", " " * 20 + "/a", " " * 40 + "/a b", " " * 41 + " /a", " " * 60, "\t/a", "x")
FLAGS = ("", " |", " | rd wr mr ", " | rd ht", " | a | rd", " | zz ", " |rd")
LINES = st.builds(
    lambda head, perms, offset, file, name, flags: f"{head} {perms} {offset} {file}{name}{flags}",
    *map(st.sampled_from, (HEADS, PERMS, OFFSETS, FILES, NAMES, FLAGS)),
)


def outcome(line: str) -> VmaLine | str:
    """What the full parser makes of a line."""
    try:
        return parse_flagged_range(line, Flags())
    except ValueError as error:
        return str(error)


@given(st.lists(LINES, max_size=30))
def test_lines_are_read_as_by_the_full_parser(lines: list[str]) -> None:
    reader = FlaggedLines()
    for line in lines:
        scanner = Scanner(bytes_of(line))
        found: VmaLine | str
        try:
            native = reader.read(scanner)
            found = native.line
            again = map_line(found)
            assert (native.start, native.end) == (again.start, again.end)
            assert (native.permissions, native.pgoff) == (again.permissions, again.pgoff)
            assert native.behind.bits == again.behind.bits
            assert native.behind.has_file == again.behind.has_file
        except ValueError as error:
            found = str(error)
        assert found == outcome(line)
        assert scanner.at == scanner.size


@pytest.mark.parametrize("line", ["", "x", "7f00-8000", "7f00-8000 rw-p", "7f00-8000 rw-p 0"])
def test_a_line_that_ends_early_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of a memory map"):
        FlaggedLines().read(Scanner(bytes_of(line)))
