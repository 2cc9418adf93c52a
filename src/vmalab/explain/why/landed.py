# SPDX-License-Identifier: GPL-2.0-or-later
"""Why the mapping of a recorded call landed where it did."""

from typing import final

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.explain.why.landing import Landing, Wanted, landing_of
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.linux.types.file import File
from vmalab.linux.types.files import fget
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport


@final
class _Taker(Observer):
    """Takes the mmap of a line of the log just before it is made."""

    def __init__(self, line: int) -> None:
        self._line = line
        self.call: Call | None = None
        self.landing: Landing | None = None

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Ask where the call's mapping would land."""
        if call.line != self._line:
            return
        self.call = call
        if call.name == "mmap":
            self.landing = landing_of(mm, _wanted(mm, call))


def landed(
    recording: RecordingFiles, options: Options, line: int
) -> tuple[Call, Landing, ReplayReport]:
    """Return the call of a line of the log, and why it landed there.

    Errors: ReadError, also where the line has no mmap.
    """
    taker = _Taker(line)
    report = Replay(
        recording, options._replace(observers=(*options.observers, taker), until=line)
    ).run()
    if taker.call is None or taker.landing is None:
        raise ReadError(recording.log_path, line, "no mmap that was replayed")
    return taker.call, taker.landing, report


def _wanted(mm: Mm, call: Call) -> Wanted:
    """Return what a call of mmap asks for. A file that is not known counts as anonymous memory."""
    hint, length, _, flags, fd, offset = call.args
    file: File | None = None
    if flags & MAP_ANONYMOUS == 0 and mm.owner is not None and 0 <= fd < 1 << 31:
        file = fget(mm.owner.files, fd)
    kind = ""
    if file is not None and file.inode.i_sb is not None:
        kind = file.inode.i_sb.s_type
    return Wanted(length, hint, flags, file, offset >> 12, kind)
