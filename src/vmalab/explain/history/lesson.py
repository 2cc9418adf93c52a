# SPDX-License-Identifier: GPL-2.0-or-later
"""A small input step by step: which VMAs each call made, changed or removed, and why they are so.

Of each step the VMAs are kept that changed, and a neighbour on each side; between two that touch,
each condition for a merge as the engine sees it after the call.
"""

from dataclasses import dataclass, replace
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.ranges import Range
from vmalab.calls.snapshot import VmaLine
from vmalab.calls.table import FORKS
from vmalab.explain.blame.origin_map import OriginMap
from vmalab.explain.blame.origins import MAPPED, MERGED, MOVED, Origin, Past, Traced
from vmalab.explain.blame.watcher import placed
from vmalab.explain.history.series import call_text
from vmalab.explain.why.place import Condition, place_of_vmas
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.linux.types.mm_types import Mm
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.report import ReplayReport
from vmalab.targets.model.model import line_of_vma

# Steps that are told of.
MAX_STEPS: Final = 200
# VMAs that a step shows.
MAX_ROWS: Final = 24

GONE: Final = "gone"


@dataclass(frozen=True, slots=True)
class LessonVma:
    """One VMA of a drawing. backing: the file with its offset, or anonymous memory.

    what: what the call did to it, "" for nothing; "gone" for one that was there before. parts: of
    those that merged or of which it is a part: (start, end) in bytes.
    """

    line: VmaLine
    backing: str
    what: str
    parts: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Joint:
    """Where two VMAs of a drawing touch. at: the address. conditions: for a merge, as they are."""

    at: int
    conditions: tuple[Condition, ...]

    @property
    def failed(self) -> tuple[Condition, ...]:
        """Those that keep them apart."""
        return tuple(item for item in self.conditions if item.holds is False)

    @property
    def held(self) -> tuple[Condition, ...]:
        """Those that would let them merge."""
        return tuple(item for item in self.conditions if item.holds)


@dataclass(frozen=True, slots=True)
class LessonStep:
    """One call. line: of the input. before, after: the number of VMAs.

    vmas: after it, lowest first, those that are gone among them. joints: between them. note: what
    the model says of it, where that is not what was recorded.
    """

    number: int
    line: int
    call: str
    before: int
    after: int
    vmas: tuple[LessonVma, ...]
    joints: tuple[Joint, ...]
    left_out: int = 0
    note: str = ""


@final
class LessonBook:
    """The steps of one address space."""

    def __init__(self, name: str, mm: Mm) -> None:
        self.name = name
        self.steps: list[LessonStep] = []
        self.count = 0
        self._map = OriginMap(lives=True)
        self._origins = 0
        self._map.begin(mm, self._origin(0, "start", None))

    def _origin(self, line: int, what: str, call: Call | None) -> Origin:
        self._origins += 1
        return Origin(self._origins, line, what, call)

    def note(self, mm: Mm) -> None:
        """Take over what changed without a step."""
        self._map.sync(mm, None, self._origin(0, "no call", None), None, None)

    def step(
        self,
        mm: Mm,
        line: int,
        text: str,
        fresh: Range | None = None,
        moved: Range | None = None,
        note: str = "",
    ) -> None:
        """Add a call that has been made. fresh, moved: see `OriginMap.sync`. note: of the step."""
        self.count += 1
        before = list(self._map.vmas)
        origin = self._origin(line, text, None)
        self._map.sync(mm, None, origin, fresh, moved)
        if len(self.steps) < MAX_STEPS:
            drawn = replace(self._drawn(mm, origin, line, text, before), note=note)
            self.steps.append(drawn if moved is None else _followed(drawn, moved))

    def _drawn(
        self, mm: Mm, origin: Origin, line: int, text: str, before: list[Traced]
    ) -> LessonStep:
        vmas, now = mm_vmas(mm), self._map.vmas
        lines = [line_of_vma(vma) for vma in vmas]
        changed = {at for at, traced in enumerate(now) if _is_of(traced, origin)}
        gone = [old for old in before if not _lives_on(old, now)]
        places = changed | {at for old in gone for at in _beside(old, now)}
        shown = sorted(
            at for at in range(len(now)) if at in places or at - 1 in changed or at + 1 in changed
        )
        rows = [
            (
                lines[at].start,
                LessonVma(lines[at], _backing(lines[at]), *_became(now[at], origin)),
            )
            for at in shown[:MAX_ROWS]
        ]
        rows += [(old.start, LessonVma(*_of_the_past(old, mm), GONE)) for old in gone[:MAX_ROWS]]
        rows.sort(key=lambda row: (row[0], row[1].what != GONE))
        joints = []
        for at in shown[:MAX_ROWS]:
            if at and at - 1 in shown and lines[at - 1].end == lines[at].start:
                place = place_of_vmas(mm, vmas, lines, lines[at].start)
                meeting = next(one for one in place.meetings if one.upper.start == lines[at].start)
                joints.append(Joint(lines[at].start, meeting.conditions))
        left_out = max(0, len(shown) - MAX_ROWS) + max(0, len(gone) - MAX_ROWS)
        return LessonStep(
            self.count,
            line,
            text,
            len(before),
            len(now),
            tuple(row for _, row in rows),
            tuple(joints),
            left_out,
        )


