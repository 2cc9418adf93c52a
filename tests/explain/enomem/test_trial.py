# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said to let a call pass has let it pass in the model, every check of it."""

from pathlib import Path

import pytest

from vmalab.explain.enomem.failed_calls import Refused, enomem
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options

from ...small_recordings import Make
from .test_failed_calls import log_of, machine

# Huge pages align what is large below the first map.
TOP = 0x7F0000000000
BIG = 256 << 20
PRIVATE = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"
MAPPED = f"mmap(NULL, {BIG}, {PRIVATE}) = {TOP - BIG:#x}"
HEAP = 0x555555560000
NO_MEMORY = "-1 ENOMEM (Cannot allocate memory)"
# Behind the refused calls: where it goes shows whether a trial has left anything.
AFTER = "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f00000ff000"


def limit(name: str, value: int) -> str:
    return f"prlimit64(0, RLIMIT_{name}, {{rlim_cur={value}, rlim_max=RLIM64_INFINITY}}, NULL) = 0"


def refusals(path: Path) -> list[Refused]:
    found, report = enomem(RecordingFiles(str(path)), Options())
    assert report.total.differ == report.total.adopted == 0
    return found.refused


def least(refused: Refused) -> int:
    """The value in bytes."""
    assert refused.verdict.needed is not None
    return refused.verdict.needed << (12 if refused.verdict.unit == "pages" else 0)


GROW = f"brk({HEAP + (128 << 20):#x})"
MORE = f"mmap(NULL, {64 << 20}, {PRIVATE})"


@pytest.mark.parametrize(
    ("name", "call", "failed", "passed"),
    [
        ("DATA", GROW, f"{HEAP:#x}", f"{HEAP + (128 << 20):#x}"),
        ("AS", GROW, f"{HEAP:#x}", f"{HEAP + (128 << 20):#x}"),
        ("AS", MORE, NO_MEMORY, f"{TOP - BIG - (64 << 20):#x}"),
        ("DATA", MORE, NO_MEMORY, f"{TOP - BIG - (64 << 20):#x}"),
        (
            "DATA",
            f"mremap({TOP - BIG:#x}, {BIG}, {BIG + 4096}, MREMAP_MAYMOVE)",
            NO_MEMORY,
            f"{TOP - BIG:#x}",
        ),
    ],
)
def test_the_least_value_passes_and_one_page_less_does_not(
    make: Make, name: str, call: str, failed: str, passed: str, tmp_path: Path
) -> None:
    def told(value: int, result: str, *after: str) -> list[Refused]:
        calls = (f"brk(NULL) = {HEAP:#x}", MAPPED, limit(name, value), f"{call} = {result}")
        made = make(log_of(*calls, *after), None, meta=machine())
        found = refusals(made)
        made.rename(tmp_path / str(value))
        return found

    [first] = told(1 << 20, failed, limit(name, 1 << 40), AFTER)
    value = least(first)
    assert first.verdict.remedy.startswith(f"RLIMIT_{name} of {value} bytes")
    assert len(told(value - 4096, failed)) == 1
    assert told(value, passed) == []


def test_another_limit_behind_it_is_named_too(make: Make) -> None:
    meta = machine(rlimits={"AS": [1 << 20, None], "DATA": [1 << 20, None]}, total_ram_pages=64)
    [refused] = refusals(make(log_of(f"{MORE} = {NO_MEMORY}"), None, meta=meta))
    assert refused.verdict.check == "RLIMIT_AS"
    assert refused.verdict.remedy == (
        "RLIMIT_AS of 67260416 bytes (ulimit -v 65684), and RLIMIT_DATA of 67108864 bytes "
        "(ulimit -d 65536), and MAP_NORESERVE, vm.overcommit_memory=1, or a shorter mapping"
    )
    assert "behind that, overcommit guess" in refused.verdict.why


def test_a_gap_is_named_with_where_it_was_looked_for(make: Make) -> None:
    call = f"mmap(NULL, {1 << 47}, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)"
    call = call.replace(str(1 << 47), str((1 << 47) - (1 << 40)))
    [refused] = refusals(make(log_of(f"{call} = {NO_MEMORY}"), None, meta=machine()))
    assert refused.verdict.check == "no gap"
    words = refused.verdict.why.split()
    ranges = [
        (int(words[at + 1], 16), int(words[at + 3].rstrip(";"), 16))
        for at, word in enumerate(words)
        if word == "between"
    ]
    start = int(words[-1], 16)
    assert any(low <= start < high for low, high in ranges)
