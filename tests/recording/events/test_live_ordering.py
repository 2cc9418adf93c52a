# SPDX-License-Identifier: GPL-2.0-or-later
"""Events that are sorted while they come have the order that they have when all is over."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.recording.events import layout as at
from vmalab.recording.events import rawfile
from vmalab.recording.events.ordering import LiveOrdering, Ordering

LATE = 40


def chunk(entered: int, locked: int, left: int, tid: int) -> bytes:
    """A chunk with one call, and what one of its arguments points to."""
    number = NUMBER_OF_SYSCALL["madvise"]
    head = at.call.pack(at.CALL, tid, 7, number, left, entered, locked, 0, 1, 1)
    piece = at.head.pack(at.CONTENTS, tid, 7, 1, entered + 1) + struct.pack("<Q", 64) + b"x"
    return rawfile.record_chunk(piece) + rawfile.record_chunk(head + struct.pack("<Q", left))


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.integers(1, 20), st.integers(0, 19), st.integers(1, 3)),
        max_size=40,
        unique_by=lambda item: item[0],
    ),
    st.integers(5, 60),
)
def test_parts_give_the_order_of_the_whole(
    calls: list[tuple[int, int, int, int]], step: int
) -> None:
    # A call's record is there when it has ended.
    whole = sorted((begin + took, begin, min(lock, took), tid) for begin, took, lock, tid in calls)
    chunks = [(left, chunk(begin, begin + lock, left, tid)) for left, begin, lock, tid in whole]
    everything = b"".join(raw for _, raw in chunks)
    wanted = [when for when, _ in Ordering(everything)]

    order = LiveOrdering(lambda: None)
    raw = bytearray()
    found: list[int] = []
    seen = 0
    for now in range(step, 1000, step):
        begin = len(raw)
        while seen < len(chunks) and chunks[seen][0] <= now:
            raw += chunks[seen][1]
            seen += 1
        # No call lasts longer than this.
        order.extend(raw, begin, now - LATE)
        for when, offset in order:
            # It is the event that it was, wherever that has gone.
            assert at.moments.unpack_from(raw, offset + at.ENTERED)[1] in (when, 0)
            found.append(when)
        gone = order.drop({}, now - 4 * LATE)
        del raw[:gone]
        order.shift(gone)
    assert found == wanted
    assert len(raw) == 0
