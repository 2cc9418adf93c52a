# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording as a whole: a directory of format 1, or a bare strace log.

Only files of fixed names are opened, none through a symbolic link, and nothing a recording says is
taken for a path. A bare log may be anywhere the user says; all else about it is unknown.
"""

import os
import re
import stat
from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Final

from vmalab.calls.call import Event
from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import Snapshot
from vmalab.patterns import pattern
from vmalab.recording.format.faults import Faults, read_faults
from vmalab.recording.format.frames import Frames, read_frames
from vmalab.recording.format.meta import MAX_IMAGES, Meta, MetaEvent, MetaImage, read_meta
from vmalab.recording.format.stated import Stated
from vmalab.recording.format.steps import Steps, read_steps
from vmalab.recording.readers.column_files import is_columnar
from vmalab.recording.readers.maps import read_snapshot

if TYPE_CHECKING:
    from vmalab.recording.readers.columns import ColumnReader
    from vmalab.recording.readers.log_text import LogText

# Characters shown of what a recording says about its end.
_MAX_WHY: Final = 200
# What a recording's log may be called; the first that is there counts.
LOGS: Final = ("calls.strace", "calls.strace.gz", "calls.parquet", "calls.arrow")

_IMAGE = pattern(r"(\d{1,10})\.(\d{1,10})$", re.ASCII)
_CHECKPOINT = pattern(r"checkpoint-(\d{1,12})\.smaps(?:\.gz)?$", re.ASCII)
# Files of an image besides its checkpoints, each plain or with ".gz".
_FILES: Final = ("initial.smaps", "final.smaps", "steps.txt", "faults.txt")


def is_image_name(name: str) -> bool:
    """Return whether a folder's name is that of a process image: PID.N."""
    return _IMAGE().match(name) is not None


def is_image_file(name: str) -> bool:
    """Return whether a name is one of a file that is read of an image."""
    return _CHECKPOINT().match(name) is not None or name.removesuffix(".gz") in _FILES


class Log:
    """The log of a recording. Each iteration reads it anew, with one batch of lines in memory.

    lines, unparsed, notes: counted so far by the last iteration.
    """

    def __init__(self, path: str, *, follow: bool) -> None:
        self.path = path
        self._follow = follow
        self._reader: LogText | ColumnReader | None = None

    @property
    def lines(self) -> int:
        """Lines read, all kinds."""
        return 0 if self._reader is None else self._reader.lines

    @property
    def unparsed(self) -> int:
        """Lines that could not be understood; each is an `Unparsed` among the events."""
        return 0 if self._reader is None else self._reader.unparsed

    @property
    def notes(self) -> int:
        """Lines that say nothing about calls."""
        return 0 if self._reader is None else self._reader.notes

    @property
    def remark(self) -> str:
        """What was done to the lines before they were read, as a sentence; "" for nothing."""
        return "" if self._reader is None else self._reader.remark

    def __iter__(self) -> Iterator[Event]:
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[Event]]:
        """Yield the events in order, as many at a time as are read at once.

        Errors: ReadError, also for a bare log of another architecture.
        """
        self._reader = reader = self._open()
        return reader.batches()

    def _open(self) -> "LogText | ColumnReader":
        """Return what reads the log; neither reader is loaded in vain."""
        if is_columnar(self.path):
            from vmalab.recording.readers.columns import ColumnReader

            return ColumnReader(self.path, follow=self._follow)
        from vmalab.recording.readers.log_text import LogText

        return LogText(self.path, follow=self._follow)

    def share(self) -> float | None:
        """Return which part has been read, 0 to 1; None where that is not known."""
        return None if self._reader is None else self._reader.share()


