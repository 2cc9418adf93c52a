# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of a replay by themselves: the recorded map, the order of things, what calls touch."""

from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.call import U64_MAX, Call, Exit
from vmalab.calls.map_line import RecordedLine, map_lines
from vmalab.calls.snapshot import VmaLine
from vmalab.linux.include.uapi.sched import CLONE_THREAD, CLONE_VM
from vmalab.recording.format.meta import MetaEvent
from vmalab.recording.format.steps import Step
from vmalab.replay.compare import joined
from vmalab.replay.memory_calls import (
    is_memory_call,
    makes_thread,
    ranges_of,
    shares_memory,
)
from vmalab.replay.recorded_map import RecordedMap
from vmalab.replay.report import ReplayFigures
from vmalab.replay.story import vanished
from vmalab.replay.timeline import AHEAD, Item, Timeline


def line(start: int, end: int) -> VmaLine:
    return VmaLine(start << 12, end << 12, "rw-p", 0, "00:00", 0, "")


VSYSCALL = VmaLine(0xFFFFFFFFFF600000, 0xFFFFFFFFFF601000, "--xp", 0, "00:00", 0, "[vsyscall]")


def shown(lines: list[RecordedLine]) -> list[VmaLine]:
    return [one.line for one in lines]


def change(start: int, ndel: int, *new: VmaLine) -> Step:
    return Step(2, 50, "X", "mmap", start, ndel, map_lines(list(new)))


def test_step_notes_what_its_lines_span_old_and_new() -> None:
    recorded = RecordedMap([line(1, 2), line(4, 6), VSYSCALL])
    step = change(1, 1, line(5, 9))
    recorded.apply(step)
    assert (step.low, step.high) == (4 << 12, 9 << 12)
    assert recorded.whole() == [line(1, 2), line(5, 9)]
    assert len(recorded) == 2


def test_window_takes_in_what_touches_its_ends() -> None:
    recorded = RecordedMap([line(1, 2), line(2, 4), line(6, 7), VSYSCALL])
    assert shown(recorded.window(4 << 12, 6 << 12)) == [line(2, 4), line(6, 7)]
    assert shown(recorded.window(5 << 12, 5 << 12)) == []
    assert shown(recorded.window(0, U64_MAX)) == recorded.whole()


def test_step_beyond_the_map_is_refused() -> None:
    with pytest.raises(ValueError, match="takes lines 1 to 3 of a map of 2"):
        RecordedMap([line(1, 2), line(3, 4)]).apply(change(1, 2))


def test_torn_map_overlaps_itself() -> None:
    assert RecordedMap([line(1, 5), line(3, 6)]).overlaps()
    assert not RecordedMap([line(1, 3), line(3, 6), VSYSCALL]).overlaps()


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 60), st.integers(0, 60))
def test_window_is_what_a_search_of_all_lines_finds(pages: set[int], first: int, last: int) -> None:
    lines = [line(page, page + 1) for page in sorted(pages)]
    low, high = min(first, last) << 12, max(first, last) << 12
    slow = [one for one in lines if one.end >= low and one.start <= high]
    assert shown(RecordedMap(lines).window(low, high)) == slow


# The order of lines and events.


class Items(list[Call | Exit]):
    """Events that come as a log does: in batches."""

    def batches(self) -> Iterator[list[Call | Exit]]:
        yield self[:2]
        yield []
        yield self[2:]


def timeline(items: list[Call | Exit], events: list[MetaEvent]) -> Timeline:
    in_order = sorted(events, key=lambda event: event.after_line)
    return Timeline(Items(items), deque(in_order))  # type: ignore[arg-type]


def passed(order: Timeline) -> Iterator[Item]:
    """Everything, while it happens."""
    return iter(order.advance, None)


def event(after: int, kind: str = "fork") -> MetaEvent:
    return MetaEvent(after, kind, 51, 0, 0, 50, "51.0")


def call(at: int, entry: int = 0, tid: int = 50, name: str = "mmap") -> Call:
    made = Call(tid, name, line=at, ret=0)
    made.entry_line = entry or at
    return made


def test_event_comes_after_its_lines_and_before_the_next() -> None:
    first, second = call(1), call(2)
    between, last = event(1), event(7)
    assert list(passed(timeline([first, second], [last, between]))) == [
        first,
        between,
        second,
        last,
    ]


def test_calls_under_way_are_known_ahead() -> None:
    slow = call(9, entry=3, tid=51)
    order = timeline([call(1), call(4), slow], [])
    found = [order.under_way(item.line) for item in passed(order) if isinstance(item, Call)]
    assert found == [[], [slow], []]


def test_call_whose_line_is_being_written_may_be_under_way() -> None:
    """The tracer writes an entry when another thread interrupts it: one line later."""
    slow = call(5, entry=3, tid=51)
    order = timeline([call(2), slow], [])
    order.advance()
    assert order.under_way(2) == [slow]
    assert slow not in order.under_way(1)


