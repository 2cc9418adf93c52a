# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal's side of watching one process: what came last, and how to ask for more."""

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from typing import Final, final

from vmalab.apart import Apart
from vmalab.explain.live.watching import OVER, SAVED, STATE, LiveState, watch

# Seconds that the watching process has to end in.
_PATIENCE: Final = 10.0


@final
class Attached:
    """A process that is being watched. state: the latest. said: an answer that is to be shown.

    over: nothing more comes; why: for what reason, "" when the process has ended.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.state: LiveState | None = None
        self.said = ""
        self.over = False
        self.why = ""
        self._begun = threading.Event()
        self._folder = tempfile.mkdtemp(prefix="vmalab-")
        here, there = socket.socketpair()
        with there:
            folder = os.path.join(self._folder, "recording")
            work = partial(watch, pid, folder, there.fileno())
            self._process: Apart[object] = Apart(work, pass_fds=(there.fileno(),))
        self._home = Connection(here.detach())
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def await_beginning(self, waiting: Callable[[], None]) -> None:
        """Wait until something is known, or never will be. waiting: called now and then."""
        while self.state is None and not self.over:
            self._begun.wait(0.1)
            waiting()

    def save(self, target: str) -> bool:
        """Ask for the recording so far in a new folder. Returns: whether anybody can do that."""
        if self.over:
            return False
        try:
            self._home.send(target)
        except OSError:
            return False
        return True

    def _listen(self) -> None:
        while not self.over:
            try:
                kind, what = self._home.recv()
            except (EOFError, OSError):
                kind, what = OVER, "the process that watches has ended"
            if kind == STATE:
                self.state = what
                self._begun.set()
            elif kind == SAVED:
                self.said = what
            elif kind == OVER:
                self.why = what
                self.over = True
                self._begun.set()

    def close(self) -> None:
        """Watch no more."""
        self._process.stop()
        self._reader.join(_PATIENCE)
        self._home.close()
        self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)
