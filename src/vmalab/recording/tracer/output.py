# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a recording while it is being made: what is on disk can be read at any time.

The log and the steps only grow; meta.json is replaced as a whole. A recorder that is killed leaves
what it had written so far.
"""

import json
import os
import time
from contextlib import suppress
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.tracer.symbols import Symbols

# meta.json is written anew when this many times as long has gone by as writing it took.
_META_SHARE: Final = 30
# Characters of the log that are kept back at most.
_LOG_BUFFER: Final = 1 << 16


@final
class ImageFiles:
    """The folder of one process image. name: "PID.N"."""

    def __init__(self, folder: str, name: str) -> None:
        self.name = name
        self._folder = os.path.join(folder, "images", name)
        self.size = 0
        os.makedirs(self._folder, exist_ok=True)
        self._growing: dict[str, int] = {}

    def snapshot(self, name: str, text: bytes) -> None:
        """Writes a snapshot: "initial", "final" or "checkpoint-N"."""
        _replace(os.path.join(self._folder, f"{name}.smaps"), text)
        self.size += len(text)

    def append(self, name: str, text: bytes) -> None:
        """Adds to a file that grows: steps.txt, faults.txt."""
        fd = self._growing.get(name)
        if fd is None:
            path = os.path.join(self._folder, name)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self._growing[name] = fd
        write_all(fd, text)
        self.size += len(text)

    def close(self) -> None:
        """The image has ended."""
        for fd in self._growing.values():
            os.close(fd)
        self._growing.clear()


@final
class Output:
    """The folder of a recording. lines: complete lines of the log so far."""

    def __init__(self, folder: str, meta: dict[str, object]) -> None:
        """Errors: ReadError when the folder holds something, or cannot be written to."""
        self.folder = folder
        self.meta = meta
        self.lines = 0
        self.size = 0
        # Names of functions, for all stacks of the recording.
        self.symbols = Symbols()
        self._events: list[dict[str, object]] = []
        self._images: dict[str, object] = {}
        meta["events"] = self._events
        meta["images"] = self._images
        self._pending: list[str] = []
        self._pending_size = 0
        self._meta_due = 0.0
        self._dirty = False
        try:
            os.makedirs(folder, exist_ok=True)
            if os.listdir(folder):
                raise ReadError(folder, 0, "the folder is not empty; a recording needs its own")
            self._log = os.open(
                os.path.join(folder, "calls.strace"),
                os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC,
                0o644,
            )
        except OSError as error:
            raise ReadError(folder, 0, f"cannot be written: {error.strerror}") from None
        self.write_meta()

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
            write_all(self._log, raw)
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
        return ImageFiles(self.folder, name)

    def changed(self) -> None:
        """The meta dictionary has changed."""
        self._dirty = True

    def write_meta(self) -> None:
        """Writes meta.json as it is now."""
        began = time.monotonic()
        text = json.dumps(self.meta, indent=1) + "\n"
        _replace(os.path.join(self.folder, "meta.json"), text.encode())
        self._dirty = False
        now = time.monotonic()
        self._meta_due = now + _META_SHARE * (now - began)

    def discard(self) -> None:
        """Nothing could be recorded: the folder goes, if there is nothing else in it."""
        os.close(self._log)
        for name in ("calls.strace", "meta.json"):
            os.unlink(os.path.join(self.folder, name))
        with suppress(OSError):
            os.rmdir(self.folder)

    def close(self) -> None:
        """The recording is complete."""
        self.flush()
        self.write_meta()
        os.close(self._log)


def write_all(fd: int, raw: bytes) -> None:
    """Writes everything. Errors: OSError."""
    while raw:
        raw = raw[os.write(fd, raw) :]


def _replace(path: str, raw: bytes) -> None:
    """Writes a file so that it is never seen half-written. Errors: OSError."""
    partial = path + ".new"
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        write_all(fd, raw)
    finally:
        os.close(fd)
    os.replace(partial, path)
