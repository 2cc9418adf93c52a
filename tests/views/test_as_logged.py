# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream's calls become lines of a log: whose each is, and what begins with it."""

from vmalab.calls.call import Call
from vmalab.targets.real.real import TID
from vmalab.views.as_logged import as_logged

THREAD = 0x50F00


def by(thread: int, name: str, *args: int) -> Call:
    return Call(TID + thread, name, (*args, 0, 0, 0, 0, 0, 0)[:6])


def test_threads_and_children_have_ids_of_their_own() -> None:
    calls = [
        by(0, "clone", THREAD),
        by(1, "clone", 17),
        by(1, "munmap", 0x1000, 0x1000),
        by(0, "exit"),
        by(1, "exit"),
        by(0, "clone", THREAD),
        by(1, "munlockall"),
    ]
    lines = list(as_logged(calls, [1, 1, 0, 0, 0, 1, 0]))
    assert [(one.tid - TID, one.result) for one in lines] == [
        (0, TID + 1),
        (1, TID + 2),
        (2, 0),
        (2, 0),
        (1, 0),
        (0, TID + 3),
        (3, 0),
    ]
    assert [one.event for one in lines if one.event] == [
        {"after_line": 1, "event": "thread", "tid": TID + 1, "tgid": TID, "image": f"{TID}.1"},
        {
            "after_line": 2,
            "event": "fork",
            "pid": TID + 2,
            "ppid": TID + 1,
            "image": f"{TID + 2}.0",
        },
        {"after_line": 6, "event": "thread", "tid": TID + 3, "tgid": TID, "image": f"{TID}.1"},
    ]
    assert [one.image for one in lines][2:5] == [f"{TID + 2}.0", f"{TID}.1", f"{TID}.1"]


def test_child_in_its_parents_memory_has_its_map() -> None:
    (line,) = as_logged([by(0, "clone", 0x4100 | 17)], [1])
    assert line.event is not None
    assert (line.event["event"], line.image) == ("sharemm", f"{TID}.1")


def test_what_was_not_answered_is_not_logged() -> None:
    calls = [by(0, "munlockall"), by(0, "munlockall")]
    assert len(list(as_logged(calls, [0, None]))) == 1
    assert len(list(as_logged(calls, [0]))) == 1
