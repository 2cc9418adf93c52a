# SPDX-License-Identifier: GPL-2.0-or-later
"""The file that records go to while they come, and from which they are read when all is over.

It is a sequence of chunks: a head, then what one CPU's ring held, which is whole records of
perf_event_open(2); or what the recorder has to say: a line of JSON, and the text of a map. A
recorder that is killed leaves whole chunks, and perhaps part of one.
"""

import json
import mmap
import os
import struct
from collections.abc import Iterator
from typing import Final

from vmalab.recording.events.magics import RAW_NAME
from vmalab.recording.format.output_folder import Write
from vmalab.recording.json_text import json_value

# The file before it, where only the newest are kept.
FORMER: Final = "events.raw.1"
_CHUNK: Final = struct.Struct("<4sIQ")
_RECORDS: Final = b"vmEv"
_NOTE: Final = b"vmNt"
_RECORD: Final = struct.Struct("<IHH")
_RAW_SIZE: Final = struct.Struct("<I")
PERF_RECORD_LOST: Final = 2
PERF_RECORD_SAMPLE: Final = 9
PERF_RECORD_MMAP2: Final = 10


def write_chunk(fd: int, write: Write, cpu: int, raw: bytes) -> None:
    """Add what a ring held. Errors: OSError."""
    _write(fd, write, _CHUNK.pack(_RECORDS, cpu, len(raw)))
    _write(fd, write, raw)


def write_note(fd: int, write: Write, facts: dict[str, object], smaps: bytes) -> None:
    """Add what the recorder has to say. Errors: OSError."""
    _write(fd, write, note_chunk(json.dumps(facts).encode() + b"\n" + smaps))


def note_chunk(raw: bytes) -> bytes:
    """Return a chunk with what a recorder has to say: a line of JSON, and the text of a map."""
    return _CHUNK.pack(_NOTE, 0, len(raw)) + raw


def record_chunk(raw: bytes) -> bytes:
    """Return a chunk with one record."""
    padded = raw.ljust((len(raw) + 7) // 8 * 8 + 4, b"\0")
    head = _RECORD.pack(PERF_RECORD_SAMPLE, 0, 12 + len(padded)) + _RAW_SIZE.pack(len(padded))
    return _CHUNK.pack(_RECORDS, 0, len(head) + len(padded)) + head + padded


def _write(fd: int, write: Write, raw: bytes) -> None:
    while raw:
        written = write(fd, raw)
        raw = raw[written:] if written < len(raw) else b""


def records(
    view: "mmap.mmap | bytes | bytearray", begin: int = 0
) -> Iterator[tuple[int, int, int]]:
    """Yield the records of a file: (type, offset of what it holds, bytes of that), by chunks.

    Of a sample that is its raw data. What cannot be a record ends a chunk. begin: of the first
    chunk.
    """
    for kind, at, size in bodies(view, begin):
        if kind != PERF_RECORD_SAMPLE:
            yield kind, at, size
        elif size >= _RAW_SIZE.size:
            yield kind, at + 4, min(_RAW_SIZE.unpack_from(view, at)[0], size - 4)


def bodies(view: "mmap.mmap | bytes | bytearray", begin: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield the records of a file as `records` does, but of a sample all that it holds."""
    for magic, at, end in _chunks(view, begin):
        if magic == _RECORDS:
            yield from _records(view, at, end)


def notes(view: "mmap.mmap | bytes") -> Iterator[tuple[dict[str, object], bytes]]:
    """Yield what the recorder had to say, in order: facts, and the text of a map."""
    for magic, at, end in _chunks(view):
        if magic == _NOTE:
            line, _, smaps = bytes(view[at:end]).partition(b"\n")
            try:
                facts = json_value(line.decode())
            except (ValueError, RecursionError):
                continue
            if isinstance(facts, dict):
                yield facts, smaps


def _chunks(
    view: "mmap.mmap | bytes | bytearray", begin: int = 0
) -> Iterator[tuple[bytes, int, int]]:
    """Yield the chunks: what kind, where what they hold begins and ends. A part of one is left out
    but for whole records in it.
    """
    at, end = begin, len(view)
    while at + _CHUNK.size <= end:
        magic, _, length = _CHUNK.unpack_from(view, at)
        if magic not in (_RECORDS, _NOTE):
            return
        at += _CHUNK.size
        if magic == _RECORDS or at + length <= end:
            yield magic, at, min(at + length, end)
        at += length


def _records(
    view: "mmap.mmap | bytes | bytearray", at: int, end: int
) -> Iterator[tuple[int, int, int]]:
    while at + _RECORD.size <= end:
        kind, _, size = _RECORD.unpack_from(view, at)
        if size < _RECORD.size or at + size > end:
            return
        yield kind, at + 8, size - 8
        at += size


def opened_all(folder: str) -> "mmap.mmap | bytes":
    """Return the contents of the files of a folder, the older one first. Errors: OSError."""
    former = os.path.join(folder, FORMER)
    newest = opened(os.path.join(folder, RAW_NAME))
    return bytes(opened(former)) + bytes(newest) if os.path.lexists(former) else newest


def opened(path: str) -> "mmap.mmap | bytes":
    """Return the contents of a file, read as they are needed. Errors: OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if os.fstat(fd).st_size == 0:
            return b""
        return mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    finally:
        os.close(fd)