class Image:
    """One process image: the life of one mm.

    id: "PID.N", N the number of execs of PID before and with this one (0: made by fork). meta: what
    meta.json says of it. checkpoints: numbers of complete log lines after which a snapshot exists.
    """

    def __init__(self, name: str, path: str | None, meta: MetaImage) -> None:
        pid, _, execs = name.partition(".")
        self.id = name
        self.pid = int(pid)
        self.execs = int(execs)
        self.meta = meta
        self.path = path
        self._files = {} if path is None else _entries(path)
        self.checkpoints = sorted(
            int(match.group(1)) for match in map(_CHECKPOINT().match, self._files) if match
        )

    @property
    def has_steps(self) -> bool:
        """Whether every change of the map was recorded (also when there was none)."""
        return self._file("steps.txt") is not None

    @property
    def has_faults(self) -> bool:
        """Whether page faults were looked for (also when there was none)."""
        return self._file("faults.txt") is not None

    @property
    def files(self) -> dict[str, str]:
        """Name to path of all that is read of the image, of whatever kind that is."""
        return {name: path for name, path in self._files.items() if is_image_file(name)}

    def initial(self) -> Snapshot | None:
        """Return the map when the image began. Errors: ReadError."""
        return self._snapshot("initial.smaps")

    def final(self) -> Snapshot | None:
        """Return the map at the end. Errors: ReadError."""
        return self._snapshot("final.smaps")

    def checkpoint(self, after_line: int) -> Snapshot | None:
        """Return the map after the first `after_line` lines of the log. Errors: ReadError."""
        return self._snapshot(f"checkpoint-{after_line}.smaps")

    def steps(self) -> Steps:
        """Return the changes of the map in order, none when there is no file. Errors: ReadError."""
        path = self._file("steps.txt")
        return Steps(None) if path is None else read_steps(path, follow=False)

    def faults(self) -> Iterator[Faults]:
        """Return what was seen of page faults, in order; none without a file. Errors: ReadError."""
        path = self._file("faults.txt")
        return iter(()) if path is None else read_faults(path, follow=False)

    def _file(self, name: str) -> str | None:
        for candidate in (name, name + ".gz"):
            if candidate in self._files:
                return self._files[candidate]
        return None

    def _snapshot(self, name: str) -> Snapshot | None:
        path = self._file(name)
        return None if path is None else read_snapshot(path, follow=False)


