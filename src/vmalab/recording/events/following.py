# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording that is still being made, as a replay reads it: what has come so far, and the rest.

Its log, the events of its processes and what is seen of faults grow while they are read.
"""

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, final

from vmalab.calls.call import Event
from vmalab.recording.events.live import LiveFlight
from vmalab.recording.format.faults import Faults, parse_fault
from vmalab.recording.format.meta import MetaEvent, MetaImage, parse_meta
from vmalab.recording.format.recording import Image, Log, RecordingFiles
from vmalab.recording.readers.strace import StraceReader

# Seconds to wait for events.
_PATIENCE: Final = 0.1
# Calls between two looks at the rings.
_DRAIN_EVERY: Final = 256
# Bytes of the log at which it ends.
MAX_LOG: Final = 1 << 30


class _Tail:
    """The lines of a file that grows, those that are whole."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0
        self._fd = -1

    def lines(self) -> list[str]:
        """Return the lines that are new."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return []
        parts = []
        at = self._at
        while part := os.pread(self._fd, 1 << 18, at):
            parts.append(part)
            at += len(part)
        raw = b"".join(parts)
        end = raw.rfind(b"\n") + 1
        self._at += end
        return raw[:end].decode("utf-8", "surrogateescape").split("\n")[:-1]

    def close(self) -> None:
        """Read no more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _GrowingFaults:
    """What is seen of faults, as it comes; its end is only the end so far."""

    def __init__(self, path: str) -> None:
        self._tail = _Tail(path)
        self._path = path
        self._known: deque[Faults] = deque()
        self._count = 0

    def __iter__(self) -> "Iterator[Faults]":
        return self

    def __next__(self) -> Faults:
        if not self._known:
            for line in self._tail.lines():
                self._count += 1
                self._known.append(parse_fault(self._path, self._count, line))
        if not self._known:
            self._tail.close()
            raise StopIteration
        return self._known.popleft()


@final
class GrowingImage(Image):
    """An image whose files are still being written."""

    def faults(self) -> Iterator[Faults]:
        """Return what is seen of page faults, as it comes."""
        return _GrowingFaults(os.path.join(self.path or "", "faults.txt"))


@final
class GrowingLog(Log):
    """The log, as it is written. tick: called now and then, also when there is nothing new."""

    def __init__(self, following: "Following", tick: Callable[[], None]) -> None:
        super().__init__(following.log_path, follow=False)
        self._following = following
        self._tick = tick

    def batches(self) -> Iterator[list[Event]]:
        """Yield the events in order, as they come."""
        following = self._following
        flight = following.flight
        reader = StraceReader()
        tail = _Tail(self.path)
        while not following.over:
            flight.advance(_PATIENCE)
            following.learn()
            for line in tail.lines():
                reader.feed(line)
            events = reader.take()
            for at in range(0, len(events), _DRAIN_EVERY):
                following.waits = flight.waits or at + _DRAIN_EVERY < len(events)
                flight.drain()
                self._tick()
                yield events[at : at + _DRAIN_EVERY]
            following.waits = flight.waits
            self._tick()
        reader.finish()
        yield reader.take()
        tail.close()


@final
class Following(RecordingFiles):
    """The recording of a flight that goes on. over: it is to end now.

    waits: whether there are calls that the reader has not taken yet.
    """

    ahead = 0

    def __init__(self, flight: LiveFlight, tick: Callable[[], None]) -> None:
        """Errors: ReadError, OutputFailed."""
        self.flight = flight
        self._tick = tick
        self._stopped = False
        self.waits = False
        self._known = 0
        while not flight.output.count_images():
            flight.advance(_PATIENCE)
        flight.output.write_meta()
        super().__init__(flight.output.folder)
        self.images.clear()
        self._queue: deque[MetaEvent] = deque()
        self.learn()

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self._stopped or self.flight.ended or self.flight.output.size > MAX_LOG

    def stop(self) -> None:
        """End the recording."""
        self._stopped = True

    def log(self) -> Log:
        """Return the log, which grows while it is read."""
        return GrowingLog(self, self._tick)

    def events(self) -> deque[MetaEvent]:
        """Return what happens to processes; it grows while it is read."""
        return self._queue

    def learn(self) -> None:
        """Take over what meta.json would have by now."""
        meta = self.flight.output.meta
        events: Any = meta["events"]
        images: Any = meta["images"]
        new = events[self._known :]
        self._known += len(new)
        for event in new:
            name = event["image"]
            if name not in self.images and name in images:
                folder = os.path.join(self.flight.output.folder, "images", name)
                self.images[name] = GrowingImage(name, folder, _image_of(name, images[name]))
        self._queue.extend(_event_of(event) for event in new)


def _image_of(name: str, facts: object) -> MetaImage:
    raw = json.dumps({"images": {name: facts}}).encode()
    return parse_meta(raw, name).images[name]


def _event_of(event: dict[str, Any]) -> MetaEvent:
    return parse_meta(json.dumps({"events": [event]}).encode(), "events").events[0]
