# SPDX-License-Identifier: GPL-2.0-or-later
"""What a replay found: figures, differences, the story. Filled by the replay, printed by views."""

from collections.abc import Sequence
from typing import Final, NamedTuple, final

from vmalab.calls.call import Call
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.linux.include.feature import Version
from vmalab.recording.readers.paste import OF_A_MAP
from vmalab.targets.model.versions import standing

# Differences that are kept with their surroundings; all are counted.
MAX_DIFFERENCES: Final = 100
# Failed calls and notes that a story keeps.
MAX_TOLD: Final = 200


class Difference(NamedTuple):
    """One call whose result, or whose map, is not as recorded.

    call_index: of the call among the recording's memory calls, from 0. line: of the log. recorded,
    predicted: what a tracer would print, or a sentence about the map. around_*: VMAs near there.
    marked_*: which of those lines the other side does not have. at: where the map differs first,
    bytes, -1 where it does not; what: differs there, detail: and how. cause: what could be the
    cause, where nothing else differs, "" elsewhere.
    """

    call_index: int
    line: int
    image: str
    call: str
    recorded: str
    predicted: str
    around_recorded: Sequence[VmaLine] = ()
    around_predicted: Sequence[VmaLine] = ()
    marked_recorded: frozenset[int] = frozenset()
    marked_predicted: frozenset[int] = frozenset()
    at: int = -1
    what: str = ""
    detail: str = ""
    cause: str = ""


class Complaint(NamedTuple):
    """Something in the input that cannot be used: where (`path:line`) and why.

    last: the line up to which it goes, where several are one thing; 0 where there is one.
    """

    path: str
    line: int
    why: str
    last: int = 0

    @property
    def text(self) -> str:
        """`path:line: why`."""
        return f"{self.path}:{self.line}: {self.why}" if self.line else f"{self.path}: {self.why}"

    def of_map_up_to(self, line: int) -> "Complaint":
        """Return what this complaint of a line of a memory map is where the map goes on."""
        why = f"a memory map, up to line {line}: `vmalab why` reads it from a file of its own"
        return Complaint(self.path, self.line, why, line)


# What `ReplayFigures` counts, and whether the last map is identical.
NUMBERS: Final = (
    "calls",
    "memory_calls",
    "compared",
    "supposed",
    "predicted",
    "adopted",
    "differ",
    "steps",
    "steps_identical",
    "checkpoints",
    "checkpoints_identical",
    "counters",
    "counters_identical",
    "programs",
    "programs_identical",
    "final_vmas",
    "final_identical",
)


@final
class ReplayFigures:
    """The numbers of one process image, or their sums over a recording.

    predicted + adopted + differ = memory_calls, always.
    """

    __slots__ = (*NUMBERS, "adopted_reasons")

    def __init__(self) -> None:
        self.calls = 0
        self.memory_calls = 0
        # Memory calls whose result is in the log and was compared, not adopted.
        self.compared = 0
        # What a process is supposed to have done before the recording began.
        self.supposed = 0
        self.predicted = 0
        self.adopted = 0
        self.differ = 0
        self.steps = 0
        self.steps_identical = 0
        self.checkpoints = 0
        self.checkpoints_identical = 0
        self.counters = 0
        self.counters_identical = 0
        # Images whose first map was built from the headers of their program.
        self.programs = 0
        self.programs_identical = 0
        self.final_vmas = 0
        # None: there was no final map to compare with.
        self.final_identical: bool | None = None
        self.adopted_reasons: dict[str, int] = {}

    def judged(self, call: Call, reason: str | None) -> None:
        """Count one memory call by how it ended: see `Observer.after`."""
        if call.ret is not None and not reason:
            self.compared += 1
        if reason is None:
            self.predicted += 1
        elif reason:
            self.adopt(reason)
        else:
            self.differ += 1

    def adopt(self, reason: str) -> None:
        """Count one adopted call."""
        self.adopted += 1
        self.adopted_reasons[reason] = self.adopted_reasons.get(reason, 0) + 1

    def add(self, other: "ReplayFigures") -> None:
        """Add another image's figures to these sums."""
        self.calls += other.calls
        self.memory_calls += other.memory_calls
        self.compared += other.compared
        self.supposed += other.supposed
        self.predicted += other.predicted
        self.adopted += other.adopted
        self.differ += other.differ
        self.steps += other.steps
        self.steps_identical += other.steps_identical
        self.checkpoints += other.checkpoints
        self.checkpoints_identical += other.checkpoints_identical
        self.counters += other.counters
        self.counters_identical += other.counters_identical
        self.programs += other.programs
        self.programs_identical += other.programs_identical
        self.final_vmas += other.final_vmas
        if other.final_identical is not None:
            self.final_identical = self.final_identical is not False and other.final_identical
        for reason, count in other.adopted_reasons.items():
            self.adopted_reasons[reason] = self.adopted_reasons.get(reason, 0) + count

    @property
    def maps(self) -> int:
        """How many maps were compared: of steps, checkpoints, programs, and the last one."""
        last = int(self.final_identical is not None)
        return self.steps + self.checkpoints + self.programs + last

    @property
    def identical(self) -> bool:
        """Whether every result, map and counter that could be compared was as recorded."""
        return (
            self.differ == 0
            and self.steps_identical == self.steps
            and self.checkpoints_identical == self.checkpoints
            and self.counters_identical == self.counters
            and self.programs_identical == self.programs
            and self.final_identical is not False
        )