def test_long_log_is_read_ahead_only_so_far() -> None:
    order = timeline([call(at) for at in range(1, 4 * AHEAD)], [])
    longest = max(len(order.ahead()) for _ in passed(order))
    assert longest <= AHEAD


# What calls concern.


@pytest.mark.parametrize(
    ("made", "memory"),
    [
        (Call(1, "mmap", ret=0), True),
        (Call(1, "openat", ret=3), False),
        (Call(1, "execve", ret=0), True),
        (Call(1, "execve", ret=-2), False),
        (Call(1, "prctl", (0x53564D41, 0, 0, 0, 0, 0), ret=0), True),
        (Call(1, "prctl", (15, 0, 0, 0, 0, 0), ret=0), False),
        (Call(1, "ioctl", (3, 0xC020AA00, 0, 0, 0, 0), ret=0), True),
        (Call(1, "ioctl", (3, 0xAA00, 0, 0, 0, 0), ret=4), False),
        (Call(1, "ioctl", (1, 0x5401, 0, 0, 0, 0), ret=0), False),
        (Call(1, "prlimit64", ret=0), False),
    ],
    ids=lambda value: value.name if isinstance(value, Call) else str(value),
)
def test_which_calls_concern_memory(made: Call, memory: bool) -> None:
    assert is_memory_call(made) is memory


def test_ranges_are_whole_pages_within_the_address_space() -> None:
    assert ranges_of(Call(1, "munmap", (0x1001, 1, 0, 0, 0, 0))) == [(0x1000, 0x2000)]
    assert ranges_of(Call(1, "mlockall")) is None


def test_mapping_touches_hint_answer_and_prediction() -> None:
    made = Call(1, "mmap", (0x5000, 0x1000, 0, 0, 0, 0), ret=0x7000)
    assert ranges_of(made, 0x9000) == [(0x5000, 0x6000), (0x7000, 0x8000), (0x9000, 0xA000)]
    made.ret = -12
    assert ranges_of(made, -12) == [(0x5000, 0x6000)]


def test_a_place_that_a_call_touches_is_named_once() -> None:
    made = Call(1, "mmap", (0x5000, 0x1000, 0, 0, 0, 0), ret=0x5000)
    assert ranges_of(made, 0x5000) == [(0x5000, 0x6000)]
    moved = Call(1, "mremap", (0x5000, 0x1000, 0x1000, 0, 0, 0), ret=0x5000)
    assert ranges_of(moved, 0x5000) == [(0x5000, 0x6000), (0, 0x1000)]


@pytest.mark.parametrize(
    ("ranges", "windows"),
    [
        ([], []),
        ([(5, 5)], []),
        ([(4, 6), (1, 2)], [(1, 2), (4, 6)]),
        ([(4, 6), (1, 4)], [(1, 6)]),
        ([(1, 9), (2, 3), (0, 0)], [(1, 9)]),
        ([(1, 3), (1, 3)], [(1, 3)]),
    ],
)
def test_windows_that_meet_are_one(
    ranges: list[tuple[int, int]], windows: list[tuple[int, int]]
) -> None:
    assert joined(ranges) == windows


@pytest.mark.parametrize(
    ("made", "shares", "thread"),
    [
        (Call(1, "fork"), False, False),
        (Call(1, "vfork"), True, False),
        (Call(1, "clone", (CLONE_VM | CLONE_THREAD, 0, 0, 0, 0, 0)), True, True),
        (Call(1, "clone3", mem={0: {"flags": CLONE_VM}}), True, False),
        (Call(1, "clone3", mem={0: {"flags": "?"}}), False, False),
        (Call(1, "clone3"), False, False),
    ],
    ids=["fork", "vfork", "thread", "clone3", "unknown flags", "unknown struct"],
)
def test_what_a_new_task_shares(made: Call, shares: bool, thread: bool) -> None:
    assert (shares_memory(made), makes_thread(made)) == (shares, thread)


# Sums and the story.


def test_one_final_map_that_differs_spoils_the_sum() -> None:
    total = ReplayFigures()
    for identical in (None, True, None):
        part = ReplayFigures()
        part.final_identical = identical
        total.add(part)
    assert total.final_identical is True
    part = ReplayFigures()
    part.final_identical = False
    total.add(part)
    total.add(ReplayFigures())
    assert total.final_identical is False
    assert not total.identical


def test_boundaries_that_vanished() -> None:
    assert vanished([(1, 2), (2, 3)], [(1, 3)]) == 1
    assert vanished([(1, 2)], [(1, 5)]) == 1
    assert vanished([(1, 2)], []) == 0
    assert vanished([(1, 3)], [(1, 2), (2, 3)]) == 0
