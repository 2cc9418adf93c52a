# SPDX-License-Identifier: GPL-2.0-or-later
"""One process image under replay: its recorded map, the steps still to come, its figures."""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.calls.ranges import Ranges
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.faults import Faults
from vmalab.recording.format.recording import Image
from vmalab.recording.format.steps import Step, Steps
from vmalab.replay.memory_calls import ranges_of
from vmalab.replay.recorded_map import RecordedMap
from vmalab.replay.report import ImageReport
from vmalab.targets.model.identity import Mismatch

# Calls between two comparisons of the whole map.
WHOLE_EVERY: Final = 256
# After the whole log: the largest number that is compared as fast as a small one.
_END: Final = (1 << 62) - 1
# Recorded maps in a row that may be torn before the model gives in.
MAX_TORN: Final = 4


@final
class ImageState:
    """An image as far as the replay has come.

    report: None for an image that the recording does not hold; such a one is followed without
    being compared. recorded: None without steps, or when no first map is known. touched: what the
    call at hand may change, `[start, end)` in bytes, as it was known before the call; None:
    anything.
    """

    def __init__(
        self, name: str, mm: Mm | None, source: Image | None, report: ImageReport | None
    ) -> None:
        self.name = name
        self.mm = mm
        self.source = source
        self.report = report
        self.recorded: RecordedMap | None = None
        self._touched: Ranges | None = None
        # The call at hand, where what it may change has not been asked for as yet.
        self._at_hand: Call | None = None
        # Whether every VMA is known: not so for a bare log.
        self.known_layout = False
        # Whether it is known where the area for mappings begins: not so for a static program that
        # nothing is mapped for at first.
        self.known_base = True
        # Whether the last call was an exec that failed.
        self.failed_exec = False
        self.finished = False
        # What the call at hand answered: by the log, or else by the model.
        self.answer = 0
        # The next map that is known, and the line of the log after which it was read.
        self._map_after: tuple[int, RecordedMap] | None = None
        self.since_whole = 0
        # How many times in a row the recorded map was not to be explained; it may have been torn:
        # read while other threads changed it.
        self.torn = 0
        # More than one thread has used the address space at a time.
        self.shared = False
        # Children whose first map was not as recorded, by pid.
        self.fork_trouble: dict[int, Mismatch] = {}
        # The last line on which a call ended, by thread.
        self._last_lines: dict[int, int] = {}
        self._steps = Steps(None) if source is None else source.steps()
        self._next: Step | None = None
        self._faults = iter(()) if source is None else source.faults()
        self._next_faults: Faults | None = None
        # The line of the log after which the next is known that was seen of faults.
        self.faults_after = 0 if source is not None and source.has_faults else _END

    @property
    def touched(self) -> Ranges | None:
        """What the call at hand may change."""
        call = self._at_hand
        if call is not None:
            self._at_hand = None
            self._touched = ranges_of(call)
        return self._touched

    @touched.setter
    def touched(self, touched: Ranges | None) -> None:
        self._at_hand = None
        self._touched = touched

    def touch_range(self, call: Call) -> None:
        """A call is at hand that may change no more than its range, and where it has mapped."""
        self._at_hand = call

    @property
    def has_steps(self) -> bool:
        """Whether every change of the map was recorded."""
        return self.source is not None and self.source.has_steps

    def begin_map(self, first: Snapshot) -> None:
        """The first map is as recorded; steps change it from here on."""
        self.known_layout = True
        if self.has_steps:
            self.recorded = RecordedMap(first)

    def peek_step(self) -> Step | None:
        """Return the next step. Errors: ReadError."""
        if self._next is None and self.recorded is not None:
            self._next = self._steps.next()
        return self._next

    def take_step(self) -> None:
        """The step that was peeked at has been dealt with."""
        self._next = None

    def line_after(self, line: int, addr: int) -> VmaLine | None:
        """Return the line that holds an address (bytes) in the next map after a line of the log.

        Errors: ReadError.
        """
        if self.recorded is not None:
            return self.recorded.covering(addr)
        if self.source is None:
            return None
        after = next((after for after in self.source.checkpoints if after >= line), _END)
        if self._map_after is None or self._map_after[0] != after:
            found = self.source.final() if after == _END else self.source.checkpoint(after)
            self._map_after = (after, RecordedMap(found or []))
        return self._map_after[1].covering(addr)

    def next_faults(self, line: int) -> Faults | None:
        """Return the next of what was seen of faults before a line of the log.

        Errors: ReadError.
        """
        fact = self._next_faults
        if fact is None:
            fact = next(self._faults, None)
        if fact is None or fact.line >= line:
            self._next_faults = fact
            self.faults_after = _END if fact is None else fact.line
            return None
        self._next_faults = None
        return fact

    def tear(self) -> bool:
        """The recorded map cannot be explained: whether it may be torn, and the next one not."""
        self.torn += 1
        overlaps = self.recorded is not None and self.recorded.overlaps()
        if self.shared and (overlaps or self.torn <= MAX_TORN):
            self.since_whole = WHOLE_EVERY
            return True
        self.torn = 0
        return False

    def unusable_steps(self, why: str) -> ReadError:
        """Return the error to raise for steps that do not fit their map."""
        path = self.name if self.source is None or self.source.path is None else self.source.path
        return ReadError(path, 0, f"steps.txt: {why}")

    def note_call(self, tid: int, line: int) -> None:
        """A call of a thread has ended on a line. For calls of threads that share the image."""
        self._last_lines[tid] = max(line, self._last_lines.get(tid, 0))

    def last_other_line(self, tid: int) -> int:
        """Return the last line on which a call of another thread ended."""
        return max([line for other, line in self._last_lines.items() if other != tid], default=0)

    def let_go(self) -> None:
        """The image has ended: its maps are not needed any more, its report is."""
        self.finished = True
        self.mm = None
        self.recorded = None
        self._map_after = None
        self._next = None
        self._steps = Steps(None)
