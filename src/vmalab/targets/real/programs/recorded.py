# SPDX-License-Identifier: GPL-2.0-or-later
"""Records programs of this machine inside a guest, on any kernel image."""

import json
import os
import select
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final, final

from vmalab.recording.format.output_folder import Folder
from vmalab.targets.real.guest import Guest
from vmalab.targets.real.initramfs import Packed, initramfs
from vmalab.targets.real.programs import inside
from vmalab.targets.real.programs.chosen import WantedProgram
from vmalab.targets.real.programs.python_files import ENVIRONMENT, interpreter, python_files
from vmalab.targets.real.target_errors import TargetError

# Seconds that recording one program may take.
PATIENCE: Final = 300.0
# Bytes of a recording's head, and of the recording itself.
MAX_HEAD: Final = 1 << 20
MAX_SIZE: Final = 256 << 20


@final
class Line:
    """The guest's line, read with patience. Errors of all methods: TargetError."""

    def __init__(self, fd: int, patience: float) -> None:
        self._fd = fd
        self.patience = patience
        self._buffer = bytearray()

    def _more(self, until: float) -> bool:
        """Read what has come; whether the guest still talks."""
        if not select.select([self._fd], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TargetError(f"no word for {self.patience:.0f} seconds")
        raw = os.read(self._fd, 1 << 16)
        self._buffer += raw
        return bool(raw)

    def skip_past(self, word: bytes) -> None:
        """Wait for a word; what came before is noise."""
        until = time.monotonic() + self.patience
        while word not in self._buffer:
            del self._buffer[: 1 - len(word)]
            if not self._more(until):
                raise TargetError("it ended")
        del self._buffer[: self._buffer.index(word) + len(word)]

    def head(self) -> dict[str, object] | None:
        """Return the next line of JSON, None when the guest has told all, or gone in order."""
        until = time.monotonic() + self.patience
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_HEAD:
                raise TargetError("it talks nonsense")
            if not self._more(until):
                if self._buffer:
                    raise TargetError("it ended in mid-word")
                return None
        at = self._buffer.index(b"\n")
        raw = bytes(self._buffer[:at])
        del self._buffer[: at + 1]
        try:
            head = json.loads(raw)
        except ValueError:
            head = None
        if not isinstance(head, dict):
            raise TargetError("it talks nonsense")
        return None if head == inside.END else head

    def take(self, size: int) -> bytes:
        """Return so many bytes."""
        until = time.monotonic() + self.patience
        while len(self._buffer) < size:
            if not self._more(until):
                raise TargetError("it ended in mid-word")
        raw = bytes(self._buffer[:size])
        del self._buffer[:size]
        return raw


def guest_files(
    programs: Sequence[WantedProgram], files: Mapping[str, Packed], executor: bytes = b""
) -> bytes:
    """Return the archive of a guest that records programs.

    files: what the programs need, besides Python and the modules of vmalab's recorder. executor:
    the program that the recorder becomes at its end; b"": the guest ends. Errors: TargetError.
    """
    wanted = [[one.name, list(one.command), one.steps] for one in programs]
    listed = Packed(json.dumps(wanted).encode())
    found = {**python_files([inside.__name__]), **files, inside.WANTED.lstrip("/"): listed}
    if executor:
        found[inside.NEXT.lstrip("/")] = Packed(executor, program=True)
    return initramfs(found)


def recorder_words() -> str:
    """Return what the kernel of a guest that records programs is told: the last words of all."""
    settings = " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items())
    return f"rdinit={interpreter()} {settings} -- -S -m {inside.__name__}"


def record_in_guest(image: str, archive: bytes, folder: str) -> Iterator[tuple[str, str]]:
    """Boot an image and record the archive's programs, each to a folder of its name in `folder`.

    Yields each program's name, and why there is no recording, "" where there is one.
    Errors: TargetError: no guest, or one that ended before its time.
    """
    guest = Guest(image)
    with closing(guest):
        yield from record_at_boot(guest, archive, "", folder)


def record_at_boot(
    guest: Guest, archive: bytes, words: str, folder: str
) -> Iterator[tuple[str, str]]:
    """Boot a guest and record the archive's programs; as `record_in_guest`. Errors: TargetError.

    words: for its kernel, besides the recorder's.
    """
    told = f"{words} {recorder_words()}"
    line = guest.boot(archive, told, lambda patience: _greeted(guest, patience))
    try:
        yield from received(line, folder)
    except TargetError as error:
        raise TargetError(f"{guest.image}: {error}: {guest.last_words()}") from None


def received(line: Line, folder: str) -> Iterator[tuple[str, str]]:
    """Take recordings off a guest's line, to the end; as `record_in_guest`. Errors: TargetError."""
    while (head := line.head()) is not None:
        packed = line.take(_number(head, "size", MAX_SIZE))
        name, why = str(head.get("name")), str(head.get("error") or "")
        if not why:
            try:
                _unpack(folder, name, head.get("files"), packed)
            except OSError as error:
                raise TargetError(f"{name[:60]!r}: {error.strerror}") from None
        yield name, why


def _greeted(guest: Guest, patience: float) -> Line:
    line = Line(guest.line.fileno(), patience)
    line.skip_past(inside.GREETING)
    line.patience = PATIENCE
    return line


def _number(head: Mapping[str, object], name: str, most: int) -> int:
    """Return a size that the guest states. Errors: TargetError."""
    value = head.get(name)
    if not isinstance(value, int) or not 0 <= value <= most:
        raise TargetError(f"{name}: {str(value)[:40]} is no size")
    return value


def _unpack(folder: str, name: str, files: object, packed: bytes) -> None:
    """Write a recording's files. Errors: OSError; TargetError, names or sizes cannot be right."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, MAX_SIZE)
    except zlib.error:
        raise TargetError(f"{name[:60]!r}: the recording is damaged") from None
    if not isinstance(files, list) or not _is_plain(name):
        raise TargetError(f"{name[:60]!r}: no recording")
    at = 0
    with Folder.at(folder) as top, top.inside(name) as place:
        for one in files:
            match one:
                case [str(path), int(size)] if 0 <= size <= len(content) - at:
                    _write(place, path.split("/"), content[at : at + size])
                    at += size
                case _:
                    raise TargetError(f"{name[:60]!r}: the recording is damaged")
    if at != len(content):
        raise TargetError(f"{name[:60]!r}: the recording is damaged")


def _is_plain(name: str) -> bool:
    return bool(name) and name not in (".", "..") and "/" not in name and "\0" not in name


def _write(place: Folder, parts: Sequence[str], content: bytes) -> None:
    """Write one file below a folder. Errors: TargetError, OSError."""
    if not all(_is_plain(part) for part in parts):
        raise TargetError(f"{'/'.join(parts)[:60]!r}: not a name within the recording")
    if len(parts) > 1:
        with place.inside(parts[0]) as below:
            _write(below, parts[1:], content)
        return
    fd = place.new(parts[0])
    with os.fdopen(fd, "wb") as file:
        file.write(content)
