# SPDX-License-Identifier: GPL-2.0-or-later
"""Names code that a program wrote itself by its /tmp/perf-PID.map, as perf does, or by its dump.

Java (-XX:+DumpPerfMapAtExit), Node (--perf-basic-prof) and Python (-X perf) write a map. A line is
start, size (both hexadecimal) and a name; a later line counts more than an earlier one. A dump
(jit-PID.dump) that the program had mapped counts more than a map: it may have lines.
"""

import os
import re
import stat
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from vmalab.recording.format.frames import FrameNames, Named
from vmalab.recording.tracer.code_places import OwnCode
from vmalab.recording.tracer.jit_dumps import dumped_names

MAX_MAP: Final = 1 << 29
_LINE: Final = re.compile(rb"(?:0x)?([0-9a-fA-F]{1,16}) (?:0x)?([0-9a-fA-F]{1,16}) (.{1,4096})")
# What Python writes, and what Node writes of a function in JavaScript: with its place.
_PYTHON: Final = re.compile(r"py::(.+?):(/.*|<.*>)$")
_NODE: Final = re.compile(r"[A-Za-z]+:[~*+^'\"-]?(\S*) (?:file://)?(.+?):(\d{1,9}):\d{1,9}$")

_HOW: Final = (
    "code that the program wrote itself, and there is no /tmp/perf-PID.map that names it: start "
    "Java with -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit -XX:+PreserveFramePointer, "
    "Node with --perf-basic-prof --interpreted-frames-native-stack, Python 3.12 or newer with "
    "-X perf"
)


_INTERPRETED: Final = "Java that is interpreted has no names: -Xcomp compiles all of it"


def own_code_names(own: OwnCode) -> dict[int, FrameNames]:
    """Return what a process's own code is called, by address."""
    places = sorted(own.addresses)
    fd, why = _open(own)
    found: dict[int, FrameNames] = {}
    if fd >= 0:
        with os.fdopen(fd, "rb") as file:
            found = _names(places, file)
        why = "its /tmp/perf-PID.map has no name for it"
    if own.dump is not None and own.dump.fd >= 0:
        dumped = dumped_names(own.dump.fd, own.uid, places, _function)
        found |= {place: _framed(named) for place, named in dumped.items()}
        why = "its jit-PID.dump has no name for it"
    missing = FrameNames(why=why)
    return {place: found.get(place, missing) for place in places}


def _names(places: list[int], lines: Iterable[bytes]) -> dict[int, FrameNames]:
    found: dict[int, FrameNames] = {}
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        start = int(match[1], 16)
        # A return address may be the first one behind its function.
        index = bisect_left(places, start + 1)
        end = start + int(match[2], 16)
        while index < len(places) and places[index] <= end:
            found[places[index]] = _framed(_function(match[3].decode("utf-8", "replace")))
            index += 1
    return found


def _framed(named: Named) -> FrameNames:
    return FrameNames((named,), _INTERPRETED if named.function == "Interpreter" else "")


def _function(text: str) -> Named:
    python = _PYTHON.match(text)
    if python is not None:
        return Named(python[1], python[2])
    node = _NODE.match(text)
    if node is not None:
        return Named(node[1] or "(anonymous)", node[2], int(node[3]))
    return Named(text.strip())


def _open(own: OwnCode) -> tuple[int, str]:
    """Open a process's map, which must be its user's or root's; Returns: -1 and why not."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    if own.root < 0:
        return -1, _HOW
    try:
        fd = os.open(f"tmp/perf-{own.number}.map", flags, dir_fd=own.root)
    except OSError:
        return -1, _HOW
    there = os.fstat(fd)
    if not stat.S_ISREG(there.st_mode) or there.st_uid not in (own.uid, 0):
        os.close(fd)
        return -1, "its /tmp/perf-PID.map is not a file of the program's user"
    if there.st_size > MAX_MAP:
        os.close(fd)
        return -1, f"its /tmp/perf-PID.map has more than {MAX_MAP} bytes"
    return fd, ""
