# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: userfaultfds whose events the executor reads, and those of children."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import Draw, call
from vmalab.check.moves.anonymous import advise
from vmalab.linux.include.uapi.fcntl import O_CLOEXEC, O_NONBLOCK
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFD_FEATURE_EVENT_FORK,
    UFFD_FEATURE_EVENT_REMAP,
    UFFD_FEATURE_EVENT_REMOVE,
    UFFD_FEATURE_EVENT_UNMAP,
    UFFD_FEATURE_SIGBUS,
    UFFDIO_API,
    UFFDIO_CONTINUE,
    UFFDIO_COPY,
    UFFDIO_POISON,
    UFFDIO_REGISTER,
    UFFDIO_UNREGISTER,
    UFFDIO_WAKE,
    UFFDIO_WRITEPROTECT,
    UFFDIO_ZEROPAGE,
)

_EVENTS: Final = (
    UFFD_FEATURE_EVENT_FORK,
    UFFD_FEATURE_EVENT_FORK,
    UFFD_FEATURE_EVENT_REMAP,
    UFFD_FEATURE_EVENT_REMOVE,
    UFFD_FEATURE_EVENT_UNMAP,
)


def open_with_events(s: Draw) -> Call:
    """Make a userfaultfd, or ask one for events."""
    fds = s.fds["uffd"]
    if not s.abilities.userfaultfd or (len(fds) >= 3 and s.chance(50)):
        return call("close", fds[0]) if fds else advise(s)
    if s.unasked:
        # Faults are signals: for them the reader has no answer.
        features = UFFD_FEATURE_SIGBUS
        for event in _EVENTS:
            features |= event if s.chance(50) else 0
        struct = {"api": UFFD_API, "features": features, "ioctls": 0}
        return call("ioctl", s.unasked[-1], UFFDIO_API, 0, mem={2: struct})
    # The reader must not wait where there is nothing to read.
    return call("userfaultfd", O_NONBLOCK | s.pick((0, O_CLOEXEC)))


def ask_of_child(s: Draw) -> Call:
    """Make a request of a descriptor that may be the userfaultfd of a child which has ended."""
    fd = 3 + s.below(12)
    start, length = s.mapped_range()
    bounds = {"start": start, "len": length}
    if s.chance(25):
        return call("close", fd)
    request = s.pick(
        (
            UFFDIO_REGISTER,
            UFFDIO_UNREGISTER,
            UFFDIO_WAKE,
            UFFDIO_COPY,
            UFFDIO_ZEROPAGE,
            UFFDIO_WRITEPROTECT,
            UFFDIO_CONTINUE,
            UFFDIO_POISON,
        )
    )
    struct: object = {"range": bounds, "mode": s.pick((0, 1, 2)), "ioctls": 0}
    if request in (UFFDIO_UNREGISTER, UFFDIO_WAKE):
        struct = bounds
    elif request == UFFDIO_COPY:
        struct = {"dst": start, "src": start, "len": length, "mode": 0, "copy": 0}
    elif request == UFFDIO_WRITEPROTECT:
        struct = {"range": bounds, "mode": 1}
    return call("ioctl", fd, request, 0, mem={2: struct})
