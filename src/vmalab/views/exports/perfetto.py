# SPDX-License-Identifier: GPL-2.0-or-later
"""A replay as a Perfetto trace: counters of each process image, calls as slices of their threads.

A trace is a sequence of packets, written while the replay runs. Without times in the log, one
memory call comes a microsecond after the other.
Source: protos/perfetto/trace/perfetto_trace.proto of Perfetto.
"""

from collections.abc import Callable
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.format import call_shape
from vmalab.explain.history.series import call_text
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.types.mm_types import Mm
from vmalab.replay.memory_calls import has_failed
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.views.exports.wire import bytes_field, number_field, text_field
from vmalab.views.visible import visible

# Nanoseconds of a call, which ends before the next one of its thread begins.
_CALL: Final = 1_000
_SEQUENCE: Final = 1

# Fields of TracePacket, TrackDescriptor, TrackEvent, DebugAnnotation.
_PACKET, _TIMESTAMP, _SEQUENCE_ID, _EVENT, _FLAGS, _TRACK = 1, 8, 10, 11, 13, 60
_UUID, _NAME, _PROCESS, _THREAD, _PARENT, _COUNTER = 1, 2, 3, 4, 5, 8
_ANNOTATION, _TYPE, _TRACK_UUID, _CATEGORY, _EVENT_NAME, _VALUE = 4, 9, 11, 22, 23, 30
_BEGIN, _END, _INSTANT, _COUNT = 1, 2, 3, 4
_UNIT_COUNT, _UNIT_BYTES = 2, 3

COUNTERS: Final = (
    ("VMAs", _UNIT_COUNT),
    ("mapped", _UNIT_BYTES),
    ("data", _UNIT_BYTES),
    ("locked", _UNIT_BYTES),
    ("failed calls", _UNIT_COUNT),
)


@final
class PerfettoTrace(Observer):
    """Writes a replay's packets as they come. write: takes them; calls: slices written so far."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.calls = 0
        self._write = write
        self._next = 1
        # By image: its counters' tracks and their last values; failed calls; by thread: its track.
        self._counters: dict[str, list[int]] = {}
        self._values: dict[str, list[int]] = {}
        self._failed: dict[str, int] = {}
        self._threads: dict[tuple[str, int], int] = {}
        self._processes: dict[str, int] = {}
        self._now = 0
        self._first_packet = True

    def began(self, state: ImageState, mm: Mm) -> None:
        """Begin the tracks of an image, and their counters."""
        self._begin(state, mm)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """Begin the tracks of a copy."""
        self._begin(state, mm)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Write the call as a slice, and the counters that it changed."""
        name = state.name
        if name not in self._counters:
            self._begin(state, mm)
        self._advance(call.time)
        track = self._thread(name, call.tid)
        failed = has_failed(call)
        self._failed[name] += failed
        body = (
            number_field(_TYPE, _BEGIN)
            + number_field(_TRACK_UUID, track)
            + text_field(_CATEGORY, "failed" if failed else "memory")
            + text_field(_EVENT_NAME, visible(call_shape(call)))
            + _annotation("call", visible(call_text(call)))
            + _annotation("line", str(call.line))
        )
        if call.stack:
            body += _annotation("stack", visible("; ".join(call.stack)))
        self._event(self._now, body)
        end = number_field(_TYPE, _END) + number_field(_TRACK_UUID, track)
        self._event(self._now + _CALL - 1, end)
        if failed:
            self._event(
                self._now,
                number_field(_TYPE, _INSTANT)
                + number_field(_TRACK_UUID, self._processes[name])
                + text_field(_EVENT_NAME, visible(f"failed: {call_text(call)}")),
            )
        self._count(name, mm)
        self.calls += 1

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """Write the counters that changed without a call."""
        if state.name in self._counters:
            self._count(state.name, mm)

    def _begin(self, state: ImageState, mm: Mm) -> None:
        name = state.name
        track = self._processes[name] = self._uuid()
        pid = int(name.partition(".")[0]) if name.partition(".")[0].isdecimal() else 0
        process = number_field(1, pid) + text_field(6, visible(f"image {name}"))
        self._track(number_field(_UUID, track) + bytes_field(_PROCESS, process))
        self._counters[name] = []
        self._values[name] = [-1] * len(COUNTERS)
        self._failed[name] = 0
        for title, unit in COUNTERS:
            counter = self._uuid()
            self._counters[name].append(counter)
            self._track(
                number_field(_UUID, counter)
                + number_field(_PARENT, track)
                + text_field(_NAME, title)
                + bytes_field(_COUNTER, number_field(3, unit))
            )
        self._count(name, mm)

    def _count(self, name: str, mm: Mm) -> None:
        values = [
            int(mm.map_count),
            int(mm.total_vm) << PAGE_SHIFT,
            int(mm.data_vm) << PAGE_SHIFT,
            int(mm.locked_vm) << PAGE_SHIFT,
            self._failed[name],
        ]
        known = self._values[name]
        for at, value in enumerate(values):
            if value != known[at]:
                known[at] = value
                self._event(
                    self._now,
                    number_field(_TYPE, _COUNT)
                    + number_field(_TRACK_UUID, self._counters[name][at])
                    + number_field(_VALUE, value),
                )

    def _thread(self, image: str, tid: int) -> int:
        track = self._threads.get((image, tid))
        if track is None:
            track = self._threads[(image, tid)] = self._uuid()
            self._track(
                number_field(_UUID, track)
                + number_field(_PARENT, self._processes[image])
                + text_field(_NAME, f"memory calls of thread {tid}")
            )
        return track

    def _advance(self, time: float) -> None:
        """Go on to a call's time (seconds), or by a microsecond; never back."""
        later = int(time * 1_000_000) * 1_000 if time > 0 else 0
        self._now = max(self._now + _CALL, later)

    def _uuid(self) -> int:
        self._next += 1
        return self._next

    def _track(self, descriptor: bytes) -> None:
        self._packet(bytes_field(_TRACK, descriptor))

    def _event(self, when: int, body: bytes) -> None:
        self._packet(number_field(_TIMESTAMP, when) + bytes_field(_EVENT, body))

    def _packet(self, body: bytes) -> None:
        if self._first_packet:
            # What follows needs nothing from before.
            self._first_packet = False
            body += number_field(_FLAGS, 1)
        self._write(bytes_field(_PACKET, body + number_field(_SEQUENCE_ID, _SEQUENCE)))


def _annotation(name: str, text: str) -> bytes:
    return bytes_field(_ANNOTATION, text_field(10, name) + text_field(6, text))