@final
class Lesson(Observer):
    """Follows a replay; `books` has each image's steps."""

    def __init__(self) -> None:
        self.books: dict[str, LessonBook] = {}

    def began(self, state: ImageState, mm: Mm) -> None:
        """Begin an image's steps."""
        self.books[state.name] = LessonBook(state.name, mm)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """Begin a copy's steps."""
        self.books[state.name] = LessonBook(state.name, mm)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Add a call."""
        book = self.books.get(state.name)
        if book is None:
            book = self.books[state.name] = LessonBook(state.name, mm)
        if call.row.family & FORKS:
            return
        fresh, moved = placed(call)
        note = f"taken as recorded: what decides it is not known ({reason})" if reason else ""
        book.step(mm, call.line, call_text(call), fresh, moved, note)

    def mark(self, report: ReplayReport) -> None:
        """Say of each step that was not as recorded what the model answers."""
        answers = {one.line: one.predicted for one in report.differences if one.call_index >= 0}
        for book in self.books.values():
            book.steps = [
                replace(step, note=f"not as recorded: the model answers {answers[step.line]}")
                if step.line in answers
                else step
                for step in book.steps
            ]

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """Take over what came without a call."""
        if state.name in self.books:
            self.books[state.name].note(mm)


def _followed(step: LessonStep, moved: Range) -> LessonStep:
    """Return a step in which what was moved is not new. moved: from where, to where."""
    source, target = moved
    vmas = tuple(
        replace(vma, what=MOVED, parts=((source, source + vma.line.end - target),))
        if vma.what == MAPPED and vma.line.start == target
        else vma
        for vma in step.vmas
    )
    return replace(step, vmas=vmas)


def _is_of(traced: Traced, origin: Origin) -> bool:
    return traced.past is not None and traced.past.origin is origin


def _lives_on(old: Traced, now: list[Traced]) -> bool:
    """Return whether a VMA is there still, or part of one that is."""
    for traced in now:
        if traced is old:
            return True
        past = traced.past
        if past is not None and old.past is not None and old.past in _before(past):
            return True
    return False


def _before(past: Past) -> tuple[Past | None, ...]:
    return (past, *past.before)


def _beside(old: Traced, now: list[Traced]) -> set[int]:
    """Return the places of the VMAs next to where one was."""
    return {
        at for at, traced in enumerate(now) if traced.end == old.start or traced.start == old.end
    }


def _became(traced: Traced, origin: Origin) -> tuple[str, tuple[Range, ...]]:
    """Return what a call did to a VMA, and what of before it is made of."""
    past = traced.past
    if past is None or past.origin is not origin:
        return "", ()
    parts = tuple(one.span for one in past.before if one is not None)
    if len(parts) == 1 and parts[0][0] != traced.start:
        # What was moved by less than its length overlaps where it was.
        start, end = parts[0]
        if end - start == traced.end - traced.start:
            return MOVED, parts
    if len(parts) > 1:
        return MERGED, parts
    if past.what == MOVED or parts != ((int(traced.start), int(traced.end)),):
        return past.what, parts
    return past.what, ()


def _of_the_past(old: Traced, mm: Mm) -> tuple[VmaLine, str]:
    """Return the line of a VMA that is gone, and what it was of."""
    name = old.file.path if old.file is not None else old.label or old.name or ""
    line = VmaLine(
        old.start, old.end, vma_perms(old.flags), 0, "00:00", 0, name, vm_flag_letters(old.flags)
    )
    return line, name or "anonymous"


def _backing(line: VmaLine) -> str:
    """Return what a VMA is of: "libc.so.6 + 38 pages", "[heap]", "anonymous"."""
    if not line.name and not line.inode:
        return "anonymous"
    name = line.name.rpartition("/")[2] or line.name or "a file"
    if not line.inode:
        return name
    return f"{name} + {line.pgoff >> PAGE_SHIFT} pages" if line.pgoff else name
