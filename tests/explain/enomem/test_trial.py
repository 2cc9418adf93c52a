# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said to let a call pass has let it pass in the model, every check of it."""

from pathlib import Path

import pytest

from vmalab.explain.enomem.failed_calls import Enomem, FailureGroup, RefusalKeeper, Refused, enomem
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

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


# A place that is asked for, and free.
AT = 0x600000000000
PAGES = f"mmap({AT:#x}, 65536, {PRIVATE}) = {AT:#x}"
WITH_FILE = ('openat(AT_FDCWD, "/lib/x", O_RDWR) = 3',)
SEGMENT = ("shmget(IPC_PRIVATE, 65536, IPC_CREAT|0600) = 7",)
UNPRIVILEGED = {"CapEff": "0000000000000000", "Uid": "1000\t1000\t1000\t1000"}
PERMISSION = "-1 EPERM (Operation not permitted)"
AGAIN = "-1 EAGAIN (Resource temporarily unavailable)"
MIDDLE = f"{AT + 16384:#x}, 16384"

# name: (limit, too low, calls before, call, what it answers when it fails, and when it passes).
KINDS: dict[str, tuple[str, int, tuple[str, ...], str, str, str]] = {
    "mprotect, map count": ("count", 4, (PAGES,), f"mprotect({MIDDLE}, PROT_READ)", NO_MEMORY, "0"),
    "madvise, map count": (
        "count",
        4,
        (PAGES,),
        f"madvise({MIDDLE}, MADV_DONTDUMP)",
        AGAIN,
        "0",
    ),
    "munmap, map count": ("count", 4, (PAGES,), f"munmap({MIDDLE})", NO_MEMORY, "0"),
    "mlock, map count": ("count", 4, (PAGES,), f"mlock({MIDDLE})", NO_MEMORY, "0"),
    "mlock at an end, map count": ("count", 4, (PAGES,), f"mlock({AT:#x}, 4096)", NO_MEMORY, "0"),
    "mmap of a file over another, map count": (
        "count",
        4,
        (PAGES, *WITH_FILE),
        f"mmap({MIDDLE}, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3, 0)",
        NO_MEMORY,
        f"{AT + 16384:#x}",
    ),
    "mmap of a file, map count": (
        "count",
        1,
        WITH_FILE,
        f"mmap({AT:#x}, 4096, PROT_READ, MAP_SHARED, 3, 0)",
        NO_MEMORY,
        f"{AT:#x}",
    ),
    "mmap of a file, AS": (
        "AS",
        4096,
        WITH_FILE,
        f"mmap({AT:#x}, 65536, PROT_READ, MAP_SHARED, 3, 0)",
        NO_MEMORY,
        f"{AT:#x}",
    ),
    "mmap of a file, DATA": (
        "DATA",
        4096,
        WITH_FILE,
        f"mmap({AT:#x}, 65536, PROT_READ|PROT_WRITE, MAP_PRIVATE, 3, 0)",
        NO_MEMORY,
        f"{AT:#x}",
    ),
    "mprotect, DATA": (
        "DATA",
        4096,
        (f"mmap({AT:#x}, 65536, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {AT:#x}",),
        f"mprotect({AT:#x}, 65536, PROT_READ|PROT_WRITE)",
        NO_MEMORY,
        "0",
    ),
    "mlock, MEMLOCK": ("MEMLOCK", 4096, (PAGES,), f"mlock({AT:#x}, 65536)", NO_MEMORY, "0"),
    "mlock, MEMLOCK of 0": ("MEMLOCK", 0, (PAGES,), f"mlock({AT:#x}, 65536)", PERMISSION, "0"),
    "mlockall, MEMLOCK": ("MEMLOCK", 4096, (PAGES,), "mlockall(MCL_CURRENT)", NO_MEMORY, "0"),
    "MAP_LOCKED, MEMLOCK": (
        "MEMLOCK",
        4096,
        WITH_FILE,
        f"mmap({AT:#x}, 65536, PROT_READ, MAP_SHARED|MAP_LOCKED, 3, 0)",
        AGAIN,
        f"{AT:#x}",
    ),
    "shmat, AS": ("AS", 4096, SEGMENT, f"shmat(7, {AT:#x}, 0)", NO_MEMORY, f"{AT:#x}"),
    "shmat, map count": ("count", 2, SEGMENT, f"shmat(7, {AT:#x}, 0)", NO_MEMORY, f"{AT:#x}"),
    "mremap, AS": (
        "AS",
        4096,
        (PAGES,),
        f"mremap({AT:#x}, 65536, 131072, MREMAP_MAYMOVE|MREMAP_FIXED, {2 * AT // 3:#x})",
        NO_MEMORY,
        f"{2 * AT // 3:#x}",
    ),
    "MAP_FIXED, AS": (
        "AS",
        4096,
        (PAGES,),
        f"mmap({MIDDLE}, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)",
        NO_MEMORY,
        f"{AT + 16384:#x}",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_least_value_for_every_kind_of_call(make: Make, name: str, tmp_path: Path) -> None:
    which, low, before, call, failed, passed = KINDS[name]

    def told(value: int, result: str) -> list[Refused]:
        settings = {"vm.max_map_count": value} if which == "count" else {}
        lowered = () if which == "count" else (limit(which, value),)
        log = log_of(*before, *lowered, f"{call} = {result}")
        made = make(log, None, meta=machine(settings, status=UNPRIVILEGED))
        found = refusals(made)
        made.rename(tmp_path / f"{value} {result}")
        return found

    [first] = told(low, failed)
    value = least(first)
    assert value > low
    step = 1 if which == "count" else 4096
    short = "-1 ENOMEM (Cannot allocate memory)" if failed == PERMISSION else failed
    assert value - step == low or len(told(value - step, short)) == 1
    assert told(value, passed) == []


def test_fork_is_tried_as_well(make: Make) -> None:
    meta = machine({"vm.overcommit_memory": 2}, commit_limit_kb=800, committed_as_kb=0)
    fork = f"clone(child_stack=NULL, flags=SIGCHLD) = {NO_MEMORY}"
    big = f"mmap({AT:#x}, 409600, {PRIVATE}) = {AT:#x}"
    after = f"mmap({AT + 409600:#x}, 4096, {PRIVATE}) = {AT + 409600:#x}"
    [refused] = refusals(make(log_of(big, fork, after), None, meta=meta))
    assert refused.verdict.check == "commit limit"
    assert refused.verdict.remedy.startswith("a CommitLimit of ")


def test_another_limit_behind_it_is_named_too(make: Make) -> None:
    meta = machine(rlimits={"AS": [1 << 20, None], "DATA": [1 << 20, None]}, total_ram_pages=64)
    [refused] = refusals(make(log_of(f"{MORE} = {NO_MEMORY}"), None, meta=meta))
    assert refused.verdict.check == "RLIMIT_AS"
    assert refused.verdict.remedy == (
        "RLIMIT_AS of 67260416 bytes (ulimit -v 65684), and RLIMIT_DATA of 67108864 bytes "
        "(ulimit -d 65536), and MAP_NORESERVE, vm.overcommit_memory=1, or a shorter mapping"
    )
    assert "behind that, overcommit guess" in refused.verdict.why


def test_nothing_is_tried_where_refusals_are_only_counted(make: Make) -> None:
    calls = (MAPPED, limit("AS", 1 << 20), limit("DATA", 1 << 20), f"{MORE} = {NO_MEMORY}")
    recording = RecordingFiles(str(make(log_of(*calls), None, meta=machine())))
    whole, _ = enomem(recording, Options())
    counted = Enomem("", "")
    keeper = RefusalKeeper(counted, recording.meta, most=0)
    Replay(recording, Options(observers=(keeper,))).run()
    keeper.finish()

    def key(group: FailureGroup) -> tuple[str, str, str, int]:
        return group.check, group.name, group.errno, group.count

    assert counted.refused == []
    assert [key(one) for one in counted.groups] == [key(one) for one in whole.groups]
    remedies = [group.example and group.example.verdict.remedy for group in counted.groups]
    assert len(remedies) == 1
    assert "RLIMIT_DATA" not in str(remedies)
    assert "RLIMIT_DATA" in whole.refused[0].verdict.remedy


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
