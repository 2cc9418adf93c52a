# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the map of a live process from /proc, fast enough for one with as many VMAs as allowed.

The kernel wrote what is read here, so that its lines need not be doubted one by one.
"""

import os
import re
from sys import intern
from typing import Final, NamedTuple

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.patterns import pattern
from vmalab.recording.live.process_limits import refusal_of
from vmalab.recording.readers.maps import Flags, parse_maps

# Of one VMA in smaps: the range line, and the fields that are kept of it.
_ENTRY: Final = pattern(
    rb"^([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) ([0-9a-f:]+) (\d+) *([^\n]*)\n"
    rb"(?:[A-Z][^\n]*\n)*?Rss: +(\d+) kB\n"
    rb"(?:[A-Z][^\n]*\n)*?Anonymous: +(\d+) kB\n"
    rb"(?:[A-Z][^\n]*\n)*?(?:ProtectionKey: +(\d+)\n)?VmFlags: ([^\n]*)\n",
    re.MULTILINE,
)
# Of one VMA in numa_maps: its start, and its policy or the task's.
_POLICY: Final = pattern(rb"^([0-9a-f]+) (\S+)", re.MULTILINE)


class ProcessMap(NamedTuple):
    """The map of a live process at one moment.

    lines: with VmFlags and sizes where `complete`; without, as /proc/PID/maps shows them. why: for
    what reason it is not complete, "" when it is.
    """

    pid: int
    lines: Snapshot
    complete: bool
    why: str = ""


def read_process(pid: int) -> ProcessMap:
    """Return the map of a process: from smaps, or from maps where smaps cannot be read.

    Errors: ReadError when there is no such process, or neither may be read.
    """
    path = f"/proc/{pid}/smaps"
    try:
        raw = _read(path)
    except OSError as error:
        why = f"{path}: {error.strerror}"
    else:
        lines = parse_live_smaps(raw)
        if raw.count(b"\nVmFlags: ") == len(lines):
            return ProcessMap(pid, lines, True)
        why = f"{path}: unknown format"
    return ProcessMap(pid, _maps_of(pid), False, why)


def read_policies(pid: int) -> dict[int, str]:
    """Return the NUMA policies of a process's VMAs by their starts.

    None where they cannot be read.
    """
    try:
        raw = _read(f"/proc/{pid}/numa_maps")
    except OSError:
        return {}
    return {
        int(start, 16): intern(policy.decode("ascii", "replace"))
        for start, policy in _POLICY().findall(raw)
    }


def parse_live_smaps(raw: bytes) -> Snapshot:
    """Return the ranges of smaps as the kernel writes it.

    Those that it writes otherwise are left out.
    """
    words = Flags()
    texts: dict[bytes, str] = {}
    lines: Snapshot = []
    for start, end, perms, pgoff, dev, inode, name, rss, anonymous, pkey, flags in _ENTRY().findall(
        raw
    ):
        if flags not in texts:
            texts[flags] = flags.decode("ascii", "replace")
        lines.append(
            VmaLine(
                int(start, 16),
                int(end, 16),
                intern(perms.decode("ascii", "replace")),
                int(pgoff, 16),
                intern(dev.decode("ascii")),
                int(inode),
                name.decode("utf-8", "surrogateescape") if name else "",
                words.words(texts[flags]),
                int(pkey or b"0"),
                int(rss) << 10,
                int(anonymous) << 10,
            )
        )
    return lines


def _maps_of(pid: int) -> Snapshot:
    """Return the ranges of /proc/PID/maps. Errors: ReadError."""
    path = f"/proc/{pid}/maps"
    try:
        raw = _read(path)
    except FileNotFoundError:
        raise ReadError(f"/proc/{pid}", 0, "no such process") from None
    except ProcessLookupError:
        raise ReadError(path, 0, "the process has ended") from None
    except OSError as error:
        raise ReadError(path, 0, f"cannot read: {refusal_of(error)}") from None
    return parse_maps(raw.decode("utf-8", "surrogateescape"), path)


def _read(path: str) -> bytes:
    """Return a whole file of /proc, which has no size. Errors: OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    parts = []
    try:
        while part := os.read(fd, 1 << 20):
            parts.append(part)
    finally:
        os.close(fd)
    return b"".join(parts)
