# SPDX-License-Identifier: GPL-2.0-or-later
"""The executor makes the calls of its table, and none that could do harm; deaths are answers."""

import os
import shutil
import struct

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.check.twin import Twin
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.errno import EBADF, EINVAL, ENOENT, ENOMEM, EPERM
from vmalab.targets.real import build
from vmalab.targets.real.answers import Answer
from vmalab.targets.real.build import executor_path
from vmalab.targets.real.executor import Executor
from vmalab.targets.real.real import TID, RealTarget
from vmalab.targets.real.settings import CHANGING_CAPS, PLACES, Settings, unprivileged
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.real.wire import DENIED, add_call, snapshot_words

WINDOW = 0x10000000
PAGE = 4096
pytestmark = pytest.mark.live


def make(name: str, *args: int, mem: dict[int, object] | None = None) -> Call:
    return Call(TID, name, (*args, 0, 0, 0, 0, 0, 0)[:6], mem)


def run(target: RealTarget, *calls: Call, settings: Settings | None = None) -> Answer:
    """The calls in a fresh worker, and the map after them."""
    target.begin(settings or Settings())
    words: list[int] = []
    for call in calls:
        add_call(words, call)
    answer = target.executor.run(words + snapshot_words())
    target.end()
    return answer


def anon(start: int = WINDOW, pages: int = 3) -> Call:
    return make("mmap", start, pages * PAGE, 3, 0x32, U64_MAX, 0)


def test_results_and_map_come_back(live: RealTarget) -> None:
    answer = run(live, anon(), make("munmap", WINDOW + PAGE, PAGE), make("close", 77))
    assert answer.results == [WINDOW, 0, -EBADF]
    ranges = [(line.start, line.end) for line in answer.maps[0].lines()]
    assert (WINDOW, WINDOW + PAGE) in ranges
    assert (WINDOW + 2 * PAGE, WINDOW + 3 * PAGE) in ranges
    assert answer.maps[0].counters()["VmSize"] > 0


@pytest.mark.parametrize(
    "call",
    [
        make("madvise", WINDOW, PAGE, 100),
        make("madvise", WINDOW, PAGE, 101),
        make("prlimit64", 1, 7, 0, 0),
        make("prctl", 1, 9),
        make("openat", 0xFFFFFF9C, 0, 0, mem={1: "/etc/passwd"}),
        make("openat", 0xFFFFFF9C, 0, 0, mem={1: "../x"}),
        make("openat", 0xFFFFFF9C, 0, 0, mem={1: "/proc/self/fd/2"}),
        make("openat", 0xFFFFFF9C, 0, 2, mem={1: "/proc/self/fd/200"}),
        make("openat", 0xFFFFFF9C, 0, 2, mem={1: "/proc/self/fd/0203"}),
        make("openat", 0xFFFFFF9C, 0, 0, mem={1: "/proc/self/fd/3/x"}),
        make("openat", 0xFFFFFF9C, 0, 0, mem={1: "/proc/1/fd/3"}),
        make("setuid", 1000),
        make("setresuid", U64_MAX, 65534, 1),
        make("close", 200),
        make("close_range", 3, 0xFFFFFFFF),
        make("dup2", 0, 201),
        make("pipe2", WINDOW, 0),
        make("ioctl", 0, 0x5401),
        make("clone", 0x200 | 17),
        make("clone", 0x10900),
        make("kill", 1, 9),
        make("execve", 0, 0, 0),
    ],
    ids=lambda call: f"{call.name}-{call.args[0]}",
)
def test_what_could_do_harm_is_not_made(live: RealTarget, call: Call) -> None:
    assert run(live, call).results == [DENIED]


def test_worker_that_unmaps_itself_is_reported(live: RealTarget) -> None:
    answer = run(live, anon(), make("munmap", 0x400000, 0x10000))
    assert "signal 11" in answer.died
    assert run(live, anon()).results == [WINDOW]


def test_results_before_a_death_can_be_had(live: RealTarget) -> None:
    live.begin(Settings())
    words: list[int] = []
    for call in (anon(), make("munmap", 0x400000, 0x10000)):
        add_call(words, call)
    answer = live.executor.run(words, flush=True)
    assert answer.results == [WINDOW]
    assert answer.died


