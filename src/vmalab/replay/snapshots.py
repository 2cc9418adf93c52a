# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the model with a recording's snapshots: checkpoints, final maps, and their counters."""

from typing import final

from vmalab.calls.snapshot import Snapshot, vmas_of
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.include.page import USER_END
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.compare import compare_whole
from vmalab.replay.counters import differing_counters, told
from vmalab.replay.fault_history import FaultHistory
from vmalab.replay.judge import Judge
from vmalab.replay.process_image import ImageState
from vmalab.replay.reasons import FAULT_HISTORY
from vmalab.replay.recorded_faults import apply_faults
from vmalab.replay.report import ReplayFigures
from vmalab.targets.model.exec_image import PREDICTED
from vmalab.targets.model.identity import Mismatch
from vmalab.targets.model.model import ModelTarget


def is_another_space(mm: Mm, lines: Snapshot) -> bool:
    """Return whether a map has nothing of an address space, as after an exec."""
    own = {(int(vma.vm_start), int(vma.vm_end)) for vma in mm_vmas(mm)}
    return own.isdisjoint((line.start, line.end) for line in lines)


def shows_charges(recording: RecordingFiles) -> bool:
    """Return whether maps may come that show what was charged of memory, its faults not being told.

    The images of a recording that goes on may come later.
    """
    images = recording.images.values()
    return recording.meta_path is not None and not (
        images and all(image.has_faults for image in images)
    )


@final
class Snapshots:
    """Compares snapshots, and counts what was the same in an image's figures."""

    def __init__(self, meta: Meta, target: ModelTarget, faults: FaultHistory, judge: Judge) -> None:
        self._meta = meta
        self._target = target
        self._faults = faults
        self._judge = judge

    def checkpoint(self, state: ImageState, figures: ReplayFigures, after: int) -> None:
        """The snapshot after a line of the log."""
        assert state.source is not None
        snapshot = state.source.checkpoint(after)
        if snapshot is None:
            return
        if state.recorded is not None:
            self._judge.steps.catch_up(state, after + 1)
        figures.checkpoints += 1
        if state.finished or state.mm is None:
            return
        apply_faults(state, after + 1, self._target.identities)
        lines = vmas_of(snapshot)
        found = self._compare(state, lines)
        found = self.settle_charges(state, lines, figures, found)
        if found is None:
            figures.checkpoints_identical += 1
        else:
            self._judge.differences.add_map(state, f"checkpoint after line {after}", lines, found)
        self._counters(state, state.mm, figures, f"checkpoint-{after}")

    def first(self, state: ImageState, lines: Snapshot, built: MetaImage | None) -> None:
        """The first map, entered line by line; or built by exec from what `built` says."""
        found = compare_whole(state, lines, self._target.identities)
        if found is not None:
            self._judge.differences.add_map(state, "first map", lines, found)
        if built is not None:
            self._program(state, built, found is None)

    def forked(
        self, state: ImageState, parent: ImageState | None, pid: int, first: Snapshot
    ) -> None:
        """Compare a child's first map with its parent's; report at the fork's return."""
        state.begin_map(first)
        lines = vmas_of(first)
        found = compare_whole(state, lines, self._target.identities)
        if parent is not None and parent.mm is not None and parent.report is not None:
            # A copy shows what its parent's memory was like.
            figures, first_differs = parent.report.figures, found is not None
            found = self.settle_charges(state, lines, figures, found)
            if first_differs and found is None:
                self._faults.settle_charges(parent.mm, lines)
        if found is not None:
            if parent is not None:
                parent.fork_trouble[pid] = found
            self._judge.steps.reshape(state)

    def _program(self, state: ImageState, meta: MetaImage, same: bool) -> None:
        """A program that exec built from its headers begins at the recorded addresses, too."""
        mm = state.mm
        if state.report is None or mm is None:
            return
        wrong = [name for name in PREDICTED if getattr(mm, name) != meta.mm.get(name, -1)]
        recorded = ", ".join(f"{name} {meta.mm.get(name, 0):#x}" for name in wrong)
        found = ", ".join(f"{name} {getattr(mm, name):#x}" for name in wrong)
        if wrong:
            self._judge.differences.add_counters(state, "first map", recorded, found)
        state.report.figures.programs += 1
        state.report.figures.programs_identical += same and not wrong

    def final(self, state: ImageState, mm: Mm, figures: ReplayFigures, line: int) -> str:
        """Return the last snapshot, if there is one. line: of the log, at the image's end.

        Returns: why it could not be compared, as a sentence, or nothing.
        """
        snapshot = None if state.source is None else state.source.final()
        figures.final_vmas = mm.map_count
        if state.recorded is not None:
            self._judge.steps.catch_up(state, line + 1)
            if state.peek_step() is not None:
                # The log ends too early for the last map to be reached.
                return f"{state.name}: its map changes after the end of the log"
        if snapshot is None:
            return ""
        apply_faults(state, line + 1, self._target.identities)
        lines = vmas_of(snapshot)
        found = self._compare(state, lines)
        found = self.settle_charges(state, lines, figures, found)
        if found is not None and state.failed_exec and is_another_space(mm, lines):
            return f"{state.name}: an exec that failed past its point of no return left another map"
        figures.final_identical = found is None
        figures.final_vmas = len(lines)
        if found is not None:
            self._judge.differences.add_map(state, "final map", lines, found)
        self._counters(state, mm, figures, "final")
        return ""

    def last_lines(self, state: ImageState, mm: Mm) -> Snapshot:
        """Return the model's map at the end, and what a recorded one shows beside it (vsyscall)."""
        snapshot = None if state.source is None else state.source.final()
        beyond = [] if snapshot is None else snapshot
        return self._target.lines(mm) + [line for line in beyond if line.start >= USER_END]

    def _compare(self, state: ImageState, lines: Snapshot) -> Mismatch | None:
        pkeys = self._target.machine.config.pkeys
        return compare_whole(state, lines, self._target.identities, pkeys)

    def settle_charges(
        self, state: ImageState, lines: Snapshot, figures: ReplayFigures, found: Mismatch | None
    ) -> Mismatch | None:
        """Where no step tells VmFlags, it is for a later map to show what stayed charged."""
        if state.recorded is not None and self._meta.steps == "smaps":
            return found
        mm = state.mm
        settled = 0 if found is None or mm is None else self._faults.settle_charges(mm, lines)
        if settled == 0:
            return found
        # Calls before a fork are counted where they were made.
        for _ in range(min(settled, figures.predicted, figures.compared)):
            figures.predicted -= 1
            figures.compared -= 1
            figures.adopt(FAULT_HISTORY)
        return self._compare(state, lines)

    def _counters(self, state: ImageState, mm: Mm, figures: ReplayFigures, what: str) -> None:
        """The counters of a snapshot, where the recording has them."""
        recorded = self._meta.counters.get(what)
        if recorded is None or recorded.image != state.name or not recorded.values:
            return
        figures.counters += 1
        names = differing_counters(mm, recorded.values)
        if not names:
            figures.counters_identical += 1
            return
        self._judge.differences.add_counters(
            state, what, told(mm, names, recorded.values), told(mm, names, None)
        )
