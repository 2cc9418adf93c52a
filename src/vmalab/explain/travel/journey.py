# SPDX-License-Identifier: GPL-2.0-or-later
"""The traveller's side: what is known of all moments, and whom to ask about one."""

import socket
import threading
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any, Final, final

from vmalab.apart import Apart
from vmalab.calls.errors import VmalabError
from vmalab.explain.travel.index import MomentIndex
from vmalab.explain.travel.scout import (
    CHECKPOINT,
    DONE,
    FULL,
    MOMENTS,
    MOST_CHECKPOINTS,
    OVER,
    THIN,
    WORK,
    Errand,
    scout,
)
from vmalab.recording.format.stated import Stated

# Seconds that an answer may take.
PATIENCE: Final = 120.0


class Lost(VmalabError):
    """A question that nobody can answer: the process that was to has ended."""


@final
class Journey:
    """A recording that is being travelled in.

    index: the moments that are known so far. over: whether those are all. trouble: why there are no
    more, "" when all is well.
    """

    def __init__(
        self,
        path: str,
        stated: Stated | None = None,
        kernel: str | None = None,
        *,
        work: float = WORK,
        most: int = MOST_CHECKPOINTS,
        errands: str = "",
    ) -> None:
        """work: seconds of work between two checkpoints, at first. most: of them at a time.

        errands: the module that they are of; else each of them has to wait for it to be loaded.
        """
        self.index = MomentIndex()
        self.over = False
        self.trouble = ""
        self._places: list[int] = []
        self._pipes: list[Connection] = []
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._closed = False
        self._begun = threading.Event()
        here, there = socket.socketpair()
        with there:
            known = stated or Stated()
            ahead = partial(scout, path, known, kernel, there.fileno(), work, most, errands)
            self._scout: Apart[object] = Apart(ahead, pass_fds=(there.fileno(),))
        self._home = Connection(here.detach())
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def await_beginning(self, waiting: Callable[[], None]) -> None:
        """Wait for the first moment. waiting: called now and then.

        Errors: VmalabError when there is none, and why.
        """
        while not self._begun.wait(0.1):
            waiting()
        if not len(self.index):
            raise VmalabError(self.trouble or "the log has no usable calls")

    def await_end(self) -> None:
        """Wait until all moments are known."""
        self._reader.join()

    def close(self) -> None:
        """End all processes."""
        if self._closed:
            return
        self._closed = True
        self._scout.stop()
        self._reader.join(PATIENCE)
        with self._asking:
            for pipe in self._pipes:
                pipe.close()
            self._home.close()
        self._scout.close()

    # What comes from the scout.

    def _listen(self) -> None:
        try:
            while not self.over:
                kind, what = self._home.recv()
                self._take(kind, what)
                if len(self.index):
                    self._begun.set()
        except EOFError:
            self.trouble = "the process that replays the recording has ended"
        except OSError as error:
            self.trouble = f"the replay cannot be followed: {error.strerror}"
        finally:
            self.over = True
            self._begun.set()

    def _take(self, kind: str, what: Any) -> None:
        with self._lock:
            if kind == MOMENTS:
                self.index.add(what)
            elif kind == CHECKPOINT:
                self._pipes.append(Connection(recv_handle(self._home)))
                self._places.append(what)
            elif kind == THIN:
                with self._asking:
                    for pipe in self._pipes[1::2]:
                        pipe.close()
                    self._pipes = self._pipes[::2]
                    self._places = self._places[::2]
            elif kind == FULL:
                self.trouble = f"only the first {what} moments are shown"
            elif kind == OVER:
                self.trouble = what or self.trouble
                self.over = True

    # Questions.

    def section(self, at: int) -> tuple[int, int]:
        """Return the moments [first, last] that one checkpoint can answer for, with one of them."""
        with self._lock:
            place = bisect_right(self._places, at)
            first = self._places[place - 1] if place else 0
            last = self._places[place] - 1 if place < len(self._places) else len(self.index) - 1
        return first, max(first, last)

    def ask(self, errand: Errand) -> Any:
        """Return the result of an errand. Errors: Lost."""
        with self._asking:
            place = bisect_right(self._places, errand.first) - 1
            if place < 0 or self._closed:
                raise Lost("nothing is known of that moment")
            pipe = self._pipes[place]
            try:
                pipe.send(errand)
                if not pipe.poll(PATIENCE):
                    raise Lost(f"no answer within {PATIENCE:.0f} seconds")
                kind, result = pipe.recv()
            except (EOFError, OSError):
                raise Lost("the process that was to answer has ended") from None
        if kind != DONE:
            raise Lost(str(result))
        return result