def test_child_carries_the_stream_on_and_its_parent_after_it(live: RealTarget) -> None:
    live.begin(Settings())
    words: list[int] = []
    for call in (anon(), make("clone", 17), make("munmap", WINDOW, PAGE), make("exit")):
        add_call(words, call)
    assert live.executor.run(words).results == [WINDOW, 1, 0]
    answer = live.executor.run(snapshot_words())
    assert any(line.start == WINDOW for line in answer.maps[0].lines())
    live.end()


def test_an_exit_that_nobody_would_carry_on_from_is_not_made(live: RealTarget) -> None:
    words: list[int] = []
    live.begin(Settings())
    for call in (anon(), make("exit"), make("munmap", WINDOW, PAGE)):
        add_call(words, call)
    assert live.executor.run(words).results == [WINDOW, 0]
    assert live.end() == ""


def test_what_is_open_can_be_opened_again(live: RealTarget) -> None:
    calls = (
        make("memfd_create", 0, 0, mem={0: "x"}),
        make("openat", 0xFFFFFF9C, 0, 0, mem={1: "/proc/self/fd/3"}),
        make("openat", 0xFFFFFF9C, 0, 0, mem={1: "/proc/self/fd/99"}),
    )
    assert run(live, *calls).results == [3, 4, -ENOENT]


def test_a_worker_can_give_up_rights_and_take_them_back(live: RealTarget) -> None:
    if not live.abilities.privileged:
        pytest.skip("the worker has no rights")
    cap = {"version": 0x20080522, "pid": 0}
    fewer = CHANGING_CAPS & ~(1 << CAP_IPC_LOCK)
    sets = {"effective": fewer, "permitted": fewer, "inheritable": 0}
    limits = {"rlim_cur": PAGE, "rlim_max": PAGE}
    calls = (
        anon(),
        make("prlimit64", 0, 8, 0, 0, mem={2: limits}),
        make("mlock", WINDOW, 2 * PAGE),
        make("munlock", WINDOW, 2 * PAGE),
        make("setresuid", U64_MAX, 65534, U64_MAX),
        make("mlock", WINDOW, 2 * PAGE),
        make("setresuid", U64_MAX, 0, U64_MAX),
        make("mlock", WINDOW, 2 * PAGE),
        make("munlock", WINDOW, 2 * PAGE),
        make("capset", mem={0: cap, 1: sets}),
        make("mlock", WINDOW, 2 * PAGE),
    )
    answer = run(live, *calls, settings=Settings(caps=CHANGING_CAPS))
    assert answer.results == [WINDOW, 0, 0, 0, 0, -ENOMEM, 0, 0, 0, 0, -ENOMEM]


@pytest.mark.parametrize("place", PLACES)
def test_the_folder_of_a_stream_can_be_on_another_file_system(live: RealTarget, place: str) -> None:
    if place not in live.abilities.places:
        pytest.skip(f"this kernel has no {place}")
    calls = (
        make("openat", 0xFFFFFF9C, 0, 2, mem={1: "f0"}),
        make("mmap", WINDOW, PAGE, 5, 0x12, 3, 0),
        make("fcntl", 3, 1034),
        make("fallocate", 3, 3, 0, PAGE),
    )
    results = run(live, *calls, settings=Settings(place=place)).results
    assert results[1] == (-EPERM if "noexec" in place else WINDOW)
    assert results[2] == (-EINVAL if "tmpfs" not in place.partition(",")[0] else 1)
    assert (results[3] == 0) == (place != "ramfs")


def test_calls_of_i386_map_below_4_gib(live: RealTarget) -> None:
    if not live.abilities.int80:
        pytest.skip("this kernel has no int 0x80")
    answer = run(
        live,
        Call(TID, "mmap", (0, PAGE, 3, 0x22, 0xFFFFFFFF, 0), abi="i386"),
        Call(TID, "munmap", (1, PAGE, 0, 0, 0, 0), abi="i386"),
        Call(TID, "madvise", (WINDOW, PAGE, 100, 0, 0, 0), abi="i386"),
        Call(TID, "openat", (0, 0, 0, 0, 0, 0), abi="i386"),
        Call(TID, "close", (200, 0, 0, 0, 0, 0), abi="i386"),
    )
    assert 0 < answer.results[0] < 1 << 32
    assert answer.results[1:] == [-EINVAL, DENIED, DENIED, DENIED]


