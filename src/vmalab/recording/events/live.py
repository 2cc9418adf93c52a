# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording by events that can be read while it is made: events are sorted as they come.

Events are decoded when they are old enough that no earlier one is expected. The process is held
for one moment, at the beginning, and again only where events were lost.
"""

import os
import select
import time
from collections import deque
from contextlib import suppress
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.events import rawfile
from vmalab.recording.events.decode import Decoder
from vmalab.recording.events.flight import FlightPlan, flight_meta, folder_of
from vmalab.recording.events.images import Kernel
from vmalab.recording.events.looks import GAP, LOOK, OVER, Note
from vmalab.recording.events.ordering import LiveOrdering
from vmalab.recording.events.pause import look_at
from vmalab.recording.events.source import Source
from vmalab.recording.format.release import kernel_version
from vmalab.recording.tracer.proc_files import status_of
from vmalab.recording.tracer.recording_writer import Output
from vmalab.recording.tracer.session import command_of

# Nanoseconds that an event waits for earlier ones; and that what a call points to waits for it.
_SETTLED: Final = 50_000_000
_OLD: Final = 10_000_000_000
# Bytes of events that are decoded between two looks, and that may wait at most.
_PORTION: Final = 1 << 18
_MOST_WAITING: Final = 1 << 28


@final
class LiveFlight:
    """One process, and all that it makes, recorded as it runs.

    output: what is written. lost: events that found no room. ended: nothing is left to be recorded.
    """

    def __init__(self, folder: str, source: Source, pid: int) -> None:
        """source: this object's from now on. Errors: ReadError, OutputFailed."""
        self.lost = 0
        self.ended = False
        self._source = source
        self._raw = bytearray()
        # Chunks that have come and are not looked at yet, each with the time before which events
        # are in earlier ones.
        self._waiting: deque[tuple[int, int, bytes]] = deque()
        self._waiting_size = 0
        self._pid = pid
        self._notes: deque[Note] = deque()
        self._missed = 0
        self._drained = time.monotonic_ns()
        meta = flight_meta("events", stacks=source.has_stacks) | {"command": command_of(pid)}
        try:
            self.output = Output(folder, meta)
            self._order = LiveOrdering(self.drain)
            kernel = Kernel(kernel_version(os.uname().release), opens=True)
            plan = FlightPlan(pid, launched=False, folder=folder_of(pid))
            self._decoder = Decoder(b"", self.output, plan, kernel, self._order)
            self._poll = select.poll()
            for ring in source.rings:
                self._poll.register(ring.fd, select.POLLIN)
            self._attach(pid)
        except BaseException:
            source.close()
            raise

    def close(self) -> None:
        """Record nothing more. What was written stays."""
        self._source.close()

    # Looks.

    def _attach(self, pid: int) -> None:
        status_of(pid)
        self._source.follow(pid)
        self._notes.append(Note(GAP, 0, 0, (), {}, b"", 0))
        self._over(self._look(pid))

    def _look(self, pid: int) -> int:
        """Hold a process for a moment, and see how it is. Returns: when. Errors: ReadError."""

        def held() -> None:
            self.drain()
            self._source.look(pid, self.drain)

        look = look_at(self.output, pid, held, last=False)
        note = Note(LOOK, look.when, pid, tuple(look.threads), look.facts, look.smaps, 0)
        self._notes.append(note)
        return look.when

    def _over(self, when: int) -> None:
        self._notes.append(Note(OVER, when, 0, (), {}, b"", 0))

    def _look_again(self, since: int, lost: int) -> None:
        """Events were lost: look at all processes anew."""
        self.lost += lost
        self._notes.append(Note(GAP, since, 0, (), {}, b"", lost))
        when = since
        for pid in self._source.processes():
            with suppress(ReadError):
                when = self._look(pid)
        self._over(when)

    # Events.

    def drain(self) -> None:
        """Take what the rings hold, so that there is room in them; it is decoded later."""
        before, self._drained = self._drained, time.monotonic_ns()

        def take(cpu: int, raw: bytes) -> None:
            self._waiting.append((before, cpu, raw))
            self._waiting_size += len(raw)

        self._source.drain(take)
        if self._waiting_size > _MOST_WAITING:
            size = f"{_MOST_WAITING >> 20} MiB"
            why = f"{size} of events wait: it makes more calls than can be followed"
            raise ReadError(f"/proc/{self._pid}", 0, why)

    @property
    def waiting(self) -> int:
        """Bytes of events that have come and are not decoded yet."""
        return self._waiting_size

    @property
    def waits(self) -> bool:
        """Whether events have come that are not decoded yet."""
        return bool(self._waiting)

    def advance(self, patience: float) -> None:
        """Take what has come, and decode a portion of it. patience: seconds to wait for more.

        Errors: OutputFailed, ReadError.
        """
        if not self._waiting:
            self._poll.poll(1000 * patience)
        since = self._drained
        self.drain()
        missed = self._source.lost()
        if missed > self._missed:
            self._look_again(since, missed - self._missed)
            self._missed = missed
        begin = len(self._raw)
        while self._waiting and len(self._raw) < begin + _PORTION:
            _, cpu, raw = self._waiting.popleft()
            self._waiting_size -= len(raw)
            rawfile.write_chunk(0, self._append, cpu, raw)
        self._decode(begin)
        self.ended = self._source.idle and not self._waiting

    def _append(self, fd: int, raw: bytes) -> int:
        self._raw += raw
        return len(raw)

    def _decode(self, begin: int) -> None:
        """Decode what is ready, with the chunks from `begin` on."""
        whole = self._waiting[0][0] if self._waiting else self._drained
        until = whole - _SETTLED
        self._order.extend(self._raw, begin, until)
        used = self._decoder.go_on(self._raw, self._notes, until)
        gone = self._order.drop(used, until - _OLD)
        if gone:
            del self._raw[:gone]
            self._order.shift(gone)
        self.output.flush()
