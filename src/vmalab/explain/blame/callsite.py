# SPDX-License-Identifier: GPL-2.0-or-later
"""Which place of a program a call belongs to: by its stack where one was recorded, or its form."""

from typing import Final, NamedTuple, final

from vmalab.calls.call import Call
from vmalab.calls.format import call_shape
from vmalab.calls.table import COMMANDS
from vmalab.explain.blame.skipping import Skipping, next_best, way
from vmalab.explain.blame.stack_frames import Frame, frames_of
from vmalab.recording.format.frames import Frames

NO_STACK: Final = "(no stack recorded)"


class Stack(NamedTuple):
    """A call's stack. frames: innermost first. own: the one it is put down to, -1: no frames.

    program: whether that one is the program's own; otherwise all are of libraries.
    """

    frames: tuple[Frame, ...] = ()
    own: int = -1
    program: bool = False

    @property
    def frame(self) -> Frame | None:
        """The frame that the call is put down to."""
        return self.frames[self.own] if self.own >= 0 else None

    def way(self, call: str) -> tuple[str, ...]:
        """Return the functions from there to the call of that name, outermost first."""
        return way(self.frames, max(self.own, 0), call)


EMPTY: Final = Stack()


@final
class Callsites:
    """The places of a recording's calls; equal stacks are taken apart once.

    names: of frames, as the recorder found them.
    """

    def __init__(self, names: Frames, skipping: Skipping) -> None:
        self._names = names
        self._skipping = skipping
        self._known: dict[tuple[str, ...], Stack] = {}

    def stack_of(self, call: Call) -> Stack:
        """Return a call's stack, which is empty where none was recorded."""
        if not call.stack:
            return EMPTY
        key = tuple(call.stack)
        found = self._known.get(key)
        if found is None:
            frames = frames_of(call.stack, self._names)
            own = self._skipping.own(frames)
            found = Stack(frames, own if own >= 0 else next_best(frames), own >= 0)
            self._known[key] = found
        return found

    def site_of(self, call: Call) -> str:
        """Return the place: "libx.so: grow at x.c:12, mprotect(PROT_NONE)", or the form alone."""
        shape = call_shape(call)
        frame = self.stack_of(call).frame
        if frame is None:
            return shape
        place = frame.place
        return f"{frame.library}: {place}, {shape}" if place else f"{frame.library}, {shape}"


def kind_of(call: Call) -> str:
    """Return the call's name, with its purpose where a name has many: "madvise(MADV_DONTNEED)"."""
    if call.row.family & COMMANDS:
        return call_shape(call)
    return call.spelling
