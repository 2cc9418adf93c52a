# SPDX-License-Identifier: GPL-2.0-or-later
"""What was recorded, for programs."""

from typing import TYPE_CHECKING, TypedDict

from vmalab.recording.tracer.summary import Summary

if TYPE_CHECKING:
    # Who records by events does without: it takes a tenth of a second.
    from vmalab.recording.tracer.session import Taken


class RecordAnswer(TypedDict):
    """One recording. lines: of its log. bytes: of the whole. exit_status: as of the program's own
    exit, 128 + N for signal N; null when it was attached to. cut: why the recording ended before
    its time, null when it did not. faults: "probed" where it holds which memory was touched.
    tracer: "events" or "ptrace".
    """

    recording: str
    lines: int
    images: int
    bytes: int
    exit_status: int | None
    cut: str | None
    faults: str
    tracer: str
    seconds: float


class SnapshotAnswer(TypedDict):
    """A snapshot of a process. vmas: without the vsyscall page."""

    recording: str
    image: str
    vmas: int


def record_answer(summary: Summary) -> RecordAnswer:
    """Return what a recording holds."""
    return {
        "recording": summary.folder,
        "lines": summary.lines,
        "images": summary.images,
        "bytes": summary.size,
        "exit_status": summary.status,
        "cut": summary.cut or None,
        "faults": "probed" if summary.probed else "unknown",
        "tracer": summary.tracer,
        "seconds": round(summary.seconds, 3),
    }


def snapshot_answer(taken: "Taken") -> SnapshotAnswer:
    """Return what a snapshot holds."""
    return {"recording": taken.folder, "image": taken.image, "vmas": taken.vmas}
