# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a recording while it is being made: what is on disk can be read at any time.

The log and the steps only grow, by whole lines; meta.json is replaced as a whole, and says until
the end that the recording is not complete. A recorder that is killed leaves what it had written.
"""

import json
import os
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.format.output_folder import Folder, GrowingFile, Write

if TYPE_CHECKING:
    from vmalab.recording.tracer.code_places import CodePlaces

# meta.json is written anew when this many times as long has gone by as writing it took.
_META_SHARE: Final = 30
# Characters of the log that are kept back at most.
_LOG_BUFFER: Final = 1 << 16


class OutputFailed(Exception):
    """The recording cannot be written any more. why: one phrase.

    No OSError: those are what a recorded process that dies makes of looking at it.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@final
class ImageFiles:
    """The folder of one process image. name: "PID.N"."""

    def __init__(self, images: Folder, name: str, write: Write = os.write) -> None:
        """images: the folder of all images. Errors: OutputFailed, here and in all methods."""
        self.name = name
        self._images = images
        self._write = write
        self.size = 0
        self._growing: dict[str, GrowingFile] = {}
        with _failing():
            images.inside(name).close()

    def snapshot(self, name: str, text: bytes) -> None:
        """Write a snapshot: "initial", "final" or "checkpoint-N"."""
        with _failing(), self._images.inside(self.name) as folder:
            folder.replace(f"{name}.smaps", text, self._write)
        self.size += len(text)

    def append(self, name: str, text: bytes) -> None:
        """Add one entry to a file that grows: steps.txt, faults.txt."""
        with _failing():
            file = self._growing.get(name)
            if file is None:
                with self._images.inside(self.name) as folder:
                    file = GrowingFile(folder.growing(name), self._write)
                self._growing[name] = file
            file.append(text, whole=True)
        self.size += len(text)

    def close(self) -> None:
        """The image has ended."""
        for file in self._growing.values():
            file.close()
        self._growing.clear()


