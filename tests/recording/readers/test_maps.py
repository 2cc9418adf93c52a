# SPDX-License-Identifier: GPL-2.0-or-later
"""Maps and smaps files are read to their ranges; what is wrong is named with file and line."""

import gzip
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.readers.maps import (
    Flags,
    parse_flagged_range,
    parse_maps,
    parse_smaps,
    read_snapshot,
)

HEAP = "55c8ff0da000-55c8ff0fb000 rw-p 00000000 00:00 0                          [heap]"
NAMELESS = "7fd42789f000-7fd4278a1000 rw-p 00000000 00:00 0 "
WHOLE_SMAPS = f"""{HEAP}
Size:                132 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                  92 kB
Pss:                  92 kB
Anonymous:            88 kB
THPeligible:           0
VmFlags: rd wr mr mw me ac sd\x20
{NAMELESS}
Rss:                   0 kB
ProtectionKey:         3
VmFlags: rd wr mr mw me ac\x20
"""


def test_maps() -> None:
    heap, nameless = parse_maps(f"{HEAP}\n{NAMELESS}\n")
    assert (heap.name, heap.start, heap.end) == ("[heap]", 0x55C8FF0DA000, 0x55C8FF0FB000)
    assert (nameless.name, nameless.flags, nameless.pkey, nameless.rss) == ("", None, 0, None)


def test_whole_smaps() -> None:
    heap, nameless = parse_smaps(WHOLE_SMAPS)
    assert heap.flags == ("rd", "wr", "mr", "mw", "me", "ac", "sd")
    assert (heap.rss, heap.anonymous, heap.pkey) == (92 << 10, 88 << 10, 0)
    assert (nameless.rss, nameless.anonymous, nameless.pkey) == (0, None, 3)
    assert [vma.text for vma in (heap, nameless)] == [HEAP, NAMELESS]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_file(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "final.smaps"
    raw = WHOLE_SMAPS.encode()
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert read_snapshot(str(path)) == parse_smaps(WHOLE_SMAPS)


def test_line_of_a_step_with_its_flags() -> None:
    vma = parse_flagged_range(f"{NAMELESS} | rd wr mr mw me ac ", Flags())
    assert vma.flags == ("rd", "wr", "mr", "mw", "me", "ac")
    assert vma.text == NAMELESS


def test_line_of_a_step_without_flags_whose_name_has_a_bar() -> None:
    vma = parse_flagged_range(HEAP.replace("[heap]", "/a | file"), Flags())
    assert (vma.name, vma.flags) == ("/a | file", None)


def test_line_written_by_hand_may_have_fewer_spaces() -> None:
    (vma,) = parse_maps("1000-2000 rw-p 0 00:00 0 [heap]")
    assert vma.name == "[heap]"
    assert vma.text == f"{'00001000-00002000 rw-p 00000000 00:00 0':73}[heap]"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("garbage", "not a line of a memory map"),
        ("2000-1000 rw-p 00000000 00:00 0 ", "ends (1000) where it starts (2000)"),
        ("1000-1000 rw-p 00000000 00:00 0 ", "ends (1000)"),
        ("1000-12345678912345678 rw-p 00000000 00:00 0 ", "not a line of a memory map"),
        ("1000-2000 rw-p 00000000 00:00 99999999999999999999 ", "inode"),
        ("VmFlags: rd", "before any range"),
        ("Nonsense", "not a field"),
    ],
)
def test_wrong_line_is_located(line: str, why: str) -> None:
    with pytest.raises(ReadError) as caught:
        parse_smaps(f"\n{line}\n", "x.smaps")
    assert str(caught.value).startswith("x.smaps:2: ")
    assert why in caught.value.why


@pytest.mark.parametrize(
    "field", ["ProtectionKey: 99999", "ProtectionKey: ²", "Rss: much", "Anonymous: 4 MB", "Rss:4"]
)
def test_wrong_field_is_located(field: str) -> None:
    with pytest.raises(ReadError, match=r"^x:2: "):
        parse_smaps(f"{HEAP}\n{field}\n", "x")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"none\.smaps: cannot open: No such file"):
        read_snapshot(str(tmp_path / "none.smaps"))
