# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user means by PID or PATH: a process, a recording, a saved map, a kernel's memory."""

import os
import re
from typing import TYPE_CHECKING, NamedTuple

import click

from vmalab.calls.errors import ReadError
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.recording.memory.kernel_dump import is_kernel_dump
from vmalab.recording.search import one_recording
from vmalab.recording.standard_input import is_piped, kept_input

if TYPE_CHECKING:
    from vmalab.recording.live.live_map import ProcessMap


class ProcessSubject(NamedTuple):
    """A live process."""

    pid: int

    def read(self) -> "ProcessMap":
        """Return its map now. Errors: ReadError."""
        # A twentieth of the time that all takes to start.
        from vmalab.recording.live.live_map import read_process

        return read_process(self.pid)


class SnapshotSubject(NamedTuple):
    """A file that holds a memory map, in whatever form; `read_map` reads it.

    follow: it may be a symbolic link, which one inside a recording may not.
    """

    path: str
    follow: bool = True


class MemorySubject(NamedTuple):
    """A kernel's memory: a dump of it, or /proc/kcore."""

    path: str


class RecordingSubject(NamedTuple):
    """One recording, or a bare strace log."""

    recording: RecordingFiles


Subject = ProcessSubject | SnapshotSubject | MemorySubject | RecordingSubject


def subject_of(text: str, stated: Stated | None = None, *, moments: bool = True) -> Subject:
    """Return what a word of the command line names: digits alone are a PID (`./123` is a file),
    `-` is standard input.

    stated: what the user knows of a recorded machine. moments: a recording without calls stands for
    its one map. Errors: ReadError when there is nothing of the kind.
    """
    if text.isascii() and text.isdecimal():
        return ProcessSubject(_pid(text))
    piped = is_piped(text)
    if not piped and os.path.isfile(text) and is_kernel_dump(text):
        return MemorySubject(text)
    file = kept_input(text) if piped else text
    if os.path.isfile(file):
        # A tenth of the time that all takes to start.
        from vmalab.recording.readers.map_file import holds_map

        if holds_map(file):
            return SnapshotSubject(file)
    recording = one_recording(text, stated)
    moment = _only_moment(recording) if moments else None
    return RecordingSubject(recording) if moment is None else SnapshotSubject(moment, follow=False)


def _only_moment(recording: RecordingFiles) -> str | None:
    """Return the map of a recording that holds one moment of one process: no calls."""
    images = list(recording.images.values())
    if len(images) != 1 or images[0].path is None or os.lstat(recording.log_path).st_size:
        return None
    path = os.path.join(images[0].path, "initial.smaps")
    return path if os.path.lexists(path) else None


def parse_at(text: str) -> int | str:
    """`--at`: "end", "peak", or the number of a line of the log. Errors: click.BadParameter."""
    if text in ("end", "peak"):
        return text
    if text.isascii() and text.isdecimal() and 0 < len(text) < 13 and int(text) > 0:
        return int(text)
    raise click.BadParameter(f"{text[:40]!r} is no line of the log, and neither end nor peak")


def parse_address(text: str) -> int:
    """Return an address (bytes), hexadecimal with or without 0x. Errors: click.BadParameter."""
    digits = text.lower().removeprefix("0x")
    if re.fullmatch(r"[0-9a-f]{1,16}", digits) is None:
        raise click.BadParameter(f"{text[:40]!r} is no address (hexadecimal)")
    return int(digits, 16)


def _pid(text: str) -> int:
    if len(text) > 10 or int(text) == 0:
        raise ReadError(f"/proc/{text[:20]}", 0, "no such process")
    return int(text)
