# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets a process end when it is told to, in order, or when the one that began it has ended."""

import ctypes
import signal
import threading
from types import FrameType
from typing import Final

from vmalab.linux.include.uapi.prctl import PR_SET_PDEATHSIG

_libc: Final = ctypes.CDLL(None)


def end_with_parent() -> None:
    """Has the kernel kill this process when the thread that began it has ended."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def leave_in_order() -> None:
    """Has signals that ask for an end raise SystemExit, so that folders and guests go first."""
    if threading.current_thread() is not threading.main_thread():
        # Another thread cannot choose.
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _leave)
