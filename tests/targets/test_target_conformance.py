# SPDX-License-Identifier: GPL-2.0-or-later
"""What every target does alike: the same calls have the same results, and show the same map.

Among the slow tests the newest kernels of the cache are asked too: one in QEMU, one of a tree.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.snapshot import VmaLine
from vmalab.linux.include.uapi.errno import EBADF, EEXIST, EINVAL, ENOMEM, ENOSYS
from vmalab.linux.include.uapi.mman import (
    MADV_DONTFORK,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    MREMAP_MAYMOVE,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.versions import SUPPORTED
from vmalab.targets.opening import open_target
from vmalab.targets.real.build import cache_folder
from vmalab.targets.real.real import TID, RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.target import Target

WINDOW = 0x10000000
PAGE = 4096
RW = PROT_READ | PROT_WRITE
FIXED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED
NOREPLACE = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
NO_FD = U64_MAX

KERNELS = cache_folder() / "kernels"
SOURCES = cache_folder() / "sources" / "linux-source-"
FETCHED_BY = {"qemu": "kernels", "tree": "trees"}

# A fresh start: the target with a process in which nothing has been called yet.
Start = Callable[[], Target]


def fresh_model() -> Target:
    target = ModelTarget(Meta(), "6.18")
    assert target.execute(TID, MetaImage(), None) == ""
    return target


def newest(kind: str) -> str:
    """The name of the newest target of a kind that the cache has something for; skips if none."""
    found = {
        "qemu": [f"qemu:{one}" for one in SUPPORTED if (KERNELS / one / "vmlinuz").is_file()],
        "tree": [f"tree:{SOURCES}{one}" for one in SUPPORTED if Path(f"{SOURCES}{one}").is_dir()],
    }[kind]
    if not found:
        pytest.skip(f"nothing is in the cache to be asked: `make {FETCHED_BY[kind]}` fetches it")
    return found[-1]


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[[str], RealTarget]]:
    """What opens a target of a kind, once for all tests."""
    targets: dict[str, RealTarget] = {}
    with ExitStack() as stack:

        def open_once(kind: str) -> RealTarget:
            if kind not in targets:
                targets[kind] = stack.enter_context(open_target(newest(kind)))
            return targets[kind]

        yield open_once


@pytest.fixture(
    params=[
        "model",
        pytest.param("live", marks=pytest.mark.live),
        pytest.param("qemu", marks=[pytest.mark.qemu, pytest.mark.slow]),
        pytest.param("tree", marks=pytest.mark.slow),
    ]
)
def start(request: pytest.FixtureRequest, opened: Callable[[str], RealTarget]) -> Start:
    """How to begin with a target of each kind."""
    if request.param == "model":
        return fresh_model
    target: RealTarget = (
        request.getfixturevalue("live") if request.param == "live" else opened(request.param)
    )

    def fresh_worker() -> Target:
        target.begin(Settings())
        return target

    return fresh_worker


def make(name: str, *args: int, tid: int = TID) -> Call:
    return Call(tid, name, (*args, 0, 0, 0, 0, 0, 0)[:6])


def window(target: Target) -> list[tuple[int, int, str]]:
    """What is mapped in the window: first page, last page, permissions."""
    return [
        ((line.start - WINDOW) // PAGE, (line.end - WINDOW) // PAGE, line.perms)
        for line in target.snapshot(TID)
        if WINDOW <= line.start < WINDOW + 64 * PAGE
    ]


def map_pages(target: Target, count: int, prot: int = RW) -> None:
    assert target.apply(make("mmap", WINDOW, count * PAGE, prot, FIXED, NO_FD, 0)) == WINDOW


def test_map_shows_what_calls_made(start: Start) -> None:
    target = start()
    map_pages(target, 8)
    assert window(target) == [(0, 8, "rw-p")]
    assert target.apply(make("mprotect", WINDOW + 2 * PAGE, PAGE, PROT_READ)) == 0
    assert window(target) == [(0, 2, "rw-p"), (2, 3, "r--p"), (3, 8, "rw-p")]
    assert target.apply(make("munmap", WINDOW + 5 * PAGE, PAGE)) == 0
    assert window(target) == [(0, 2, "rw-p"), (2, 3, "r--p"), (3, 5, "rw-p"), (6, 8, "rw-p")]
    assert target.apply(make("mprotect", WINDOW + 2 * PAGE, PAGE, RW)) == 0
    assert window(target) == [(0, 5, "rw-p"), (6, 8, "rw-p")]


def test_flags_are_those_of_smaps(start: Start) -> None:
    target = start()
    map_pages(target, 1)
    assert target.apply(make("madvise", WINDOW, PAGE, MADV_DONTFORK)) == 0
    (line,) = [line for line in target.snapshot(TID) if line.start == WINDOW]
    assert isinstance(line, VmaLine)
    assert line.flags is not None
    assert {"rd", "wr", "mr", "mw", "me", "ac", "dc"} <= set(line.flags)
    assert (line.inode, line.name) == (0, "")


def test_mapping_is_where_the_result_says(start: Start) -> None:
    target = start()
    map_pages(target, 2)
    # Another mapping is in the way.
    blocker = WINDOW + 2 * PAGE
    assert target.apply(make("mmap", blocker, PAGE, PROT_READ, FIXED, NO_FD, 0)) == blocker
    moved = target.apply(make("mremap", WINDOW, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE))
    assert moved > 0
    assert window(target) == [(2, 3, "r--p")]
    (line,) = [line for line in target.snapshot(TID) if line.start <= moved < line.end]
    assert line.end >= moved + 4 * PAGE
    assert line.perms == "rw-p"


@pytest.mark.parametrize(
    ("call", "errno"),
    [
        (make("mmap", WINDOW, 0, RW, FIXED, NO_FD, 0), EINVAL),
        (make("mmap", WINDOW + 1, PAGE, RW, FIXED, NO_FD, 0), EINVAL),
        (make("mmap", WINDOW, PAGE, RW, NOREPLACE, NO_FD, 0), EEXIST),
        (make("mmap", WINDOW, PAGE, RW, MAP_PRIVATE, NO_FD, 0), EBADF),
        (make("munmap", WINDOW + 1, PAGE), EINVAL),
        (make("mprotect", WINDOW + 8 * PAGE, PAGE, PROT_READ), ENOMEM),
        (make("mremap", WINDOW, 0, 0, 0), EINVAL),
        (make("madvise", WINDOW, PAGE, 9999), EINVAL),
    ],
    ids=lambda value: value.name if isinstance(value, Call) else f"errno{value}",
)
def test_failed_call_tells_errno_and_changes_nothing(start: Start, call: Call, errno: int) -> None:
    target = start()
    map_pages(target, 4)
    before = target.snapshot(TID)
    assert target.apply(call) == -errno
    assert target.snapshot(TID) == before


def test_unknown_call_and_unknown_thread_are_not_there(start: Start) -> None:
    target = start()
    assert target.apply(make("no_such_call")) == -ENOSYS
    assert target.apply(make("munmap", WINDOW, PAGE, tid=TID + 1)) == -ENOSYS
    assert target.snapshot(TID + 1) == []


def test_fresh_start_has_no_trace_of_what_ran_before(start: Start) -> None:
    target = start()
    empty = window(target)
    map_pages(target, 4)
    assert window(start()) == empty == []


def test_vsyscall_page_is_no_vma(start: Start) -> None:
    target = start()
    map_pages(target, 1)
    lines = target.snapshot(TID)
    assert lines
    assert all(line.start < 1 << 63 for line in lines)


@pytest.mark.live
def test_call_that_the_executor_does_not_make_is_an_error(live: RealTarget) -> None:
    live.begin(Settings())
    with pytest.raises(TargetError, match="reboot: this call is none it makes"):
        live.apply(make("reboot"))
