# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that wait for a reader of events are answered, and the model knows what it opens."""

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.check.piece import version_of
from vmalab.check.trial import Trial
from vmalab.linux.include.uapi.errno import EBADF, ENOMEM, ESRCH
from vmalab.linux.include.uapi.fcntl import O_NONBLOCK
from vmalab.linux.include.uapi.mman import MADV_DONTNEED, MREMAP_FIXED, MREMAP_MAYMOVE
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFD_FEATURE_EVENT_FORK,
    UFFD_FEATURE_EVENT_REMAP,
    UFFD_FEATURE_EVENT_REMOVE,
    UFFD_FEATURE_EVENT_UNMAP,
    UFFD_FEATURE_SIGBUS,
    UFFDIO_API,
    UFFDIO_REGISTER,
    UFFDIO_REGISTER_MODE_MISSING,
    UFFDIO_ZEROPAGE,
)
from vmalab.targets.real.real import TID, RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.wire import DENIED, add_call

WINDOW = 0x10000000
PAGE = 4096
EVENTS = (
    UFFD_FEATURE_EVENT_FORK
    | UFFD_FEATURE_EVENT_REMAP
    | UFFD_FEATURE_EVENT_REMOVE
    | UFFD_FEATURE_EVENT_UNMAP
)
pytestmark = pytest.mark.live


def make(name: str, *args: int, mem: dict[int, object] | None = None) -> Call:
    return Call(TID, name, (*args, 0, 0, 0, 0, 0, 0)[:6], mem)


def ioctl(fd: int, request: int, struct: dict[str, object]) -> Call:
    return make("ioctl", fd, request, 0, mem={2: struct})


def ask(fd: int = 3, events: int = EVENTS) -> Call:
    struct: dict[str, object] = {"api": UFFD_API, "features": UFFD_FEATURE_SIGBUS | events}
    return ioctl(fd, UFFDIO_API, struct)


def register(fd: int = 3) -> Call:
    bounds = {"start": WINDOW, "len": 4 * PAGE}
    return ioctl(fd, UFFDIO_REGISTER, {"range": bounds, "mode": UFFDIO_REGISTER_MODE_MISSING})


BEGIN = (
    make("mmap", WINDOW, 4 * PAGE, 3, 0x32, U64_MAX),
    make("userfaultfd", O_NONBLOCK),
    ask(),
    register(),
)
FORK, EXIT = make("clone", 17), make("exit")
BESIDE = WINDOW + 8 * PAGE


def compared(target: RealTarget, *calls: Call) -> list[int | None]:
    """The answers to calls of a fresh worker, and those of the model, which are the same."""
    trial = Trial(target, version_of(target))
    assert trial.run(Settings(), (*BEGIN, *calls), 0) is None
    return list(trial.transcript(Settings(), (*BEGIN, *calls)).results)[len(BEGIN) :]


@pytest.mark.parametrize(
    "call",
    [
        make("munmap", WINDOW + PAGE, PAGE),
        make("madvise", WINDOW, 2 * PAGE, MADV_DONTNEED),
        make("mremap", WINDOW, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, BESIDE),
    ],
    ids=lambda call: call.name,
)
def test_call_that_waits_for_the_reader_is_answered(live: RealTarget, call: Call) -> None:
    assert compared(live, call) == [BESIDE if call.name == "mremap" else 0]


def test_a_fork_opens_the_childs_userfaultfd_in_the_parent(live: RealTarget) -> None:
    """In the child the number is free; when it has ended nothing can be done with it."""
    zero = ioctl(4, UFFDIO_ZEROPAGE, {"range": {"start": WINDOW, "len": PAGE}, "mode": 0})
    calls = (FORK, make("close", 4), make("munmap", WINDOW, PAGE), EXIT, register(4), zero)
    results = compared(live, *calls, make("close", 4), make("close", 4))
    assert [one for one in results if one is not None][-4:] == [-ENOMEM, -ESRCH, 0, -EBADF]


def test_the_reader_of_a_child_is_its_parents(live: RealTarget) -> None:
    compared(live, FORK, FORK, make("munmap", WINDOW, PAGE), EXIT, make("close", 5))


def test_a_child_in_its_parents_memory_has_a_reader_too(live: RealTarget) -> None:
    more = (make("userfaultfd", O_NONBLOCK), ask(4), make("munmap", WINDOW, PAGE))
    compared(live, make("clone", 0x100 | 17), *more)


def test_nobody_reads_what_another_process_has_made(live: RealTarget) -> None:
    live.begin(Settings())
    words: list[int] = []
    for call in (make("userfaultfd", O_NONBLOCK), FORK, ask()):
        add_call(words, call)
    assert live.executor.run(words).results == [3, 1, DENIED]
    live.end()


def test_one_that_would_wait_in_a_read_is_read_all_the_same(live: RealTarget) -> None:
    trial = Trial(live, version_of(live))
    calls = (BEGIN[0], make("userfaultfd", 0), *BEGIN[2:], make("munmap", WINDOW, PAGE))
    assert trial.run(Settings(), calls, 0) is None
