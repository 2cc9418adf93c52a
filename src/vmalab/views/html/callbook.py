# SPDX-License-Identifier: GPL-2.0-or-later
"""The calls that a page tells of, each once: its line, its thread, its text, its stack.

Thousands of calls differ only in their addresses: a text is kept as a form with gaps and the
addresses that fill them.
"""

import re
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.explain.blame.callsite import Callsites
from vmalab.explain.blame.skipping import Skipping
from vmalab.explain.blame.stack_frames import Frame
from vmalab.explain.history.series import call_text
from vmalab.recording.format.frames import Frames
from vmalab.views.visible import visible

# An address in a text; GAP stands in its place in the form.
_ADDRESS: Final = re.compile(r"0x([0-9a-f]{4,16})(?![0-9a-f])")
GAP: Final = "\x00"
# Frames of a stack that are shown.
MAX_FRAMES: Final = 64


@final
class CallBook:
    """The calls, forms, stacks and frames of one page; number 0 of each is none."""

    def __init__(self, names: Frames | None = None) -> None:
        self._sites = Callsites(names or {}, Skipping())
        self._rows: list[list[object]] = [[0, 0, 0, 0]]
        self._ids: dict[int, int] = {}
        self._kept: list[Call] = []
        self._notes: dict[tuple[int, str], int] = {}
        self._forms: dict[str, int] = {"": 0}
        self._stacks: dict[tuple[int, ...], int] = {(): 0}
        self._stack_ids: dict[tuple[str, ...], int] = {(): 0}
        self._frames: dict[tuple[str, str, str], int] = {("", "", ""): 0}

    def add(self, call: Call | None) -> int:
        """Return the number of a call."""
        if call is None:
            return 0
        at = self._ids.get(id(call))
        if at is None:
            at = self._ids[id(call)] = len(self._rows)
            # Whatever has the number of an object must not be forgotten.
            self._kept.append(call)
            self._rows.append(self._row(call.line, call.tid, call_text(call), self._stack(call)))
        return at

    def note(self, line: int, text: str) -> int:
        """Return the number of a text that stands in the place of a call."""
        key = (line, text)
        at = self._notes.get(key)
        if at is None:
            at = self._notes[key] = len(self._rows)
            self._rows.append(self._row(line, 0, text, 0))
        return at

    def frame(self, name: str, library: str, place: str) -> int:
        """Return the number of a frame."""
        key = (visible(name), visible(library), visible(place))
        return self._frames.setdefault(key, len(self._frames))

    def plain(self) -> dict[str, object]:
        """Return everything as JSON can hold it."""
        return {
            "calls": self._rows,
            "forms": list(self._forms),
            "stacks": [list(stack) for stack in self._stacks],
            "frames": [list(frame) for frame in self._frames],
        }

    def _row(self, line: int, tid: int, text: str, stack: int) -> list[object]:
        shown = visible(text)
        addresses = _ADDRESS.findall(shown)
        form = _ADDRESS.sub(GAP, shown)
        return [line, tid, stack, self._forms.setdefault(form, len(self._forms)), *addresses]

    def _stack(self, call: Call) -> int:
        key = tuple(call.stack or ())
        at = self._stack_ids.get(key)
        if at is None:
            frames = self._sites.stack_of(call).frames[:MAX_FRAMES]
            numbers = tuple(self._frame(frame) for frame in frames)
            at = self._stack_ids[key] = self._stacks.setdefault(numbers, len(self._stacks))
        return at

    def _frame(self, frame: Frame) -> int:
        return self.frame(frame.label or frame.library, frame.library, place_of(frame))


def place_of(frame: Frame) -> str:
    """Return where a function's call is in the source, "" where that is not known."""
    if not frame.source:
        return ""
    return f"{frame.source}:{frame.line}" if frame.line else frame.source