class RecordingFiles:
    """A recording, opened: nothing but meta.json and names of files is read until asked for.

    path: as the user gave it. stated: what the user knows of its machine. meta: defaults where
    there is no meta.json (has_meta is False then). images: by ID, those with a folder or in
    meta.json; empty for a bare log.
    """

    def __init__(
        self, path: str, stated: Stated | None = None, contents: str | None = None
    ) -> None:
        """contents: the folder that has what is read, instead of the path itself.

        Errors: ReadError when there is no log, or meta.json is unusable.
        """
        stated = stated or Stated()
        self.path = path
        if contents is not None:
            path = contents
        self.has_meta = False
        self.meta_path: str | None = None
        self.frames_path: str | None = None
        self.meta = stated.applied_to(Meta())
        self.images: dict[str, Image] = {}
        self._reading: Log | None = None
        if not os.path.isdir(path):
            self._log = path
            self._shown = self.path
            self._follow = True
            _check_log(path)
            return
        self._follow = False
        files = _entries(path)
        log = next((files[name] for name in LOGS if name in files), None)
        if log is None:
            raise ReadError(path, 0, "no recording: neither calls.strace nor calls.strace.gz")
        self._log = self._shown = log
        self.meta_path = files.get("meta.json") or files.get("meta.json.gz")
        if self.meta_path is not None:
            self.meta = stated.applied_to(read_meta(self.meta_path))
            self.has_meta = True
        self.frames_path = files.get("frames.jsonl") or files.get("frames.jsonl.gz")
        self._find_images(os.path.join(path, "images"))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return os.path.basename(os.path.normpath(self.path))

    @property
    def log_path(self) -> str:
        """The log's path, for messages; what the user called it, of one that is kept elsewhere."""
        return self._shown

    @property
    def cut_short(self) -> str:
        """Why the recording is not complete, as a sentence to print; "" when it is."""
        if self.meta.complete is not False:
            return ""
        why = "".join(char if char.isprintable() else "?" for char in self.meta.cut[:_MAX_WHY])
        return f"the recording was cut short: {why or 'the recorder was killed, or still runs'}"

    @property
    def remarks(self) -> list[str]:
        """Return what a reader should know of the recording, a sentence each."""
        found = [self.cut_short] if self.cut_short else []
        if self.meta.lost_events:
            lost = self.meta.lost_events
            found.append(f"{lost} events were lost; each process goes on from its next snapshot")
        return found

    @property
    def checkpoints(self) -> list[tuple[int, str]]:
        """The snapshots on the way: after which line of the log, of which image; latest first."""
        images = self.images.values()
        return sorted(
            ((at, image.id) for image in images for at in image.checkpoints), reverse=True
        )

    # Items of the log that may be read ahead.
    ahead = 512

    def events(self) -> deque[MetaEvent]:
        """Return what happens to processes, the earliest first."""
        return deque(sorted(self.meta.events, key=lambda event: event.after_line))

    def log(self) -> Log:
        """Return the events of the log."""
        self._reading = Log(self._log, follow=self._follow)
        return self._reading

    def share_read(self) -> float | None:
        """Return which part of the log has been read by now, 0 to 1; None where it is not known."""
        return None if self._reading is None else self._reading.share()

    def frames(self) -> Frames:
        """Return what was found out of the frames of stacks, by their text. Errors: ReadError."""
        return {} if self.frames_path is None else read_frames(self.frames_path)

    def image(self, name: str) -> Image | None:
        """Return the image of that ID."""
        return self.images.get(name)

    def _find_images(self, folder: str) -> None:
        found = _folders(folder)
        known = self.meta.images
        for name in sorted(known.keys() | found.keys(), key=_image_order):
            if _IMAGE().match(name) is None:
                raise ReadError(self.path, 0, f"an image called {name[:40]!r}: PID.N expected")
            self.images[name] = Image(name, found.get(name), known.get(name, MetaImage()))


def _image_order(name: str) -> tuple[int, int, str]:
    match = _IMAGE().match(name)
    return (0, 0, name) if match is None else (int(match.group(1)), int(match.group(2)), name)


def _check_log(path: str) -> None:
    """Errors: ReadError when the user's path cannot be a log at all."""
    try:
        os.stat(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ReadError(path, 0, f"cannot open: {why}{_hint(path)}") from None


def _hint(path: str) -> str:
    """Return what to do where nothing is at a path that may be meant for a process."""
    if not (path.isascii() and path.isdecimal()):
        return ""
    return (
        f". This command takes recordings: `vmalab record -p {path[:10]} -o run` makes one of a "
        "process; `why`, `enomem` and `snapshot` take a process"
    )


def _entries(folder: str) -> dict[str, str]:
    """Name to path of what is in a folder, of whatever kind. Errors: ReadError."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.path for entry in entries}
    except OSError as error:
        raise ReadError(folder, 0, f"cannot list: {error.strerror}") from None


def _folders(folder: str) -> dict[str, str]:
    """Name to path of the image folders. Errors: ReadError, for a symbolic link among them too."""
    folders: dict[str, str] = {}
    try:
        mode = os.lstat(folder).st_mode
    except OSError:
        return folders
    if not stat.S_ISDIR(mode):
        raise ReadError(folder, 0, "not a folder (a symbolic link is not followed)")
    for name, path in _entries(folder).items():
        if _IMAGE().match(name) is None:
            continue
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise ReadError(path, 0, "not a folder (a symbolic link is not followed)")
        if len(folders) >= MAX_IMAGES:
            raise ReadError(folder, 0, f"more than {MAX_IMAGES} images")
        folders[name] = path
    return folders
