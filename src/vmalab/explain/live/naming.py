# SPDX-License-Identifier: GPL-2.0-or-later
"""Names the places that the stacks of a live process lead to, while it runs.

A process of its own reads the files, so that neither the recording nor the replay waits for it.
"""

from contextlib import suppress
from functools import partial
from typing import Final, final

from vmalab.apart import Apart, HasEnded, receive
from vmalab.calls.errors import VmalabError
from vmalab.recording.format.frames import MAX_KNOWN, Frames, parse_frame
from vmalab.recording.tracer.code_places import CodePlaces
from vmalab.recording.tracer.frame_names import Unnamed, name_apart

# Seconds that one file may take.
_ONE_FILE: Final = 20.0


@final
class LiveNames:
    """The names of a recording's places, as they come. names: what is known by now."""

    def __init__(self, places: CodePlaces) -> None:
        self.names: Frames = {}
        self._places = places
        self._asked: dict[str, set[int]] = {}
        self._working: Apart[bytes] | None = None

    def look(self) -> None:
        """Take the names that have come, and ask for those of new places."""
        if self._working is not None:
            if not self._working.pipe.poll():
                return
            with suppress(VmalabError, HasEnded):
                self._learn(receive(self._working.pipe))
            self.close()
        unnamed = self._unnamed()
        if unnamed != Unnamed():
            self._working = Apart(partial(name_apart, unnamed, _ONE_FILE))

    def close(self) -> None:
        """Wait for no more names."""
        if self._working is not None:
            self._working.close()
            self._working = None

    def _new(self, name: str, places: set[int]) -> tuple[int, ...]:
        asked = self._asked.setdefault(name, set())
        new = tuple(sorted(places - asked))
        asked.update(new)
        return new

    def _unnamed(self) -> Unnamed:
        files = tuple(
            (file.path, file.inode, new)
            for file in self._places.files.values()
            if len(file.offsets) > len(self._asked.get(file.path, ()))
            and (new := self._new(file.path, file.offsets))
        )
        own = tuple(
            (code.pid, code.uid, new)
            for code in self._places.own.values()
            if (new := self._new(f"{code.pid}", code.addresses))
        )
        return Unnamed(files, own)

    def _learn(self, lines: bytes) -> None:
        for line in lines.decode("utf-8", "surrogateescape").split("\n"):
            if line and len(self.names) < MAX_KNOWN:
                with suppress(ValueError, RecursionError):
                    frame, names = parse_frame(line)
                    self.names[frame] = names
