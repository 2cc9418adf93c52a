# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs of the kernel's system call events, as perf script and tracefs print them."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.call import Call, Event, Exit, Unparsed
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.tracepoints import TracepointReader, is_tracepoint_text
from vmalab.replay.replay import Options, Replay

DATA = Path(__file__).parents[2] / "data" / "tracepoints"
MINUS_ONE = 2**64 - 1


def events(*lines: str) -> list[Event]:
    """What the reader makes of lines."""
    reader = TracepointReader()
    for line in lines:
        reader.feed(line)
    reader.finish()
    return reader.take()


def only_call(*lines: str) -> Call:
    (call,) = [event for event in events(*lines) if isinstance(event, Call)]
    return call


def test_a_call_of_perf_script() -> None:
    call = only_call(
        "  st 22358 [000] 15997.920379:  syscalls:sys_enter_mmap: addr: 0x00000000, "
        "len: 0x00010000, prot: 0x00000003, flags: 0x00000022, fd: 0xffffffff, off: 0x00000000",
        "  st 22358 [001] 15997.920391:  syscalls:sys_exit_mmap: 0x7fd199df0000",
    )
    assert (call.tid, call.name, call.ret) == (22358, "mmap", 0x7FD199DF0000)
    assert call.args == (0, 0x10000, 3, 0x22, MINUS_ONE, 0)
    assert (call.entry_line, call.line, call.time) == (1, 2, 15997.920379)


def test_a_call_of_tracefs() -> None:
    call = only_call(
        "    my prog-2-22475   [000] ..... 16000.317223: sys_brk(brk: 0x1e56fd00)",
        "    my prog-2-22475   [000] d..1. 16000.317225: sys_brk -> 0x1e570000",
    )
    assert (call.tid, call.args[0], call.ret) == (22475, 0x1E56FD00, 0x1E570000)


@pytest.mark.parametrize("text", ["0xfffffffffffffff4", "-0xc"])
def test_an_error(text: str) -> None:
    call = only_call(
        "st-5 [000] ..... 1.000001: sys_munmap(addr: 1000, len: 0x1000)",
        f"st-5 [000] ..... 1.000002: sys_munmap -> {text}",
    )
    assert (call.ret, call.ret_text) == (-12, "-1 ENOMEM")
    assert call.args[0] == 0x1000, "numbers are hexadecimal, with 0x and without"


def test_a_path_that_the_kernel_has_printed() -> None:
    call = only_call(
        'st-5 [000] ..... 1.1: sys_openat(dfd: 0xffffffffffffff9c, filename: 0x7ffd "/a b", '
        "flags: 0x80000, mode: 0)",
        "st-5 [000] ..... 1.2: sys_openat -> 0x3",
    )
    assert call.mem == {1: "/a b"}
    assert call.args[0] == 2**64 - 100
    assert not call.lenient


def test_an_open_without_its_path_tells_nothing() -> None:
    call = only_call(
        "st-5 [000] ..... 1.1: sys_openat(dfd: 0xffffff9c, filename: 0x7ffd, flags: 0, mode: 0)",
        "st-5 [000] ..... 1.2: sys_openat -> 0x3",
    )
    assert call.lenient


def test_threads_overlap() -> None:
    found = events(
        "st-5 [000] ..... 1.1: sys_munmap(addr: 0x1000, len: 0x1000)",
        "st-6 [001] ..... 1.2: sys_munmap(addr: 0x2000, len: 0x1000)",
        "st-6 [001] ..... 1.3: sys_munmap -> 0x0",
        "st-5 [000] ..... 1.4: sys_munmap -> 0x0",
    )
    calls = [event for event in found if isinstance(event, Call)]
    assert [(call.tid, call.entry_line, call.line) for call in calls] == [(6, 2, 3), (5, 1, 4)]


def test_ends() -> None:
    found = events(
        "st-5 [000] ..... 1.1: sys_munmap(addr: 0x1000, len: 0x1000)",
        "st-6 [001] ..... 1.2: sys_exit_group(error_code: 3)",
    )
    calls = [(event.tid, event.ret) for event in found if isinstance(event, Call)]
    assert calls == [(6, None), (5, None)]
    assert [event.status for event in found if isinstance(event, Exit)] == [3]


def test_the_child_of_a_fork_returns_too() -> None:
    reader = TracepointReader()
    reader.feed("st-6 [001] ..... 1.2: sys_clone -> 0x0")
    assert reader.take() == []
    assert (reader.notes, reader.unparsed) == (1, 0)


def test_a_new_task_is_taken_to_share_memory() -> None:
    call = only_call(
        "st-5 [000] ..... 1.1: sys_clone3(uargs: 0x7ffd, size: 0x58)",
        "st-5 [000] ..... 1.2: sys_clone3 -> 0x6",
    )
    assert call.mem == {0: {"flags": 0x100}}


def test_stacks_of_perf() -> None:
    call = only_call(
        "st 5 [000] 1.1:  syscalls:sys_enter_brk: brk: 0x00000000",
        "\t           1fc47 brk+0x7 (/usr/lib/ld.so)",
        "\t    7fde48ae18a8 [unknown] ([unknown])",
        "",
        "st 5 [000] 1.2:  syscalls:sys_exit_brk: 0x1000",
        "\t           1fc47 brk+0x7 (/usr/lib/ld.so)",
    )
    assert call.stack == ["/usr/lib/ld.so(brk+0x7) [0x1fc47]", "[unknown]() [0x7fde48ae18a8]"]


@pytest.mark.parametrize(
    "line",
    [
        "st-5 [000] ..... 1.1: sys_munmap(addr: many)",
        "st-5 [000] ..... 1.1: sys_munmap(a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1)",
        "st-5 [000] ..... 1.1: sys_munmap",
    ],
)
def test_what_cannot_be_read_is_said(line: str) -> None:
    assert [type(event) for event in events(line)] == [Unparsed]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), max_size=5))
def test_any_text_is_taken(lines: list[str]) -> None:
    reader = TracepointReader()
    for line in lines:
        reader.feed(line)
        reader.feed("st-5 [000] ..... 1.1: sys_" + line)
    reader.finish()
    assert reader.lines == 2 * len(lines)


@pytest.mark.parametrize(("name", "memory_calls"), [("perf.txt", 11), ("ftrace.txt", 13)])
def test_real_logs(name: str, memory_calls: int) -> None:
    """Of a static program that maps, protects and unmaps."""
    report = Replay(RecordingFiles(str(DATA / name)), Options()).run()
    assert report.unparsed == 0
    assert report.total.differ == 0
    assert report.total.memory_calls == memory_calls
    assert report.total.predicted > memory_calls // 2


def test_logs_are_told_apart() -> None:
    log = ["5 brk(NULL) = 0x1000", '5 openat(3, "sys_a(b: 1)", 0) = 4']
    assert not is_tracepoint_text(log)
    for name in ("perf.txt", "ftrace.txt"):
        assert is_tracepoint_text((DATA / name).read_text().splitlines())


@pytest.mark.parametrize("name", ["perf.txt", "ftrace.txt"])
def test_a_log_that_can_be_read_but_once(tmp_path: Path, name: str) -> None:
    """A pipe, as `vmalab replay <(perf script)` gives."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=((DATA / name).read_bytes(),))
    writer.start()
    names = [event.name for event in RecordingFiles(str(pipe)).log() if isinstance(event, Call)]
    writer.join()
    assert names.count("mmap") == 2
