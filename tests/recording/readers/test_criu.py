# SPDX-License-Identifier: GPL-2.0-or-later
"""Checkpoints of CRIU, as `crit decode` prints them, with --pretty and without."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.errors import ReadError
from vmalab.recording.readers.criu import parse_criu
from vmalab.recording.readers.maps import read_snapshot

DATA = Path(__file__).parents[2] / "data" / "criu"


def parse(**fields: object) -> str:
    """The line, and VmFlags, of an entry with these fields."""
    entry = {"start": 0x1000, "end": 0x3000, "prot": 3, "flags": 0x22, "status": 0x201}
    raw = json.dumps({"magic": "MM", "entries": [{"vmas": [entry | fields]}]}).encode()
    (line,) = parse_criu(raw, "mm.json")
    return f"{line.text.strip()} | {' '.join(line.flags or ())}"


def test_both_forms_say_the_same() -> None:
    plain = read_snapshot(str(DATA / "mm.json"))
    assert plain == read_snapshot(str(DATA / "mm-pretty.json.gz"))
    assert [(f"{line.start:x}", line.perms, line.name) for line in plain] == [
        ("400000", "r-xp", "(file 3 of the checkpoint)"),
        ("401000", "rw-p", "(file 3 of the checkpoint)"),
        ("10000000", "rw-p", "[heap]"),
        ("7f0000000000", "rw-p", ""),
        ("7f0000010000", "rw-p", ""),
        ("7f0000020000", "rw-s", "(file 77 of the checkpoint)"),
        ("7ffd00000000", "rw-p", "[stack]"),
        ("7ffd00100000", "r-xp", "[vdso]"),
    ]
    assert plain[1].pgoff == 4096
    assert plain[1].identity == plain[0].identity != plain[5].identity


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "00001000-00003000 rw-p 00000000 00:00 0 | rd wr mr mw me ac"),
        (
            {"madv": 1 << 15 | 1 << 16},
            "00001000-00003000 rw-p 00000000 00:00 0 | rd wr mr mw me ac dd nh",
        ),
        (
            {"flags": "MAP_PRIVATE | MAP_ANON | 0x2000"},
            "00001000-00003000 rw-p 00000000 00:00 0 | rd wr mr mw me lo ac",
        ),
        ({"prot": 0, "madv": "0x400"}, "00001000-00003000 ---p 00000000 00:00 0 | mr mw me dc"),
    ],
)
def test_flags(fields: dict[str, object], expected: str) -> None:
    assert parse(**fields) == expected


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"start": "many"}, "start: a number expected"),
        ({"end": 0x1000}, "an invalid range"),
        ({"end": 0x2001}, "an invalid range"),
        ({"prot": "PROT_MUCH"}, "'PROT_MUCH' is not known"),
        ({"flags": [1]}, "flags: a number expected"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(fields: dict[str, object], why: str) -> None:
    with pytest.raises(ReadError, match=why):
        parse(**fields)


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b"{}", b'{"entries": 5}', b'{"entries": [1]}', b"\xff"]
)
def test_other_files_are_refused(raw: bytes) -> None:
    with pytest.raises(ReadError, match=r"^mm\.json"):
        parse_criu(raw, "mm.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["entries", "vmas", "start", "end", "prot"]), inner)
    ),
    max_leaves=8,
)


@given(JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    try:
        parse_criu(json.dumps(value).encode(), "mm.json")
    except ReadError:
        return