@final
class Output:
    """The folder of a recording. lines: complete lines of the log so far."""

    def __init__(self, folder: str, meta: dict[str, object], write: Write = os.write) -> None:
        """Errors: ReadError when the folder holds something, or cannot be written to; the methods
        raise OutputFailed.
        """
        self.folder = folder
        self.meta = meta
        self._write = write
        self.lines = 0
        self.size = 0
        self._places: CodePlaces | None = None
        self._events: list[dict[str, object]] = []
        self._images: dict[str, object] = {}
        meta["events"] = self._events
        meta["images"] = self._images
        meta["complete"] = False
        # Other files that were made in the folder.
        self._beside: list[str] = []
        self._pending: list[str] = []
        self._pending_size = 0
        self._meta_due = 0.0
        self._dirty = False
        # The folders that are ours to remove, the innermost first.
        self._made = _missing(folder)
        self._images_folder: Folder | None = None
        try:
            with _failing():
                self._place = Folder.at(folder)
                self._log = self._new_log()
        except OutputFailed as error:
            self._remove_folder()
            raise self._cannot(error) from None
        try:
            self.write_meta()
        except OutputFailed as error:
            self.discard()
            raise self._cannot(error) from None

    def _cannot(self, error: OutputFailed) -> ReadError:
        return ReadError(self.folder, 0, f"cannot be written: {error.why}")

    def _remove_folder(self) -> None:
        """Remove the folders that this recorder has made, while nothing else is in them."""
        with suppress(OSError):
            for made in self._made:
                os.rmdir(made)

    def _new_log(self) -> GrowingFile:
        """Errors: ReadError: the folder holds something; OSError."""
        if self._place.names():
            raise ReadError(self.folder, 0, "the folder is not empty; a recording needs its own")
        return GrowingFile(self._place.new("calls.strace"), self._write)

    @property
    def places(self) -> "CodePlaces":
        """Where all stacks of the recording lead."""
        if self._places is None:
            # Most recordings have none.
            from vmalab.recording.tracer.code_places import CodePlaces

            self._places = CodePlaces()
        return self._places

    def _close_places(self) -> None:
        if self._places is not None:
            self._places.close()

    def name_places(self, ending: Set[int]) -> None:
        """Write frames.jsonl, if stacks led anywhere. ending: as for `frame_lines`."""
        if self._places is not None:
            from vmalab.recording.tracer.frame_names import frame_lines

            self.frames(frame_lines(self._places, ending))

    # The log.

    def line(self, tid: int, text: str, when: float = 0.0) -> int:
        """Add a line about a thread; its number. when: seconds of the epoch, 0.0 for now."""
        line = f"{tid} {when or time.time():.6f} {text}\n"
        self._pending.append(line)
        self._pending_size += len(line)
        self.lines += 1
        if self._pending_size > _LOG_BUFFER:
            self.flush()
        return self.lines

    def more(self, text: str) -> None:
        """Add lines that are part of the one before: frames of its stack."""
        self.lines += text.count("\n")
        self._pending.append(text)
        self._pending_size += len(text)

    def flush(self) -> None:
        """Write out what was kept back."""
        if self._pending:
            raw = "".join(self._pending).encode("utf-8", "surrogateescape")
            self._pending.clear()
            self._pending_size = 0
            with _failing():
                self._log.append(raw, whole=False)
            self.size += len(raw)
        if self._dirty and time.monotonic() >= self._meta_due:
            self.write_meta()

    def frames(self, text: bytes) -> None:
        """Write the names of the places that stacks lead to; nothing for a recording without."""
        if text:
            with _failing():
                self._place.replace("frames.jsonl", text, self._write)
            self.size += len(text)

    # meta.json.

    def event(self, kind: str, image: str, **numbers: int) -> None:
        """Something happened to a process, after the lines so far."""
        self._events.append({"after_line": self.lines, "event": kind, **numbers, "image": image})
        self._dirty = True

    def count_images(self) -> int:
        """Return how many images there are by now."""
        return len(self._images)

    def image(self, name: str, facts: dict[str, object]) -> ImageFiles:
        """Return a new image, with what meta.json says of it."""
        self._images[name] = facts
        self._dirty = True
        with _failing():
            if self._images_folder is None:
                self._images_folder = self._place.inside("images")
        return ImageFiles(self._images_folder, name, self._write)

    def beside(self, name: str) -> int:
        """Return a new file beside the log, open for writing, which only its owner may read: it may
        have memory of the program.
        """
        with _failing():
            fd = self._place.new(name, 0o600)
        self._beside.append(name)
        return fd

    def rename(self, name: str, new: str) -> None:
        """Give a file beside the log another name."""
        with _failing():
            self._place.rename(name, new)
        self._beside.append(new)

    def remove(self, name: str) -> None:
        """A file beside the log is not needed any more."""
        with suppress(OSError):
            self._place.remove(name)

    def changed(self) -> None:
        """The meta dictionary has changed."""
        self._dirty = True

    def write_meta(self) -> None:
        """Write meta.json as it is now."""
        began = time.monotonic()
        text = json.dumps(self.meta, indent=1) + "\n"
        with _failing():
            self._place.replace("meta.json", text.encode(), self._write)
        self._dirty = False
        now = time.monotonic()
        self._meta_due = now + _META_SHARE * (now - began)

    def discard(self) -> None:
        """Nothing could be recorded: what was made goes, a folder that was there before stays."""
        self._log.close()
        self._close_places()
        for name in ("calls.strace", "meta.json", *self._beside):
            self.remove(name)
        self._remove_folder()

    def close(self) -> None:
        """The recording is complete."""
        self.flush()
        self.meta["complete"] = True
        self.write_meta()
        self._log.close()
        self._close_places()

    def end(self) -> None:
        """The recording of a program is complete; one that has not begun leaves none."""
        self.flush()
        if self._images:
            self.close()
        else:
            self.discard()

    def cut(self, why: str) -> None:
        """The recording ends here, and is not complete: keep what can be kept. Errors: none.

        why: one phrase. `lines` is the number of lines on disk afterwards.
        """
        # Whatever it was that failed, it may fail again.
        with suppress(Exception):
            self.flush()
        self.lines = self._log.lines
        self.meta["complete"] = False
        self.meta["cut"] = why
        with suppress(Exception):
            self.write_meta()
        self._log.close()
        self._close_places()


def _missing(folder: str) -> list[str]:
    """Return which of a folder and those around it are not there, the innermost first."""
    found: list[str] = []
    while folder and not os.path.lexists(folder):
        found.append(folder)
        folder = os.path.dirname(folder.rstrip("/"))
    return found


@contextmanager
def _failing() -> Iterator[None]:
    """What fails in writing a recording is told from what fails in looking at a process."""
    try:
        yield
    except OSError as error:
        raise OutputFailed(error.strerror or str(error)) from None
