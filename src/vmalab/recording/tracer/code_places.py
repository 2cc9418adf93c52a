# SPDX-License-Identifier: GPL-2.0-or-later
"""Notes where the stacks of a recording lead, so that the places can be named at its end.

A file with code is held from the moment that a stack first leads there (by a descriptor that can
neither read nor write), for by the end the process may be gone and the file be another one.
"""

import os
from dataclasses import dataclass, field
from typing import Final, final

from vmalab.recording.format.frames import MAX_KNOWN, Named
from vmalab.recording.tracer.code_mapping import Code
from vmalab.recording.tracer.proc_files import lines_of, read_proc
from vmalab.recording.tracer.python_frames import Pythons

# Files and processes that are held; each takes a descriptor.
MAX_FILES: Final = 256
_HOLD: Final = os.O_PATH | os.O_CLOEXEC


@dataclass(slots=True)
class CodeFile:
    """A file with code. fd: holds it; -1: it cannot be had, see `why`. root: of its process.

    offsets: where in it stacks lead, in bytes.
    """

    path: str
    inode: int
    fd: int
    root: int
    why: str = ""
    offsets: set[int] = field(default_factory=set)


@dataclass(slots=True)
class OwnCode:
    """Code that a process wrote itself. number: its PID as it knows it. uid: its user.

    addresses: where stacks lead. dump: the file that the process told of its code in, if any.
    """

    pid: int
    number: int
    uid: int
    root: int
    addresses: set[int] = field(default_factory=set)
    dump: CodeFile | None = None


@final
class CodePlaces:
    """All places of a recording."""

    def __init__(self) -> None:
        self.files: dict[str, CodeFile] = {}
        self.own: dict[int, OwnCode] = {}
        self.pythons = Pythons()
        # Functions of Python, by their text in the log.
        self.python: dict[str, Named] = {}
        self._roots: dict[tuple[int, int, int], int] = {}
        self._count = 0

    def file(self, tid: int, code: Code) -> CodeFile | None:
        """Return the file that a thread has mapped; None when there are too many.

        tid: held; 0: its process may be gone, and the file is the one that its name leads to.
        """
        file = self.files.get(code.name)
        if file is None and len(self.files) < MAX_FILES:
            file = self.files[code.name] = self._hold(tid, code)
        if file is not None and file.inode != code.inode:
            file.why = "several files of this name were mapped"
        return file

    def in_file(self, tid: int, code: Code, offset: int) -> str:
        """Note a place in a file that a thread has mapped; Returns: its text in the log.

        tid: as for `file`.
        """
        file = self.file(tid, code)
        if file is not None:
            self._add(file.offsets, offset)
        return place_text(code.name, offset)

    def in_own_code(self, tid: int, address: int, dump: Code | None = None) -> str:
        """Note a place in code that a held thread's process wrote; Returns: its text in the log.

        dump: where the process has mapped the file that tells of its code.
        """
        pid = _number(tid, b"Tgid:", 1) or tid
        if pid not in self.own and len(self.own) < MAX_FILES:
            number, uid = number_in_namespace(pid), _number(pid, b"Uid:", 1)
            self.own[pid] = OwnCode(pid, number, uid, self._root(tid))
        return self._in_own_code(pid, tid, address, dump)

    def in_code_of(self, pid: int, uid: int, address: int, dump: Code | None = None) -> str:
        """Note a place in code that a process of a user wrote, which may be gone; Returns: its text
        in the log. dump: as for `in_own_code`.
        """
        if pid not in self.own and len(self.own) < MAX_FILES:
            self.own[pid] = OwnCode(pid, pid, uid, self._root(0))
        return self._in_own_code(pid, 0, address, dump)

    def _in_own_code(self, pid: int, tid: int, address: int, dump: Code | None) -> str:
        own = self.own.get(pid)
        if own is not None:
            self._add(own.addresses, address)
            if own.dump is None and dump is not None:
                own.dump = self._hold(tid, dump)
        return place_text(perf_map(pid), address)

    def in_python(self, named: Named) -> str:
        """Note a function of Python; Returns: its text in the log, its line for an address."""
        text = f"{named.source}({named.function}) [{named.line:#x}]"
        if not text.isprintable():
            text = "".join(char if char.isprintable() else "?" for char in text)
        if text not in self.python and self._count < MAX_KNOWN:
            self._count += 1
            self.python[text] = named
        return text

    def close(self) -> None:
        """Let go of all files."""
        dumps = [own.dump for own in self.own.values() if own.dump is not None]
        held = [file.fd for file in (*self.files.values(), *dumps)]
        for fd in (*held, *self._roots.values()):
            if fd >= 0:
                os.close(fd)
        self.files.clear()
        self.own.clear()
        self._roots.clear()

    def _add(self, places: set[int], place: int) -> None:
        if place not in places and self._count < MAX_KNOWN:
            self._count += 1
            places.add(place)

    def _hold(self, tid: int, code: Code) -> CodeFile:
        if not tid:
            return self._hold_by_name(code)
        fd = -1
        why = ""
        try:
            # This very file, whatever its name leads to by now. Needs rights.
            fd = os.open(f"/proc/{tid}/map_files/{code.start:x}-{code.end:x}", _HOLD)
        except OSError:
            try:
                fd = os.open(f"/proc/{tid}/root{code.name}", _HOLD)
            except OSError as error:
                why = f"its file could not be opened: {error.strerror}"
        return self._held(code, fd, why, self._root(tid))

    def _hold_by_name(self, code: Code) -> CodeFile:
        fd = -1
        why = ""
        try:
            fd = os.open(code.name, _HOLD)
        except (OSError, ValueError) as error:
            why = f"its file could not be opened: {getattr(error, 'strerror', error)}"
        return self._held(code, fd, why, self._root(0))

    def _held(self, code: Code, fd: int, why: str, root: int) -> CodeFile:
        """Return a file, if it is the one that was mapped."""
        if fd >= 0 and os.fstat(fd).st_ino != code.inode:
            os.close(fd)
            fd = -1
            why = "its file is not there any more: another one has its name"
        return CodeFile(code.name, code.inode, fd, root, why)

    def _root(self, tid: int) -> int:
        """Return a descriptor of a thread's root directory, -1 when it cannot be had.

        tid: 0 for the recorder's own.
        """
        who = tid or "self"
        try:
            there = os.stat(f"/proc/{who}/root")
            mounts = os.stat(f"/proc/{who}/ns/mnt").st_ino
            key = (mounts, there.st_dev, there.st_ino)
            if key not in self._roots and len(self._roots) < MAX_FILES:
                self._roots[key] = os.open(f"/proc/{who}/root", _HOLD | os.O_DIRECTORY)
        except OSError:
            return -1
        return self._roots.get(key, -1)


def place_text(name: str, place: int) -> str:
    """Return a frame as the log has it, which is as strace prints one without a symbol."""
    return f"{name}() [{place:#x}]"


def perf_map(pid: int) -> str:
    """Return what code that a process wrote is called: perf names it so, and looks there."""
    return f"/tmp/perf-{pid}.map"


def number_in_namespace(tid: int) -> int:
    """Return the number of a thread as its own process knows it."""
    return _number(tid, b"NSpid:", -1) or tid


def _number(pid: int, key: bytes, index: int) -> int:
    """Return one of the numbers in a line of /proc/PID/status, 0 when it is not there."""
    for line in lines_of(read_proc(pid, "status")):
        if line.startswith(key):
            return int(line.split()[index])
    return 0
