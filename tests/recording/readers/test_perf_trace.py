# SPDX-License-Identifier: GPL-2.0-or-later
"""The text of `perf trace` is read to the numbers that it stands for."""

import pytest

from vmalab.calls.call import Call, Event, Exit, Unparsed
from vmalab.recording.readers.perf_trace import PerfTraceReader, is_perf_trace_text

U64 = 2**64
STAMP = "     0.196 ( 0.028 ms): "


def read(*lines: str) -> list[Event]:
    reader = PerfTraceReader()
    for line in lines:
        reader.feed(line)
    reader.finish()
    return reader.take()


def only_call(line: str) -> Call:
    (call,) = read(line)
    assert isinstance(call, Call), call
    return call


@pytest.mark.parametrize(
    ("who", "tid"),
    [("", 0), ("prog/30089 ", 30089), (":30089/30089 ", 30089), ("a b/7 ", 7), ("30089 ", 30089)],
)
def test_thread_is_named_or_left_out(who: str, tid: int) -> None:
    call = only_call(f"{STAMP}{who}munmap(addr: 0x7f356d528000, len: 43519)      = 0")
    assert (call.tid, call.args[:2], call.ret) == (tid, (0x7F356D528000, 43519), 0)
    assert call.time == pytest.approx(0.000196)


CALLS = {
    "mmap(len: 8192, prot: READ|WRITE, flags: PRIVATE|ANONYMOUS) = 0x7f356d533000": (
        (0, 8192, 3, 0x22, U64 - 1, 0),
        0x7F356D533000,
    ),
    "mmap(addr: 0x7f356d36c000, len: 4096, prot: READ|EXEC, flags: PRIVATE|FIXED|DENYWRITE, "
    "fd: 4, off: 0x26000) = 0x7f356d36c000": (
        (0x7F356D36C000, 4096, 5, 0x812, 4, 0x26000),
        0x7F356D36C000,
    ),
    "mmap(addr: NULL, len: 4096, prot: PROT_READ, flags: MAP_SHARED, fd: 4</lib/a, b>) = 0x1000": (
        (0, 4096, 1, 1, 4, 0),
        0x1000,
    ),
    "mprotect(start: 0x7f356d52a000, len: 4096) = 0": ((0x7F356D52A000, 4096, 0, 0, 0, 0), 0),
    "madvise(start: 0x7f356c000000, len_in: 4096, behavior: DONTNEED) = 0": (
        (0x7F356C000000, 4096, 4, 0, 0, 0),
        0,
    ),
    "brk() = 0x55d28376e000": ((0,) * 6, 0x55D28376E000),
    "munmap(addr: 0x1000, len: 4096) = -1 EINVAL (Invalid argument)": (
        (0x1000, 4096, 0, 0, 0, 0),
        -22,
    ),
    "munmap(addr: 0x1000, len: 4096) = -1 EINVAL Invalid argument": (
        (0x1000, 4096, 0, 0, 0, 0),
        -22,
    ),
    "clone(clone_flags: VM|THREAD|0x11, newsp: 0x7f00) = 12": (
        (0x10111, 0x7F00, 0, 0, 0, 0),
        12,
    ),
}


@pytest.mark.parametrize("text", CALLS)
def test_arguments_are_those_of_the_kernel(text: str) -> None:
    call = only_call(f"{STAMP}prog/7 {text}")
    assert (call.args, call.ret) == CALLS[text]


def test_call_that_is_continued_is_one_call() -> None:
    events = read(
        "     9.658 (         ): prog/8 munmap(addr: 0x7f356d529000, len: 4096) ...",
        "     9.700 ( 0.001 ms): prog/7 brk() = 0x5000",
        "         ? (         ): prog/8  ... [continued]: munmap()) = 0",
    )
    calls = [event for event in events if isinstance(event, Call)]
    assert [(call.tid, call.ret) for call in calls] == [(7, 0x5000), (8, 0)]
    assert (calls[1].entry_line, calls[1].line) == (1, 3)


def test_other_side_of_a_fork_is_a_note() -> None:
    assert read("         ? (         ): prog/8  ... [continued]: clone3()) = 0") == []


def test_pointers_of_clone_are_passed_over() -> None:
    flags = "clone_flags: CHILD_CLEARTID|CHILD_SETTID|0x11"
    call = read(f"{STAMP}prog/7 clone({flags}, child_tidptr: 0x7f356d343a10) = 9 (prog)")[0]
    assert isinstance(call, Call)
    assert (call.args[0], call.ret) == (0x1200011, 9)


def test_result_may_begin_with_zeros() -> None:
    call = read(f"{STAMP}prog/7 brk(brk: 0x1000) = 00012")[0]
    assert isinstance(call, Call)
    assert call.ret == 12


def test_exit_ends_the_thread() -> None:
    call, end = read(f"{STAMP}prog/7 exit_group(error_code: 3)  ")
    assert isinstance(call, Call)
    assert isinstance(end, Exit)
    assert (end.tid, end.status) == (7, 3)


@pytest.mark.parametrize(
    "text",
    [
        "mmap(len: 8192, prot: READ|MUCH) = 0x1000",
        "mprotect(start) = 0",
        "shmat(shmid: 1) = 0x1000",
    ],
)
def test_memory_call_that_cannot_be_read_is_reported(text: str) -> None:
    (event,) = read(f"{STAMP}prog/7 {text}")
    assert isinstance(event, Unparsed)


def test_text_is_known_by_its_lines() -> None:
    assert is_perf_trace_text(["", f"{STAMP}brk() = 0x5000"])
    assert not is_perf_trace_text(["12 brk(NULL) = 0x5000", "0.196 brk(NULL) = 0x5000"])
