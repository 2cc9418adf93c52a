# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that a recording holds the program's headers of begin as exec builds them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmalab.calls.errors import ReadError
from vmalab.replay.report import ReplayReport
from vmalab.views.text import figures_text

from ..small_recordings import Make

Replayed = Callable[..., ReplayReport]
DATA = Path(__file__).parents[1] / "data" / "elf"
EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'


def load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text("utf-8"))
    return data


def headers(file: dict[str, Any]) -> dict[str, Any]:
    """The headers of a file as meta.json has them."""
    kept = {
        "path": file["path"],
        "dev": file["dev"],
        "inode": file["ino"],
        "size": file["size"],
        "type": file["e_type"],
        "machine": file["e_machine"],
        "entry": file["e_entry"],
        "phdrs": [list(row) for row in file["phdrs"]],
    }
    return kept if file["interp"] is None else kept | {"interp": file["interp"]}


def recording(make: Make, data: dict[str, Any], elf: dict[str, Any]) -> Path:
    """A recording of a program that does nothing, with what `elf` says of its headers."""
    flags = [*(" ".join(words) for words in data["flags"][:-1]), "ex"]
    image = {
        "rlimits": {"STACK": [data["facts"]["rlimit_stack"], None]},
        "mm": data["mm"],
        "elf": elf,
    }
    return make(
        EXEC,
        "",
        first=list(zip(data["maps"], flags, strict=True)),
        meta={"images": {"50.1": image}},
    )


def elf_of(data: dict[str, Any]) -> dict[str, Any]:
    return {key: headers(data[key]) for key in ("program", "interpreter")}


@pytest.mark.parametrize("name", ["perl", "cc1", "tail"])
def test_a_program_begins_as_recorded(make: Make, replayed: Replayed, name: str) -> None:
    data = load(name)
    report = replayed(recording(make, data, elf_of(data)))
    assert report.identical
    assert (report.total.programs, report.total.programs_identical) == (1, 1)


def test_text_tells_how_many_begin_as_recorded(make: Make, replayed: Replayed) -> None:
    data = load("tail")
    report = replayed(recording(make, data, elf_of(data)))
    assert ", 1/1 programs begin as recorded" in figures_text(report.total)


def test_other_headers_are_a_difference_and_the_map_is_taken_over(
    make: Make, replayed: Replayed
) -> None:
    """The last segment to load is a page longer in memory: so is the heap's lowest place."""
    data = load("perl")
    elf = elf_of(data)
    longer = [row for row in elf["program"]["phdrs"] if row[0] == 1][-1]
    longer[5] += 0x10000
    report = replayed(recording(make, data, elf))
    assert not report.identical
    assert (report.total.programs, report.total.programs_identical) == (1, 0)
    assert [found.call for found in report.differences] == ["first map"]


def test_moved_code_is_a_difference_in_addresses(make: Make, replayed: Replayed) -> None:
    data = load("perl")
    data["mm"]["end_code"] += 1
    report = replayed(recording(make, data, elf_of(data)))
    assert [found.call for found in report.differences] == ["counters at the first map"]
    assert report.differences[0].recorded == f"end_code {data['mm']['end_code']:#x}"
    assert report.total.programs_identical == 0


@pytest.mark.parametrize("missing", ["interpreter", "program"])
def test_without_a_file_the_first_map_stands(make: Make, replayed: Replayed, missing: str) -> None:
    data = load("perl")
    elf = elf_of(data)
    del elf[missing]
    report = replayed(recording(make, data, elf))
    assert report.identical
    assert report.total.programs == 0


@pytest.mark.parametrize("missing", ["arg_start", "env_end", "start_stack", "start_brk"])
def test_without_an_address_the_first_map_stands(
    make: Make, replayed: Replayed, missing: str
) -> None:
    data = load("perl")
    del data["mm"][missing]
    report = replayed(recording(make, data, elf_of(data)))
    assert report.identical
    assert report.total.programs == 0


@pytest.mark.parametrize("field", range(1, 7))
@pytest.mark.parametrize("value", [0, 1, 4095, 1 << 40, (1 << 63) - 1, (1 << 64) - 1])
def test_no_header_is_too_strange(make: Make, replayed: Replayed, field: int, value: int) -> None:
    """Headers are data from elsewhere: whatever they say, the replay ends with figures."""
    data = load("tail")
    elf = elf_of(data)
    for row in elf["program"]["phdrs"]:
        row[field] = value
    report = replayed(recording(make, data, elf))
    assert report.total.differ == 0


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([[1, 2, 3]], "rows of 7 numbers"),
        ([[1, 2, 3, 4, 5, 6, -1]], "rows of 7 numbers"),
        ([[1, 2, 3, 4, 5, 6, 1 << 64]], "rows of 7 numbers"),
        ("x", "a list"),
        ([[1] * 7] * 2049, "no more than 2048 rows"),
    ],
    ids=["short", "negative", "too large", "no list", "too many"],
)
def test_headers_that_are_none_are_an_error(
    make: Make, replayed: Replayed, rows: object, why: str
) -> None:
    data = load("tail")
    elf = elf_of(data)
    elf["program"]["phdrs"] = rows
    with pytest.raises(ReadError, match=why):
        replayed(recording(make, data, elf))
