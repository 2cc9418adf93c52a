# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings that drivers make, and those of files that the log never shows being opened."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

from ..small_recordings import FIRST, Line, Make

Replayed = Callable[..., ReplayReport]

RECORDINGS = Path(__file__).parents[1] / "data" / "mappings"
EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
A = 0x7F00000FE000
SHARED = f"50 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_SHARED, 4, 0) = {A:#x}\n"


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("packet-ring", {"device mapping": 6}),
        ("io-uring-buffers", {"device mapping": 1}),
        ("perf-event", {"device mapping": 2}),
        ("kvm-vcpu", {"device mapping": 1}),
        ("sealed-memfd-over-socket", {"unseen fd": 3}),
    ],
)
def test_real_mappings(name: str, reasons: dict[str, int]) -> None:
    report = Replay(RecordingFiles(str(RECORDINGS / name)), Options()).run()
    assert [found.call for found in report.differences] == []
    assert report.identical
    assert report.total.adopted_reasons == reasons


def shown(name: str, flags: str, dev: str = "00:10", inode: int = 77) -> Line:
    return (f"{A:x}-{A + 8192:x} rw-s 00000000 {dev} {inode}" + " " * 20 + name, flags)


@pytest.mark.parametrize("last", [True, False], ids=["last map", "no map"])
def test_a_device_is_where_the_log_says(make: Make, replayed: Replayed, last: bool) -> None:
    """Without steps: the next mapping lies below it, and splitting it may be refused."""
    log = (
        EXEC
        + "50 perf_event_open({type=0}, 0, -1, -1, 0) = 4\n"
        + SHARED
        + f"50 mprotect({A:#x}, 4096, PROT_READ) = -1 EINVAL (Invalid argument)\n"
        + f"50 mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {A - 4096:#x}\n"
    )
    flags = "rd wr sh mr mw ms dc de dd"
    below = (f"{A - 4096:x}-{A:x} ---p 00000000 00:00 0 ", "mr mw me")
    final = [FIRST[0], below, shown("anon_inode:[perf_event]", flags), *FIRST[1:]]
    report = replayed(make(log, None, final if last else None), maps=True)
    assert report.identical
    assert report.total.adopted_reasons == {"device mapping": 2}
    assert len(report.images["50.1"].final) == 5


def test_a_refused_device_mapping_is_the_drivers_answer(make: Make, replayed: Replayed) -> None:
    refused = SHARED.replace(f"{A:#x}", "-1 EPERM (Operation not permitted)")
    log = EXEC + "50 perf_event_open({type=0}, 0, -1, -1, 0) = 4\n" + refused
    report = replayed(make(log, None, FIRST))
    assert report.identical
    assert report.total.adopted_reasons == {"device mapping": 1}


def test_what_is_mapped_beside_a_device_is_judged(make: Make, replayed: Replayed) -> None:
    own = f"50 mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {A - 4096:#x}\n"
    wrong = f"50 munmap({A - 4096:#x}, 4096) = -1 EINVAL (Invalid argument)\n"
    log = EXEC + "50 perf_event_open({type=0}, 0, -1, -1, 0) = 4\n" + SHARED + own + wrong
    assert replayed(make(log, None)).total.differ == 1


def test_an_unseen_file_is_the_one_of_the_next_map(make: Make, replayed: Replayed) -> None:
    flags = "rd wr sh mr mw me ms"
    final = [FIRST[0], shown("/tmp/shared", flags, "fe:00", 99), *FIRST[1:]]
    report = replayed(make(EXEC + SHARED, None, final), maps=True)
    assert report.identical
    assert report.total.adopted_reasons == {"unseen fd": 1}
    assert "/tmp/shared" in report.images["50.1"].final[1].text


def test_dev_zero_is_no_driver(make: Make, replayed: Replayed) -> None:
    log = EXEC + '50 openat(AT_FDCWD, "/dev/zero", O_RDWR) = 4\n' + SHARED.replace("fe000", "f0000")
    assert replayed(make(log, None)).total.differ == 1
