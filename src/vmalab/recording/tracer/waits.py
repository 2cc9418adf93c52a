# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps what has ended from being in the way of a program that is about to wait for it.

A traced process that was killed while it was held ends without a stop, and nobody but the recorder
can have it until the recorder has waited for it: a parent that a pidfd has told of the end, and
that looks without waiting, would find nothing. So before a call that waits, the recorder takes
what has ended.
"""

import os
from collections.abc import Collection, Iterator
from typing import Final

from vmalab.linux.include.uapi import unistd
from vmalab.recording.tracer import ptrace

_WAITS: Final = frozenset((unistd.NR_wait4, unistd.NR_waitid))
_ENDED: Final = os.WEXITED | os.WNOHANG | ptrace.WALL


def is_wait(stop: ptrace.Stop) -> bool:
    """Return whether a thread is about to wait for children."""
    return (
        stop.op == ptrace.AT_ENTRY
        and stop.arch != ptrace.AUDIT_ARCH_I386
        and stop.words[0] in _WAITS
    )


def ended(tracees: Collection[int], own: int) -> Iterator[tuple[int, int]]:
    """Yield the tracees that have ended, with their wait statuses; the recorder's own child not.

    own: nobody else waits for that one.
    """
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, _ENDED | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or found.si_pid == own or found.si_pid not in tracees:
            return
        tid, status = os.waitpid(found.si_pid, ptrace.WALL | os.WNOHANG)
        if not tid:
            return
        yield tid, status
