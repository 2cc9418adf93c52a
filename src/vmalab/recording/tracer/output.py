# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a recording while it is being made: what is on disk can be read at any time.

The log and the steps only grow, by whole lines; meta.json is replaced as a whole, and says until
the end that the recording is not complete. A recorder that is killed leaves what it had written.
"""

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.tracer.symbols import Symbols

# meta.json is written anew when this many times as long has gone by as writing it took.
_META_SHARE: Final = 30
# Characters of the log that are kept back at most.
_LOG_BUFFER: Final = 1 << 16

# Writes some of the bytes to a descriptor: how many. os.write, or what a test puts in its place.
Write = Callable[[int, bytes], int]


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

    def __init__(self, folder: str, name: str, write: Write = os.write) -> None:
        """Errors: OutputFailed, here and in all methods."""
        self.name = name
        self._folder = os.path.join(folder, "images", name)
        self._write = write
        self.size = 0
        self._growing: dict[str, _Growing] = {}
        with _failing():
            os.makedirs(self._folder, exist_ok=True)

    def snapshot(self, name: str, text: bytes) -> None:
        """Writes a snapshot: "initial", "final" or "checkpoint-N"."""
        with _failing():
            _replace(os.path.join(self._folder, f"{name}.smaps"), text, self._write)
        self.size += len(text)

    def append(self, name: str, text: bytes) -> None:
        """Adds one entry to a file that grows: steps.txt, faults.txt."""
        with _failing():
            file = self._growing.get(name)
            if file is None:
                path = os.path.join(self._folder, name)
                file = self._growing[name] = _Growing(path, self._write)
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
        # Names of functions, for all stacks of the recording.
        self.symbols = Symbols()
        self._events: list[dict[str, object]] = []
        self._images: dict[str, object] = {}
        meta["events"] = self._events
        meta["images"] = self._images
        meta["complete"] = False
        self._pending: list[str] = []
        self._pending_size = 0
        self._meta_due = 0.0
        self._dirty = False
        try:
            with _failing():
                os.makedirs(folder, exist_ok=True)
                if os.listdir(folder):
                    raise ReadError(folder, 0, "the folder is not empty; a recording needs its own")
                self._log = _Growing(os.path.join(folder, "calls.strace"), write)
            self.write_meta()
        except OutputFailed as error:
            raise ReadError(folder, 0, f"cannot be written: {error.why}") from None

    # The log.

    def line(self, tid: int, text: str, when: float = 0.0) -> int:
        """Adds a line about a thread; its number. when: seconds of the epoch, 0.0 for now."""
        line = f"{tid} {when or time.time():.6f} {text}\n"
        self._pending.append(line)
        self._pending_size += len(line)
        self.lines += 1
        if self._pending_size > _LOG_BUFFER:
            self.flush()
        return self.lines

    def more(self, text: str) -> None:
        """Adds lines that are part of the one before: frames of its stack."""
        self.lines += text.count("\n")
        self._pending.append(text)
        self._pending_size += len(text)

    def flush(self) -> None:
        """Writes out what was kept back."""
        if self._pending:
            raw = "".join(self._pending).encode("utf-8", "surrogateescape")
            self._pending.clear()
            self._pending_size = 0
            with _failing():
                self._log.append(raw, whole=False)
            self.size += len(raw)
        if self._dirty and time.monotonic() >= self._meta_due:
            self.write_meta()

    # meta.json.

    def event(self, kind: str, image: str, **numbers: int) -> None:
        """Something happened to a process, after the lines so far."""
        self._events.append({"after_line": self.lines, "event": kind, **numbers, "image": image})
        self._dirty = True

    def image(self, name: str, facts: dict[str, object]) -> ImageFiles:
        """A new image, with what meta.json says of it."""
        self._images[name] = facts
        self._dirty = True
        return ImageFiles(self.folder, name, self._write)

    def changed(self) -> None:
        """The meta dictionary has changed."""
        self._dirty = True

    def write_meta(self) -> None:
        """Writes meta.json as it is now."""
        began = time.monotonic()
        text = json.dumps(self.meta, indent=1) + "\n"
        with _failing():
            _replace(os.path.join(self.folder, "meta.json"), text.encode(), self._write)
        self._dirty = False
        now = time.monotonic()
        self._meta_due = now + _META_SHARE * (now - began)

    def discard(self) -> None:
        """Nothing could be recorded: the folder goes, if there is nothing else in it."""
        self._log.close()
        for name in ("calls.strace", "meta.json"):
            with suppress(OSError):
                os.unlink(os.path.join(self.folder, name))
        with suppress(OSError):
            os.rmdir(self.folder)

    def close(self) -> None:
        """The recording is complete."""
        self.flush()
        self.meta["complete"] = True
        self.write_meta()
        self._log.close()

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


@final
class _Growing:
    """A file that only grows. size: bytes; lines: newlines; those written so far."""

    def __init__(self, path: str, write: Write) -> None:
        """Errors: OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(path, flags, 0o644)
        self._write = write
        self.size = os.fstat(self._fd).st_size
        self.lines = 0

    def append(self, raw: bytes, *, whole: bool) -> None:
        """Adds lines. When not all can be written, those that could be stay, or if `whole`, none.

        Errors: OSError.
        """
        kept = 0
        try:
            if os.fstat(self._fd).st_nlink == 0:
                raise FileNotFoundError(errno.ENOENT, "the file has been deleted")
            while kept < len(raw):
                kept += self._write(self._fd, raw[kept:])
        except BaseException:
            kept = 0 if whole else raw.rfind(b"\n", 0, kept) + 1
            os.ftruncate(self._fd, self.size + kept)
            raise
        finally:
            self.size += kept
            self.lines += raw.count(b"\n", 0, kept)

    def close(self) -> None:
        """Nothing more is added."""
        os.close(self._fd)


@contextmanager
def _failing() -> Iterator[None]:
    """What fails in writing a recording is told from what fails in looking at a process."""
    try:
        yield
    except OSError as error:
        raise OutputFailed(error.strerror or str(error)) from None


def _replace(path: str, raw: bytes, write: Write) -> None:
    """Writes a file so that it is never seen half-written. Errors: OSError."""
    partial = path + ".new"
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        try:
            while raw:
                raw = raw[write(fd, raw) :]
        finally:
            os.close(fd)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise
