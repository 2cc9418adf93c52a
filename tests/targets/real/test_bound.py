# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory that a stream's calls may take is bounded; what may be too much is not called."""

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.check.trial import OverBound, Trial
from vmalab.linux.include.uapi.mman import MADV_POPULATE_WRITE
from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.real import TID, RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.real.wire import DENIED, OVER_BOUND, add_call

WINDOW = 0x10000000
MIB = 1 << 20
BOUND = 32 * MIB
ANON, FIXED, SHARED, PRIVATE, POPULATE, LOCKED = 0x20, 0x10, 1, 2, 0x8000, 0x2000
pytestmark = pytest.mark.live


@pytest.fixture(autouse=True)
def little_memory(live: RealTarget) -> None:
    """Each stream may take little memory."""
    live.bound = BOUND


def make(name: str, *args: int, mem: dict[int, object] | None = None) -> Call:
    return Call(TID, name, (*args, 0, 0, 0, 0, 0, 0)[:6], mem)


def map_memory(size: int, flags: int, fd: int = U64_MAX, prot: int = 3, offset: int = 0) -> Call:
    return make("mmap", WINDOW, size, prot, flags | FIXED, fd, offset)


def run(target: RealTarget, *calls: Call) -> list[int]:
    """The results of calls in a fresh worker."""
    target.begin(Settings(memlock=1 << 40))
    words: list[int] = []
    for call in calls:
        add_call(words, call)
    answer = target.executor.run(words)
    target.end()
    assert answer.died == ""
    return answer.results


MUCH = 8 << 30
PLAIN = map_memory(MUCH, PRIVATE | ANON | 0x4000)
MEMFD = make("memfd_create", 0, 0, mem={0: "x"})


@pytest.mark.parametrize(
    "calls",
    [
        (map_memory(MUCH, PRIVATE | ANON | POPULATE | 0x4000),),
        (map_memory(MUCH, SHARED | ANON | POPULATE),),
        (map_memory(MUCH, PRIVATE | ANON | LOCKED),),
        (map_memory(MUCH, PRIVATE | ANON | 0x40000),),
        (PLAIN, make("mlock", WINDOW, MUCH)),
        (PLAIN, make("mlock2", WINDOW, MUCH, 0)),
        (PLAIN, make("mlockall", 1)),
        (make("mlockall", 2), PLAIN),
        (PLAIN, make("madvise", WINDOW, MUCH, MADV_POPULATE_WRITE)),
        (PLAIN, make("madvise", WINDOW, MUCH, 25)),
        (MEMFD, make("fallocate", 3, 0, 0, MUCH)),
        (
            make("openat", 0xFFFFFF9C, 0, 0o102, 0o666, mem={1: "new"}),
            make("fallocate", 3, 0, 0, MUCH),
        ),
        (make("shmget", 0, MUCH, 0o1600 | 0o4000),),
        (make("mlockall", 2), make("shmget", 0, MUCH, 0o1600), make("shmat", 0, WINDOW)),
        (
            PLAIN,
            make("userfaultfd", 0),
            make(
                "ioctl",
                3,
                0xC028AA03,
                mem={2: {"dst": WINDOW, "src": WINDOW, "len": MUCH, "mode": 0, "copy": 0}},
            ),
        ),
    ],
    ids=lambda calls: (
        f"{calls[-1].name}-{len(calls)}-{calls[-1].args[2] & 0xFFFF:x}-{calls[-1].args[3]:x}"
    ),
)
def test_call_that_may_take_too_much_is_not_made(live: RealTarget, calls: tuple[Call, ...]) -> None:
    results = run(live, *calls, make("munmap", WINDOW, 4096))
    assert results[-2:] == [OVER_BOUND, OVER_BOUND]
    assert OVER_BOUND not in results[:-2]


def test_processes_do_not_pile_up(live: RealTarget) -> None:
    results = run(live, *(make("clone", 17) for _ in range(80)))
    assert results[0] == 1
    assert results[-1] == OVER_BOUND


def test_memory_that_has_gone_is_free_again(live: RealTarget) -> None:
    turn = (map_memory(16 * MIB, PRIVATE | ANON | POPULATE), make("munmap", WINDOW, 16 * MIB))
    assert run(live, *turn * 20) == [WINDOW, 0] * 20


def test_pages_of_files_stay_without_a_mapping(live: RealTarget) -> None:
    parts = [
        call
        for turn in range(8)
        for call in (
            map_memory(8 * MIB, SHARED | POPULATE, fd=3, offset=turn * 8 * MIB),
            make("munmap", WINDOW, 8 * MIB),
        )
    ]
    results = run(live, MEMFD, make("ftruncate", 3, 1 << 30), *parts)
    assert results[:4] == [3, 0, WINDOW, 0]
    assert results[-1] == OVER_BOUND


def test_children_share_the_bound_of_their_parents(live: RealTarget) -> None:
    parts = (map_memory(12 * MIB, PRIVATE | ANON | POPULATE), make("clone", 17))
    results = run(live, *parts * 4)
    assert results[:2] == [WINDOW, 1]
    assert results[-1] == OVER_BOUND


@pytest.mark.parametrize(
    "call",
    [
        make("mlock", WINDOW, 1 << 40),
        make("mlockall", 1),
        make("madvise", WINDOW, 1 << 40, MADV_POPULATE_WRITE),
    ],
    ids=lambda call: call.name,
)
def test_what_cannot_be_accessed_takes_no_memory(live: RealTarget, call: Call) -> None:
    hole = map_memory(1 << 40, PRIVATE | ANON | 0x4000, prot=0)
    assert OVER_BOUND not in run(live, hole, call)


def test_stream_over_the_bound_is_no_finding(live: RealTarget) -> None:
    calls = [map_memory(4096, PRIVATE | ANON), PLAIN, make("mlock", WINDOW, MUCH)]
    trial = Trial(live, "6.18")
    with pytest.raises(OverBound, match=r"left before call 3, mlock.* more than 32 MiB of memory"):
        trial.run(Settings(), calls, 1)
    assert trial.run(Settings(), calls[:1]) is None


def test_too_little_memory_for_all_is_said(live: RealTarget) -> None:
    expected = pytest.raises(TargetError, match="too little for 100000 streams at a time")
    with expected, LiveTarget(100000):
        pass


def test_refused_calls_are_not_taken_for_others() -> None:
    assert OVER_BOUND != DENIED
