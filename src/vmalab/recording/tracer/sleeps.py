# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets calls sleep on that were broken off for the recorder's sake.

A traced thread is woken by each signal that comes, by those too that the program ignores and would
not notice alone; and by the recorder when it attaches or lets go. The kernel makes most calls anew
then. Those listed here end with EINTR instead: they are made anew by the recorder, with what is
left of their time. Calls of 32-bit programs are left as they are.
"""

import math
import struct
import time
from typing import Final

from vmalab.linux.include.uapi import unistd
from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.memory import Memory
from vmalab.recording.tracer.ptrace import CS, ORIG_RAX, R10, RAX, RDX, RIP
from vmalab.recording.tracer.signals import signal_sets
from vmalab.recording.tracer.space import Tracee

_EINTR: Final = -4
_EAGAIN: Final = -11
# A code segment of 64 bits, and the length of the instruction that makes a call.
_USER_CS: Final = 0x33
_SYSCALL_SIZE: Final = 2
_TIMESPEC: Final = struct.Struct("<qq")
# Call -> the register of its limit (a pointer to a timespec), and what it answers past that.
_LIMITED: Final = {
    unistd.NR_epoll_pwait2: (R10, 0),
    unistd.NR_semtimedop: (R10, _EAGAIN),
    unistd.NR_rt_sigtimedwait: (RDX, _EAGAIN),
}
# These have milliseconds in the register itself.
_MILLISECONDS: Final = frozenset((unistd.NR_epoll_wait, unistd.NR_epoll_pwait))
_TIMED: Final = _MILLISECONDS | _LIMITED.keys()
# Calls that have done nothing yet when they end with EINTR.
_SLEEPS: Final = _TIMED | frozenset(
    (
        unistd.NR_accept,
        unistd.NR_accept4,
        unistd.NR_futex_waitv,
        unistd.NR_io_getevents,
        unistd.NR_io_pgetevents,
        unistd.NR_io_uring_enter,
        unistd.NR_read,
        unistd.NR_readv,
        unistd.NR_recvfrom,
        unistd.NR_recvmmsg,
        unistd.NR_recvmsg,
        unistd.NR_semop,
        unistd.NR_sendmsg,
        unistd.NR_sendto,
        unistd.NR_write,
        unistd.NR_writev,
    )
)
# SIGCHLD, SIGCONT, SIGURG, SIGWINCH: ignored unless there is a handler.
_UNNOTICED: Final = 1 << 16 | 1 << 17 | 1 << 22 | 1 << 27


def note_sleep(task: Tracee, stop: ptrace.Stop) -> None:
    """A thread enters a call: note when, if the call has a time limit."""
    if task.sleeps_on:
        task.sleeps_on = False
    elif stop.words[0] in _TIMED:
        task.sleep = (time.monotonic(), -1)


def may_sleep(stop: ptrace.Stop) -> bool:
    """Return whether a thread is about to make a call that ends with EINTR when it is broken off.

    The kernel wakes what it lets go of at this stop, so the call would be: a thread that the
    recorder has asked to stop is let into it, and held at its end.
    """
    return (
        stop.op == ptrace.AT_ENTRY
        and stop.arch != ptrace.AUDIT_ARCH_I386
        and stop.words[0] in _SLEEPS
    )


def woken(task: Tracee, result: int, *, asked: bool) -> int:
    """Let a call that was broken off without need be made anew.

    asked: the recorder has asked the thread to stop. Returns: its result, perhaps another one now.
    Errors: OSError.
    """
    sleep = task.sleep
    if result != _EINTR:
        if sleep is not None:
            _restore(task, sleep)
            task.sleep = None
        return result
    words = ptrace.get_registers(task.tid)
    if sleep is not None and sleep[1] >= 0:
        words[R10] = sleep[1]
    number = words[ORIG_RAX]
    if words[CS] != _USER_CS or number not in _SLEEPS or not _unneeded(task.tid, asked):
        if sleep is not None:
            _restore(task, sleep)
            task.sleep = None
        return result
    left = _left(task, number, words)
    if left <= 0:
        result = _LIMITED[number][1] if number in _LIMITED else 0
        words[RAX] = result & (1 << 64) - 1
        task.sleep = None
        ptrace.set_registers(task.tid, words)
        return result
    if number in _MILLISECONDS and left < math.inf and not asked:
        assert sleep is not None
        task.sleep = (sleep[0], words[R10])
        words[R10] = math.ceil(left * 1000)
    _again(task, number, words)
    return result


def woken_outside(task: Tracee) -> None:
    """A thread that the recorder has stopped when it was not at a call's end, as far as was told.

    Errors: OSError.
    """
    words = ptrace.get_registers(task.tid)
    broken = words[RAX] == _EINTR & (1 << 64) - 1 and words[CS] == _USER_CS
    if broken and words[ORIG_RAX] in _SLEEPS and _unneeded(task.tid, asked=True):
        _again(task, words[ORIG_RAX], words)
        task.sleeps_on = False


def _again(task: Tracee, number: int, words: list[int]) -> None:
    """Let a thread make its call once more."""
    words[RAX] = number
    words[RIP] -= _SYSCALL_SIZE
    ptrace.set_registers(task.tid, words)
    task.sleeps_on = True


def _restore(task: Tracee, sleep: tuple[float, int]) -> None:
    """The program finds the limit in its register as it gave it."""
    if sleep[1] >= 0:
        ptrace.set_register(task.tid, R10, sleep[1])


def _left(task: Tracee, number: int, words: list[int]) -> float:
    """Return seconds that are left of a call's time.

    Infinite when it has no limit that is known.
    """
    if task.sleep is None or number not in _TIMED:
        return math.inf
    if number in _MILLISECONDS:
        limit = words[R10] & 0xFFFFFFFF
        seconds = math.inf if limit >> 31 else limit / 1000
    else:
        pointer = words[_LIMITED[number][0]]
        memory = Memory(task.tid)
        raw = memory.read(pointer, _TIMESPEC.size)
        memory.close()
        if len(raw) < _TIMESPEC.size:
            return math.inf
        whole, rest = _TIMESPEC.unpack(raw)
        seconds = whole + rest / 1e9
    return task.sleep[0] + seconds - time.monotonic()


def _unneeded(tid: int, asked: bool) -> bool:
    """Return whether only signals that are ignored have woken a thread. asked: or none at all."""
    found = signal_sets(tid)
    if not found:
        return False
    pending = (found[b"SigPnd"] | found[b"ShdPnd"]) & ~found[b"SigBlk"]
    ignored = found[b"SigIgn"] | _UNNOTICED & ~found[b"SigCgt"]
    return pending & ~ignored == 0 and (asked or pending != 0)
