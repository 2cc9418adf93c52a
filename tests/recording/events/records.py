# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes events.raw by hand, as a kernel and a recorder would."""

import os
import struct
from pathlib import Path

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.recording.events import layout as at
from vmalab.recording.events import rawfile


class Events:
    """A file in the making. Times are in nanoseconds; a call lasts from `entered` to `left`."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)

    def close(self) -> None:
        os.close(self._fd)

    def chunk(self, raw: bytes) -> None:
        os.write(self._fd, raw)

    def add(self, raw: bytes) -> None:
        """One record, in a chunk of its own."""
        os.write(self._fd, rawfile.record_chunk(raw))

    def note(self, facts: dict[str, object], smaps: bytes = b"") -> None:
        rawfile.write_note(self._fd, os.write, facts, smaps)

    def call(
        self,
        tid: int,
        name: str,
        args: tuple[int, ...],
        result: int,
        entered: int,
        left: int,
        locked: int = 0,
        tgid: int = 7,
    ) -> None:
        number = NUMBER_OF_SYSCALL[name]
        head = at.call.pack(at.CALL, tid, tgid, number, left, entered, locked, result, 1, len(args))
        self.add(head + struct.pack(f"<{len(args)}Q", *args))

    def contents(self, tid: int, when: int, address: int, raw: bytes, tgid: int = 7) -> None:
        head = at.head.pack(at.CONTENTS, tid, tgid, len(raw), when)
        self.add(head + struct.pack("<Q", address) + raw)

    def written(self, tid: int, when: int, address: int, kind: int = at.WRITTEN) -> None:
        self.add(at.fault.pack(kind, tid, 7, 0, when, address))

    def task(self, tid: int, child: int, tgid: int, flags: int, when: int, locked: int = 0) -> None:
        self.add(at.task.pack(at.TASK, tid, 7, child, when, tgid, 0, flags, locked))

    def exit(self, tid: int, when: int, status: int = 0, tgid: int = 7) -> None:
        self.add(at.exit.pack(at.EXIT, tid, tgid, status, when, 0, 0))
