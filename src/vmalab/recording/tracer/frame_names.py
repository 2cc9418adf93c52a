# SPDX-License-Identifier: GPL-2.0-or-later
"""Names all places that the stacks of a recording lead to, when it ends: the lines of frames.jsonl.

A file, or the code of a process, is read in a child with limits of time and memory: whatever is
wrong with it costs no more than its own names.
"""

import os
import resource
import select
import signal
import time
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from functools import partial
from typing import Final

from vmalab.recording.format.frames import FrameNames, frame_line
from vmalab.recording.tracer.code_mapping import Code
from vmalab.recording.tracer.code_places import CodeFile, CodePlaces, perf_map, place_text
from vmalab.recording.tracer.elf_names import available, file_names
from vmalab.recording.tracer.perf_maps import own_code_names

# Seconds for one file, and for all of them.
ONE_FILE: Final = 20.0
ALL_FILES: Final = 60.0
# Bytes of address space that a child may have.
_MEMORY: Final = 6 << 30
# Bytes that a child may answer.
_MAX_ANSWER: Final = 64 << 20
# Seconds between two looks for an interruption.
_LOOK_EVERY: Final = 0.2
_BLOCK: Final = 1 << 16

_INTERRUPTED: Final = "naming was interrupted"

# A group of places that are named together: the name of what they are in, the places, the work.
_Work = Callable[[], dict[int, FrameNames]]
_Group = tuple[str, set[int], _Work]


def frame_lines(
    places: CodePlaces,
    ending: Set[int],
    *,
    one: float = ONE_FILE,
    together: float = ALL_FILES,
    of_file: Callable[[CodeFile], dict[int, FrameNames]] = file_names,
) -> bytes:
    """Return the lines of frames.jsonl.

    ending: signals, blocked, that end the naming when one of them waits. one, together: seconds
    that a file, and all of them, may take. of_file: names the places of a file.
    """
    if places.files:
        # Before the children, so that it is done once.
        available()
    until = time.monotonic() + together
    lines = []
    for name, offsets, work in _groups(places, of_file):
        limit = min(one, until - time.monotonic())
        if _is_waiting(ending):
            answer, why = b"", _INTERRUPTED
        elif limit <= 0:
            answer, why = b"", f"naming took more than {together:g} s"
        else:
            answer, why = _in_child(name, work, limit, ending)
        lines.append(answer or _lines(name, dict.fromkeys(offsets, FrameNames(why=why))))
    lines += [frame_line(text, FrameNames((named,))) for text, named in places.python.items()]
    return b"".join(lines)


@dataclass(frozen=True, slots=True)
class Unnamed:
    """Places that have no names yet. files: path, inode and offsets (bytes) of each; own: process,
    user and addresses of code that it wrote.
    """

    files: tuple[tuple[str, int, tuple[int, ...]], ...] = ()
    own: tuple[tuple[int, int, tuple[int, ...]], ...] = ()


def name_apart(unnamed: Unnamed, seconds: float) -> Iterator[bytes]:
    """Yield the lines of frames.jsonl for places, in a process that is not the recorder's.

    seconds: that a file may take.
    """
    places = CodePlaces()
    for path, inode, offsets in unnamed.files:
        for offset in offsets:
            places.in_file(0, Code(0, 0, 0, inode, path), offset)
    for pid, uid, addresses in unnamed.own:
        for address in addresses:
            places.in_code_of(pid, uid, address)
    yield frame_lines(places, frozenset(), one=seconds)
    places.close()


def _is_waiting(ending: Set[int]) -> bool:
    """Return whether a signal waits that asks for an end."""
    return not ending.isdisjoint(signal.sigpending())


def _groups(
    places: CodePlaces, of_file: Callable[[CodeFile], dict[int, FrameNames]]
) -> Iterator[_Group]:
    for file in places.files.values():
        if file.offsets:
            yield file.path, file.offsets, partial(of_file, file)
    for own in places.own.values():
        if own.addresses:
            yield perf_map(own.pid), own.addresses, partial(own_code_names, own)


def _lines(name: str, found: dict[int, FrameNames]) -> bytes:
    return b"".join(frame_line(place_text(name, place), found[place]) for place in sorted(found))


def _in_child(name: str, work: _Work, limit: float, ending: Set[int]) -> tuple[bytes, str]:
    """Return the lines of what a function finds in a child, or nothing and why.

    limit: seconds. ending: as for `frame_lines`.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        child = os.fork()
    except OSError as error:
        os.close(reading)
        os.close(writing)
        return b"", f"no process could be made to name it: {error.strerror}"
    if child == 0:
        _work(name, work, writing, limit)
    os.close(writing)
    until = time.monotonic() + limit
    answer = bytearray()
    why = ""
    try:
        while not why:
            ready, _, _ = select.select([reading], [], [], _LOOK_EVERY)
            block = os.read(reading, _BLOCK) if ready else b""
            answer += block
            if ready and not block:
                break
            if time.monotonic() > until:
                why = f"naming it took more than {limit:g} s"
            elif len(answer) > _MAX_ANSWER:
                why = "its names take too much room"
            elif _is_waiting(ending):
                why = _INTERRUPTED
    finally:
        os.close(reading)
        if why:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    if status:
        return b"", why or "its file is too large, or its debug information is damaged"
    return bytes(answer), ""


def _work(name: str, work: _Work, writing: int, limit: float) -> None:
    """Do the work of a child, and end."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        allowed = _MEMORY if most == resource.RLIM_INFINITY else min(_MEMORY, most)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, most))
        seconds = int(limit) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        raw = _lines(name, work())
        while raw:
            raw = raw[os.write(writing, raw) :]
    except BaseException:
        os._exit(1)
    os._exit(0)