@pytest.mark.parametrize("flags", [0x100, 0x4100])
def test_child_can_carry_the_stream_on_in_its_parents_memory(live: RealTarget, flags: int) -> None:
    """One level down a child has memory of its own again."""
    words: list[int] = []
    target = live
    target.begin(Settings())
    add_call(words, make("clone", flags | 17))
    for call in (anon(), make("clone", 17), make("munmap", WINDOW, PAGE)):
        add_call(words, call)
    first = target.executor.run([*words, *snapshot_words()])
    assert first.results == [1, WINDOW, 1, 0]
    exits: list[int] = []
    add_call(exits, make("exit"))
    target.executor.run(exits)
    target.executor.run(exits)
    last = target.executor.run(snapshot_words())
    assert target.executor.end() == ""
    starts = [[line.start for line in answer.maps[0].lines()] for answer in (first, last)]
    assert WINDOW not in starts[0]
    assert WINDOW in starts[1]


def test_every_stream_begins_alike(live: RealTarget) -> None:
    first = live.begin(Settings())
    live.executor.run(snapshot_words())
    live.end()
    assert live.begin(Settings()).key() == first.key()
    live.end()


def test_user_without_rights_has_none(live: RealTarget) -> None:
    if not live.abilities.privileged:
        pytest.skip("the tests run without rights that could be given up")
    settings = unprivileged(Settings(memlock=2 * PAGE))
    answer = run(live, anon(), make("mlock", WINDOW, 3 * PAGE), settings=settings)
    assert answer.results == [WINDOW, -ENOMEM]


def test_limits_hold_for_root_too(live: RealTarget) -> None:
    if not live.abilities.privileged:
        pytest.skip("the tests run without rights")
    mem: dict[int, object] = {2: {"rlim_cur": 1 << 40, "rlim_max": 1 << 40}}
    assert run(live, make("prlimit64", 0, 8, 0, 0, mem=mem)).results == [-EPERM]


def test_model_begins_as_the_worker(live: RealTarget) -> None:
    for keeps_vdso in (False, True):
        settings = Settings(keeps_vdso=keeps_vdso)
        beginning = live.begin(settings)
        meta = beginning.meta(settings, {"profile": "test", "seed": 0})
        version = ".".join(live.release.split(".")[:2])
        twin = Twin(
            meta, version if version in ("6.1", "6.12", "6.18") else "6.18", beginning.first.lines()
        )
        answer = live.executor.run(snapshot_words())
        assert twin.compare(answer.maps[0]) is None
        live.end()


def test_descriptors_of_the_executor_are_out_of_reach(live: RealTarget) -> None:
    calls = [make("fcntl", fd, 1) for fd in (200, 201, 202)]
    assert run(live, *calls).results == [DENIED] * 3


# Without a kernel.


def test_no_compiler_is_said_clearly(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(TargetError, match="no C compiler"):
        executor_path()


def test_compiler_that_fails_is_quoted(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path))
    monkeypatch.setenv("CC", shutil.which("false") or "/bin/false")
    with pytest.raises(TargetError, match="cannot build"):
        executor_path()
    assert not list(build.cache_folder().glob("executor-*"))


def pair() -> tuple[Executor, int, int]:
    """An executor's Python end, and the descriptors of its other end."""
    there, write = os.pipe()
    read, here = os.pipe()
    return Executor(read, write, 0.2), there, here


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "no answer"),
        (struct.pack("<IIQ", ord("H"), 0, 9 << 32), "another protocol"),
        (struct.pack("<IIQ", ord("H"), 1 << 30, 0), "bytes"),
        (struct.pack("<IIQ", ord("D"), 0, 0), "another protocol"),
    ],
)
def test_nonsense_at_the_other_end_is_an_error(answer: bytes, message: str) -> None:
    executor, _, here = pair()
    os.write(here, answer)
    with pytest.raises(TargetError, match=message):
        executor.hello()


def test_other_end_that_goes_is_an_error() -> None:
    executor, _, here = pair()
    os.close(here)
    with pytest.raises(TargetError, match="ended"):
        executor.hello()