@final
class Story:
    """What happened to VMAs on the way: how often, and which calls failed.

    merged, split: VMAs that became one with a neighbour, or two. made, gone: mapped and unmapped.
    failed: (line, call as printed, errno name), the first ones; failures: count by (name, errno).
    most_vmas: the largest number at once, after the call on line `most_at`.
    """

    def __init__(self) -> None:
        self.merged: dict[str, int] = {}
        self.split: dict[str, int] = {}
        self.made: dict[str, int] = {}
        self.gone: dict[str, int] = {}
        self.failures: dict[tuple[str, str], int] = {}
        self.failed: list[tuple[int, str, str]] = []
        self.most_vmas = 0
        self.most_at = 0

    def fail(self, call: Call, text: str, errno_name: str) -> None:
        """Note a call that failed, as the kernel said it would."""
        key = (call.spelling, errno_name)
        self.failures[key] = self.failures.get(key, 0) + 1
        if len(self.failed) < MAX_TOLD:
            self.failed.append((call.line, text, errno_name))


@final
class ImageReport:
    """One process image: its figures and its last map."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.figures = ReplayFigures()
        self.final: Snapshot = []


@final
class ReplayReport:
    """A whole recording.

    kernel: the version the model behaved as, "6.18". recorded_kernel: the recording's release, ""
    when not known. seconds: of wall clock. notes: what a reader should know, a sentence each.
    supposed: what a process did before the recording began, as that fits only so.
    """

    def __init__(self, path: str, kernel: str) -> None:
        self.path = path
        self.kernel = kernel
        self.recorded_kernel = ""
        self.seconds = 0.0
        self.unparsed = 0
        # Calls in the log, also of images that the recording does not hold.
        self.calls_seen = 0
        # The last line of the log that says something; None while that has not been reached.
        self.last_line: int | None = None
        self.total = ReplayFigures()
        self.images: dict[str, ImageReport] = {}
        self.differences: list[Difference] = []
        # Snapshots that were not as recorded.
        self.map_differences = 0
        self.complaints: list[Complaint] = []
        self.complaints_left_out = 0
        self.notes: list[str] = []
        self.supposed: list[str] = []
        self.story = Story()
        self.stopped = False

    @property
    def identical(self) -> bool:
        """Whether every result and every map was as recorded."""
        return self.total.identical and self.map_differences == 0

    @property
    def compared_nothing(self) -> bool:
        """Whether the log held no result, and there was no map: then nothing was shown."""
        return self.identical and not self.total.compared and not self.total.maps

    def image(self, name: str) -> ImageReport:
        """Return the report of an image, made when it is the first time."""
        report = self.images.get(name)
        if report is None:
            report = self.images[name] = ImageReport(name)
        return report

    def note_kernel(self, version: Version) -> None:
        """Note where the kernel that was recorded stands, when it has no profile."""
        where = standing(version)
        if where:
            self.notes.append(f"recorded on Linux {version[0]}.{version[1]}: {where}")

    def complain(self, complaint: Complaint) -> None:
        """Note something unusable; the first hundred are kept, all are counted.

        Lines of a memory map, one after the other, are one thing.
        """
        if complaint.why == OF_A_MAP:
            before = self.complaints[-1] if self.complaints else None
            if before is not None and 0 < before.last == complaint.line - 1:
                self.complaints[-1] = before.of_map_up_to(complaint.line)
                return
            complaint = complaint._replace(last=complaint.line)
        if len(self.complaints) < MAX_DIFFERENCES:
            self.complaints.append(complaint)
        else:
            self.complaints_left_out += 1
