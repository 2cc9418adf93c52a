# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that goes ahead: replays a recording, and leaves copies of itself on the way.

A copy (a checkpoint, made by fork) waits where it was left. Asked to run an errand, it sends out a
copy of its own, which replays on until the errand is done, answers and ends. Memory is shared
until it is written to, so that a checkpoint costs what the replay has changed since.
"""

import gc
import importlib
import os
import signal
import socket
import time
from multiprocessing.connection import Connection
from multiprocessing.reduction import send_handle
from typing import Any, Final, NoReturn, Protocol, final

from vmalab.calls.errors import VmalabError
from vmalab.explain.travel.index import MomentBatch
from vmalab.explain.travel.watcher import Watcher, Waypoint
from vmalab.parent import end_with_parent
from vmalab.recording.format.stated import Stated
from vmalab.recording.search import one_recording
from vmalab.replay.replay import Options, Replay

# Messages of the scout: moments, a checkpoint (a descriptor follows), "every second one is to go",
# too many moments, the end and what went wrong.
MOMENTS: Final = "moments"
CHECKPOINT: Final = "checkpoint"
THIN: Final = "thin"
FULL: Final = "full"
OVER: Final = "over"
# Answers of a checkpoint.
DONE: Final = "done"
FAILED: Final = "failed"

# Moments that are kept, and that are sent at once.
MOST_MOMENTS: Final = 1 << 24
_BATCH: Final = 2048
# Seconds between two messages at most.
_SEND_EVERY: Final = 0.1
# Seconds of work between two checkpoints, and how many there may be.
WORK: Final = 0.03
MOST_CHECKPOINTS: Final = 400
# Of the memory that was available: the part that all checkpoints together may take.
_PART: Final = 4
# Checkpoints between two looks at what they take.
_WEIGH_EVERY: Final = 16


class Errand(Protocol):
    """What is wanted of some moments; sent to a checkpoint, and carried out there.

    first, last: the moments that it is to see.
    """

    first: int
    last: int

    def visit(self, moment: Waypoint, watcher: Watcher) -> None:
        """See a moment."""

    def result(self) -> object:
        """Return what is sent back, pickled."""


def scout(
    path: str,
    stated: Stated,
    kernel: str | None,
    descriptor: int,
    work: float,
    most: int,
    errands: str,
) -> NoReturn:
    """Replay a recording, and send home on a socket what `Journey` reads; then wait for the end.

    work, most, errands: as of `Journey`. What goes wrong is sent home too.
    """
    if errands:
        importlib.import_module(errands)
    ahead = _Scout(Connection(descriptor), work, most)
    why = "the replay has ended before its time"
    try:
        recording = one_recording(path, stated)
        ahead.watcher.know(recording.frames())
        Replay(recording, Options(kernel=kernel, observers=(ahead.watcher,))).run()
        why = ""
    except VmalabError as error:
        why = str(error)
    except MemoryError:
        why = "out of memory"
    finally:
        ahead.finish(why)
    # A recording that was unpacked, or sorted, is there only as long as this process is.
    while True:
        signal.pause()


@final
class _Scout:
    """The replay on its way, in whichever process: ahead, at a checkpoint, or on an errand."""

    def __init__(self, home: Connection, work: float, most: int) -> None:
        self.watcher = Watcher(self._passed)
        self._home = home
        self._errand: Errand | None = None
        self._sent = time.monotonic()
        self._work = work
        self._most = most
        self._worked = 0.0
        self._budget = _available() // _PART
        self._checkpoints: list[int] = []
        self._weighed = 0
        # Checkpoints that are told to go are nobody's to wait for.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    def _passed(self, moment: Waypoint) -> None:
        if self._errand is not None:
            self._see(moment, self._errand)
            return
        batch = self.watcher.sent
        if batch is None:
            return
        # A moment that is known can be asked for: its checkpoint comes first.
        if moment.at == 0 or time.process_time() > self._worked + self._work:
            if not self._leave_one(moment):
                return
            self._worked = time.process_time()
        if len(batch) >= _BATCH or time.monotonic() > self._sent + _SEND_EVERY:
            self._send()
        if moment.at >= MOST_MOMENTS:
            self._send()
            self._home.send((FULL, moment.at))
            self.watcher.sent = None

    # Ahead.

    def _send(self) -> None:
        assert self.watcher.sent is not None
        self._home.send((MOMENTS, self.watcher.sent))
        self.watcher.sent = MomentBatch()
        self._sent = time.monotonic()

    def _leave_one(self, moment: Waypoint) -> bool:
        """Leave a checkpoint at a moment. Returns: False in a copy that goes on an errand."""
        here, there = socket.socketpair()
        # A collection writes to all that it looks at, which copies it: let it look at new objects.
        gc.freeze()
        pid = os.fork()
        if pid == 0:
            there.close()
            self._home.close()
            self._wait(Connection(here.detach()), moment)
            return False
        here.close()
        with there:
            self._home.send((CHECKPOINT, moment.at))
            send_handle(self._home, there.fileno(), None)
        self._checkpoints.append(pid)
        heavy = len(self._checkpoints) % _WEIGH_EVERY == 0 and self._weigh() > self._budget
        if len(self._checkpoints) >= self._most or heavy:
            self._home.send((THIN, 0))
            self._checkpoints = self._checkpoints[::2]
            self._work = max(2 * self._work, WORK)
        return True

    def _weigh(self) -> int:
        """Return the bytes that the checkpoints take by themselves, from a few of them."""
        few = self._checkpoints[:: max(1, len(self._checkpoints) // 4)]
        return sum(map(_private, few)) * len(self._checkpoints) // len(few)

    def finish(self, why: str) -> None:
        """The replay is over, or cannot go on; for one on an errand that is too late."""
        if self._errand is not None:
            os._exit(1)
        if self.watcher.sent is not None:
            self._send()
        self._home.send((OVER, why))
        self._home.close()

    # At a checkpoint.

    def _wait(self, asker: Connection, moment: Waypoint) -> None:
        """Wait for errands. Returns: in the copy that goes on one."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.watcher.sent = None
        while True:
            errand = _next_errand(asker)
            pid = os.fork()
            if pid == 0:
                end_with_parent()
                self._home = asker
                self._errand = errand
                self._passed(moment)
                return
            _, status = os.waitpid(pid, 0)
            if status:
                asker.send((FAILED, "the process that was to answer has ended"))

    # On an errand.

    def _see(self, moment: Waypoint, errand: Errand) -> None:
        if moment.at < errand.first:
            return
        try:
            errand.visit(moment, self.watcher)
            if moment.at >= errand.last:
                self._home.send((DONE, errand.result()))
                os._exit(0)
        except (VmalabError, OSError) as error:
            self._home.send((FAILED, str(error)))
            os._exit(0)


def _next_errand(asker: Connection) -> Errand:
    """Return what is asked for next; the checkpoint ends when nobody can ask any more."""
    try:
        errand: Any = asker.recv()
    except (EOFError, OSError, KeyboardInterrupt):
        _end()
    return errand  # type: ignore[no-any-return]


def _end() -> NoReturn:
    os._exit(0)


def _private(pid: int) -> int:
    """Return the bytes that a process shares with no other, 0 when it has ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            rows = [line.split() for line in file if line.startswith(b"Private_")]
    except OSError:
        return 0
    return sum(int(row[1]) << 10 for row in rows)


def _available() -> int:
    with open("/proc/meminfo", "rb") as file:
        for line in file:
            if line.startswith(b"MemAvailable:"):
                return int(line.split()[1]) << 10
    return 1 << 30
