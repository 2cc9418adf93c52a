# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads of a worker make a stream's calls in turn, in its order; the model does as they do."""

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.check.piece import version_of
from vmalab.check.trial import Trial
from vmalab.linux.include.uapi.errno import EBADF
from vmalab.linux.include.uapi.personality import ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC
from vmalab.targets.real.real import TID, RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.wire import DENIED, add_call

WINDOW = 0x10000000
PAGE = 4096
THREAD = 0x50F00
FILES = 0x400
pytestmark = pytest.mark.live


def by(thread: int, name: str, *args: int, mem: dict[int, object] | None = None) -> Call:
    """A call of a thread."""
    return Call(TID + thread, name, (*args, 0, 0, 0, 0, 0, 0)[:6], mem)


def readable(thread: int, page: int) -> Call:
    return by(thread, "mmap", WINDOW + 2 * page * PAGE, PAGE, 1, 0x32, U64_MAX)


def compared(target: RealTarget, *calls: Call) -> list[int | None]:
    """The answers to calls of a fresh worker, and those of the model, which are the same."""
    trial = Trial(target, version_of(target))
    assert trial.run(Settings(), calls, 0) is None
    return list(trial.transcript(Settings(), calls).results)


def test_each_thread_has_a_personality_of_its_own(live: RealTarget) -> None:
    executes = READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE
    calls = (by(0, "clone", THREAD), by(1, "personality", executes), readable(0, 0), readable(1, 1))
    assert compared(live, *calls) == [1, ADDR_NO_RANDOMIZE, WINDOW, WINDOW + 2 * PAGE]


def test_child_of_a_thread_carries_on_and_then_the_thread(live: RealTarget) -> None:
    compared(
        live,
        *(by(0, "clone", THREAD), by(1, "clone", 17), readable(0, 0), by(0, "clone", THREAD)),
        *(readable(1, 1), by(1, "exit"), readable(1, 2)),
    )


@pytest.mark.parametrize("flags", [17, 0x100 | 17, 0x4100 | 17], ids=["fork", "vm", "vfork"])
def test_threads_go_on_after_a_child_of_one(live: RealTarget, flags: int) -> None:
    begin = (by(0, "clone", THREAD), by(1, "clone", flags), by(0, "clone", THREAD), readable(1, 0))
    live.begin(Settings())
    words: list[int] = []
    for call in (*begin, by(0, "exit")):
        add_call(words, call)
    assert live.executor.run(words).results == [1, 1, 1, WINDOW]
    words = []
    for call in (readable(1, 1), by(1, "exit"), readable(0, 2)):
        add_call(words, call)
    assert live.executor.run(words).results == [WINDOW + 2 * PAGE, 0, WINDOW + 4 * PAGE]
    assert live.end() == ""


def test_what_a_thread_has_open_alone_is_closed_at_its_end(live: RealTarget) -> None:
    made = by(1, "memfd_create", 0, 0, mem={0: "x"})
    calls = (by(0, "clone", THREAD & ~FILES), made, by(0, "close", 3), by(1, "exit"))
    assert compared(live, *calls, by(0, "clone", THREAD), made) == [1, 3, -EBADF, 0, 1, 3]


def test_descriptors_of_threads_are_shared(live: RealTarget) -> None:
    made = by(1, "memfd_create", 0, 0, mem={0: "x"})
    assert compared(live, by(0, "clone", THREAD), made, by(0, "close", 3)) == [1, 3, 0]


def test_calls_of_a_thread_that_there_is_not_are_the_firsts(live: RealTarget) -> None:
    assert compared(live, readable(2, 0), by(2, "exit"), readable(0, 1)) == [
        WINDOW,
        0,
        WINDOW + 2 * PAGE,
    ]


@pytest.mark.parametrize("flags", [0x10F00, THREAD | 0x20000, THREAD & ~0x800, THREAD | 17])
def test_other_threads_are_not_started(live: RealTarget, flags: int) -> None:
    live.begin(Settings())
    words: list[int] = []
    add_call(words, by(0, "clone", flags))
    assert live.executor.run(words).results == [DENIED]
    live.end()
