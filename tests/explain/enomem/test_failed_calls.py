# SPDX-License-Identifier: GPL-2.0-or-later
"""Each failed call is told with the check that refused it, its figures and the way out."""

from pathlib import Path
from typing import Any

import pytest

from vmalab.explain.enomem.failed_calls import MAX_KEPT, UNKNOWN, Enomem, Refused, enomem
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options

from ...small_recordings import Make

ROOT = Path(__file__).resolve().parents[3]
A = 0x7F00000FE000
MMAP = "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f00000fe000"
UNPRIVILEGED = {"CapEff": "0000000000000000", "Uid": "1000\t1000\t1000\t1000"}


def log_of(*calls: str) -> str:
    """A log of process 50: its exec, then the calls."""
    lines = ['execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0', *calls, "+++ exited with 0 +++"]
    return "".join(f"50 {line}\n" for line in lines)


def machine(
    sysctl: dict[str, int] | None = None,
    rlimits: dict[str, list[int | None]] | None = None,
    status: dict[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Keys of meta.json for a machine with such settings."""
    image = {
        "rlimits": {"STACK": [8388608, None]} | (rlimits or {}),
        "mm": {"start_brk": "0x555555560000", "start_stack": "0x7ffd0001ff00"},
        "status": status or {},
    }
    settings = {"kernel.randomize_va_space": 2} | (sysctl or {})
    return {"sysctl": settings, "images": {"50.1": image}} | more


def found_in(path: Path, **options: Any) -> Enomem:
    """What was found; every call is as predicted."""
    found, report = enomem(RecordingFiles(str(path)), Options(**options))
    assert report.total.differ == 0
    assert report.total.adopted == 0
    return found


# name: (meta, calls, check, unit, needed, limit, remedy).
LIMITS: dict[str, tuple[dict[str, Any], list[str], str, str, int | None, int | None, str]] = {
    "mlock": (
        machine(rlimits={"MEMLOCK": [4096, 4096]}, status=UNPRIVILEGED),
        [MMAP, f"mlock({A:#x}, 8192) = -1 ENOMEM (Cannot allocate memory)"],
        "RLIMIT_MEMLOCK",
        "pages",
        2,
        1,
        "RLIMIT_MEMLOCK of 8192 bytes (ulimit -l 8)",
    ),
    "mlock without the right": (
        machine(rlimits={"MEMLOCK": [0, 0]}, status=UNPRIVILEGED),
        [MMAP, f"mlock({A:#x}, 8192) = -1 EPERM (Operation not permitted)"],
        "RLIMIT_MEMLOCK",
        "pages",
        2,
        0,
        "RLIMIT_MEMLOCK of 8192 bytes (ulimit -l 8)",
    ),
    "MAP_LOCKED": (
        machine(rlimits={"MEMLOCK": [4096, 4096]}, status=UNPRIVILEGED),
        [
            "mmap(NULL, 16384, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_LOCKED, -1, 0) = "
            "-1 EAGAIN (Resource temporarily unavailable)"
        ],
        "RLIMIT_MEMLOCK",
        "pages",
        4,
        1,
        "RLIMIT_MEMLOCK of 16384 bytes (ulimit -l 16)",
    ),
    "commit limit": (
        machine({"vm.overcommit_memory": 2}, commit_limit_kb=1 << 20, committed_as_kb=1 << 19),
        [
            "mmap(NULL, 1073741824, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
            "-1 ENOMEM (Cannot allocate memory)"
        ],
        "commit limit",
        "pages",
        # Half a GiB and a GiB, what is kept back (37 pages / 32), and one: below, not at.
        131072 + 262144 + 1 + 1,
        262144,
        "a CommitLimit of 1572872 kB (vm.overcommit_kbytes, swap), or vm.overcommit_memory=0",
    ),
    "overcommit guess": (
        machine(total_ram_pages=1000),
        [
            "mmap(NULL, 4100096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
            "-1 ENOMEM (Cannot allocate memory)"
        ],
        "overcommit guess",
        "pages",
        1001,
        1000,
        "MAP_NORESERVE, vm.overcommit_memory=1, or a shorter mapping",
    ),
    "fork": (
        machine(total_ram_pages=1),
        [
            "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|SIGCHLD, child_tidptr=0x1000) = "
            "-1 ENOMEM (Cannot allocate memory)"
        ],
        "overcommit guess",
        "pages",
        33,
        1,
        "MAP_NORESERVE, vm.overcommit_memory=1, or a shorter mapping",
    ),
    "mmap_min_addr": (
        machine({"vm.mmap_min_addr": 65536}, status=UNPRIVILEGED),
        [
            "mmap(0x1000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = "
            "-1 EPERM (Operation not permitted)"
        ],
        "vm.mmap_min_addr",
        "bytes",
        4096,
        65536,
        "an address of 0x10000 or more, or CAP_SYS_RAWIO",
    ),
    "MDWE": (
        machine(),
        [
            "prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) = 0",
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
            "-1 EACCES (Permission denied)",
        ],
        "MDWE",
        "",
        None,
        None,
        "write under one mapping and execute another of the same file",
    ),
    "seal": (
        machine(),
        [MMAP, f"mseal({A:#x}, 8192, 0) = 0", f"munmap({A:#x}, 8192) = -1 EPERM (No)"],
        "seal",
        "",
        None,
        None,
        "no change of sealed memory: a seal cannot be undone",
    ),
    "both ends of a VMA": (
        machine({"vm.max_map_count": 4}),
        [
            "mmap(NULL, 12288, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
            "0x7f00000fd000",
            f"mprotect({A:#x}, 4096, PROT_READ) = -1 ENOMEM (Cannot allocate memory)",
        ],
        "map count",
        "VMAs",
        6,
        4,
        "sysctl vm.max_map_count=6, or 2 VMAs fewer",
    ),
    "mmap at the limit": (
        machine({"vm.max_map_count": 2}),
        [
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
            "-1 ENOMEM (Cannot allocate memory)"
        ],
        "map count",
        "VMAs",
        3,
        2,
        "sysctl vm.max_map_count=3, or 1 VMA fewer",
    ),
    "mremap looks ahead": (
        machine({"vm.max_map_count": 9}),
        [
            MMAP,
            f"mremap({A:#x}, 8192, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7f0000080000) = "
            "-1 ENOMEM (Cannot allocate memory)",
        ],
        "map count",
        "VMAs",
        10,
        9,
        "sysctl vm.max_map_count=10, or 1 VMA fewer",
    ),
    "brk": (
        machine(rlimits={"DATA": [65536, 65536]}),
        ["brk(NULL) = 0x555555560000", "brk(0x555555581000) = 0x555555560000"],
        "RLIMIT_DATA",
        "bytes",
        0x21000,
        65536,
        "RLIMIT_DATA of 135168 bytes (ulimit -d 132)",
    ),
    "brk in the way": (
        machine(),
        [
            "mmap(0x555555562000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = "
            "0x555555562000",
            "brk(0x555555563000) = 0x555555560000",
        ],
        "occupied",
        "",
        None,
        None,
        "another address, or nothing mapped at 0x555555562000",
    ),
    "MAP_FIXED_NOREPLACE": (
        machine(),
        [
            MMAP,
            f"mmap({A:#x}, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED_NOREPLACE|MAP_ANONYMOUS, -1, 0) "
            "= -1 EEXIST (File exists)",
        ],
        "occupied",
        "",
        None,
        None,
        "another address, or nothing mapped at 0x7f00000fe000",
    ),
    "hole": (
        machine(),
        [MMAP, f"mprotect({A - 4096:#x}, 8192, PROT_READ) = -1 ENOMEM (Cannot allocate memory)"],
        "hole",
        "",
        None,
        None,
        "a range without holes: something mapped at 0x7f00000fd000",
    ),
    "address range": (
        machine(),
        [
            "mmap(NULL, 281474976710656, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
            "-1 ENOMEM (Cannot allocate memory)"
        ],
        "address range",
        "bytes",
        1 << 48,
        0x7FFFFFFFF000,
        "an end of at most 0x7ffffffff000",
    ),
    "io_setup": (
        machine(),
        ["io_setup(70000, [NULL]) = -1 EAGAIN (Resource temporarily unavailable)"],
        "fs.aio-max-nr",
        "events",
        70000,
        65536,
        "sysctl fs.aio-max-nr=70000",
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_check_and_its_figures(make: Make, name: str) -> None:
    meta, calls, check, unit, needed, limit, remedy = LIMITS[name]
    found = found_in(make(log_of(*calls), None, meta=meta))
    assert (found.calls, found.failed) == (1 + len(calls), 1)
    [refused] = found.refused
    verdict = refused.verdict
    assert (verdict.check, verdict.unit) == (check, unit)
    assert (verdict.needed, verdict.limit) == (needed, limit)
    assert verdict.remedy == remedy
    [group] = found.groups
    assert (group.check, group.count, group.first, group.last) == (
        check,
        1,
        refused.line,
        refused.line,
    )
    assert group.most == (None if needed is None or limit is None else abs(needed - limit))


def test_the_longest_free_range(make: Make) -> None:
    """What is free below the stack, from the lowest address that a hint may have."""
    length = 0x7EFF00000000
    calls = f"mmap(NULL, {length}, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 ENOMEM (No)"
    [refused] = found_in(make(log_of(calls), None, meta=machine())).refused
    # Between the program and the loader.
    longest = max(0x555555554000 - 65536, 0x7F0000100000 - 0x555555556000)
    assert refused.verdict.needed == length
    assert refused.verdict.limit == longest
    assert refused.verdict.remedy == f"a length of at most {longest} bytes"


def test_the_trend_before_a_failure(make: Make) -> None:
    """A VMA more each second, until the limit."""
    calls = [
        f"mmap({A - number * 8192:#x}, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0)"
        f" = {A - number * 8192:#x}"
        for number in range(10)
    ]
    calls.append(
        "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 ENOMEM (No memory)"
    )
    lines = log_of(*calls).splitlines()
    timed = "".join(
        f"50 {1700000000 + index}.000000 {line.removeprefix('50 ')}\n"
        for index, line in enumerate(lines)
    )
    meta = machine({"vm.max_map_count": 12})
    [refused] = found_in(make(timed, None, meta=meta)).refused
    trend = refused.trend
    assert trend is not None
    assert (trend.now, trend.grew, trend.calls, trend.per_call) == (13, 10, 10, 1.0)
    assert (trend.seconds, trend.per_second) == (11.0, 10 / 11)
    assert refused.time == 1700000011.0


@pytest.mark.parametrize(
    "name",
    [
        "errno-1",
        "mapcount-1",
        pytest.param("limits-1", marks=pytest.mark.slow),
        pytest.param("commit-1", marks=pytest.mark.slow),
    ],
)
def test_every_failed_call_of_a_recording_has_a_reason(name: str) -> None:
    found, report = enomem(RecordingFiles(str(ROOT / "tests" / "data" / name)), Options())
    assert report.total.differ == 0
    assert sum(group.count for group in found.groups) == found.failed + found.others_failed
    assert len([one for one in found.refused if one.verdict.unit]) <= MAX_KEPT
    vague = [
        group.example.verdict.why
        for group in found.groups
        if group.example is not None
        and (group.check == UNKNOWN or group.example.verdict.why.startswith("refused with"))
    ]
    assert vague == []


def test_what_the_recording_does_not_hold_is_not_explained(make: Make) -> None:
    """A refusal that the model does not understand is said to be one."""
    calls = "mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 ENOMEM (No memory)"
    meta = machine({"vm.max_map_count": 65530}, {"AS": [None, None], "DATA": [None, None]})
    meta["total_ram_pages"] = 4194304
    found, report = enomem(RecordingFiles(str(make(log_of(calls), None, meta=meta))), Options())
    assert report.total.differ == 1
    [refused] = found.refused
    assert refused.verdict.check == UNKNOWN
    assert refused.verdict.why == "the recording does not hold what decided it (it differs)"


def test_headroom_tells_when_a_limit_is_reached(make: Make) -> None:
    """One VMA more each call, from 3 on; at 23 of 33 there are ten calls left."""
    calls = [
        f"mmap({A - number * 8192:#x}, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0)"
        f" = {A - number * 8192:#x}"
        for number in range(20)
    ]
    found = found_in(make(log_of(*calls), None, meta=machine({"vm.max_map_count": 33})))
    assert found.failed == 0
    row = {row.name: row for row in found.headroom["50.1"]}["map count"]
    assert (row.used, row.most, row.limit, row.left) == (23, 23, 33, 10)
    assert (row.per_call, row.calls_left, row.seconds_left) == (1.0, 10, None)
    stack = {row.name: row for row in found.headroom["50.1"]}["RLIMIT_STACK"]
    assert (stack.used, stack.limit, stack.per_call) == (33, 2048, 0.0)


def test_the_worked_example() -> None:
    found = found_in(ROOT / "examples" / "python-rlimit-as")
    assert (found.calls, found.failed) == (609, 6)
    assert [(group.check, group.name, group.count) for group in found.groups] == [
        ("RLIMIT_AS", "mmap", 4),
        ("RLIMIT_AS", "brk", 2),
    ]
    first: Refused = found.refused[0]
    assert (first.line, first.verdict.needed, first.verdict.limit) == (635, 65564, 65536)
