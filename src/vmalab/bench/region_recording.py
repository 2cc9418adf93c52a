# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes recordings of a log for the benchmarks, as a recorder would have: with faults, with steps.

The log stays as it is. Of each mapping the first page is written to right after it was made. What
the maps are then is the model's word: the recordings are for measuring, not for comparing.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO, final

from vmalab.calls.call import Call
from vmalab.calls.ranges import EVERYWHERE, Ranges
from vmalab.calls.snapshot import Snapshot
from vmalab.linux.include.uapi.mman import PROT_WRITE
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.options import Options
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Replay
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.model import line_of_vma

_META: Final = {
    "format": 1,
    "kernel": {"release": "6.18.0", "machine": "x86_64"},
    "page_size": 4096,
    "recorder": "vmalab",
    "faults": "probed",
}


def _rows(lines: Snapshot) -> Iterator[str]:
    """Yield lines of steps.txt."""
    return (f"{line.text} | {' '.join(line.flags or ())} \n" for line in lines)


def _near(mm: Mm, ranges: Ranges | None) -> Snapshot:
    """Return what maps shows in, or next to, some ranges."""
    found = {
        vma.vm_start: line_of_vma(vma)
        for start, end in ranges or EVERYWHERE
        for vma in vmas_in(mm, start, end)
    }
    return [found[start] for start in sorted(found)]


@final
class _Steps(Observer):
    """Writes what each call changes to steps.txt, and the last map."""

    def __init__(self, steps: TextIO | None, final: Path) -> None:
        """steps: None where only the last map is wanted."""
        self._steps = steps
        self._final = final
        self._starts: list[int] = []
        self._before: Snapshot = []

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Keep the lines near where the call will work."""
        if self._steps is not None:
            self._before = _near(mm, state.touched)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Write what became of them."""
        if self._steps is None:
            return
        old, new = self._before, _near(mm, state.touched)
        while old and new and old[0] == new[0]:
            del old[0], new[0]
        while old and new and old[-1] == new[-1]:
            del old[-1], new[-1]
        if old or new:
            at = bisect_left(self._starts, (old or new)[0].start)
            self._starts[at : at + len(old)] = [line.start for line in new]
            head = f"@{call.line} {call.tid} X {call.name} {at} {len(old)} {len(new)}\n"
            self._steps.writelines((head, *_rows(new)))

    def ended(self, state: ImageState, mm: Mm) -> None:
        """Write the last map."""
        with self._final.open("w", encoding="ascii") as smaps:
            for line in _near(mm, None):
                smaps.write(f"{line.text}\nVmFlags: {' '.join(line.flags or ())} \n")


def write_region_recording(log: Path, folder: Path, *, steps: bool) -> None:
    """Write the recording of a log of one thread that maps at fixed places only.

    Errors: OSError, ReadError.
    """
    calls = [event for event in RecordingFiles(str(log)).log() if isinstance(event, Call)]
    tid = calls[0].tid
    image = folder / "images" / f"{tid}.1"
    image.mkdir(parents=True)
    begin = {"after_line": 0, "event": "exec", "pid": tid, "image": image.name}
    (folder / "meta.json").write_text(json.dumps({**_META, "events": [begin]}), "ascii")
    (folder / "calls.strace").write_text(log.read_text("ascii"), "ascii")
    (image / "initial.smaps").write_text("", "ascii")
    with (image / "faults.txt").open("w", encoding="ascii") as faults:
        for call in calls:
            if call.name == "mmap" and call.args[2] & PROT_WRITE:
                faults.write(f"@{call.line} pages {call.args[0]:x}\n")
    with (folder / "steps.txt").open("w", encoding="ascii") as text:
        writer = _Steps(text if steps else None, image / "final.smaps")
        Replay(RecordingFiles(str(folder)), Options(observers=(writer,))).run()
    made = folder / "steps.txt"
    if steps:
        made.rename(image / made.name)
    else:
        made.unlink()
