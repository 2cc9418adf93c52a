# SPDX-License-Identifier: GPL-2.0-or-later
"""Talks to the executor: the program that carries out calls on a real kernel.

The same program and the same frames serve a child process of this machine and a guest. A worker is
one fresh address space; it is asked for batches of calls and answers results and maps in order. A
worker that dies or hangs is an answer too.
"""

import mmap
import os
import select
import struct
import time
from array import array
from collections.abc import Callable
from typing import Final, final

from vmalab.targets.real.answers import Answer, Map, Started
from vmalab.targets.real.target_errors import ConfinementError, TargetError
from vmalab.targets.real.wire import pack

PROTOCOL: Final = 2
# What a guest says first on its line: without, and with, memory that it shares with this side.
GREETING: Final = b"vmalab executor\n"
GREETING_SHARED: Final = b"vmalab w/memory\n"
# Of that memory, the first part holds payloads of requests, the rest those of answers.
SHARED_SIZE: Final = 2 << 20
SHARED_INPUT_SIZE: Final = 256 << 10
# Rows of a timed batch: a call's number and its six arguments.
MAX_TIMED: Final = 4000
# A batch must fit into the executor's buffer.
MAX_BATCH_WORDS: Final = 30000
# Seconds that an answer may take: longer than what the executor gives a map on a busy machine.
PATIENCE: Final = 400.0
# Bytes that may come back for one, maps included.
MAX_ANSWER: Final = 1 << 30
# Bytes that are kept of what a worker says at its end.
MAX_WORDS: Final = 2000
_HEADER: Final = struct.Struct("<IIQ")
_U64: Final = 1 << 64

HELLO: Final = ord("H")
FILE_TEXT: Final = ord("F")
WRITE_FILE: Final = ord("W")
START: Final = ord("S")
BATCH: Final = ord("B")
TIMED: Final = ord("T")
END: Final = ord("E")
COMMAND: Final = ord("C")
COPY: Final = ord("K")
RESULTS: Final = ord("R")
SNAPSHOT: Final = ord("M")
DONE: Final = ord("D")
DIED: Final = ord("X")
REFUSED: Final = ord("N")
SHARED_OUTPUT: Final = ord("O")
SHARED_INPUT: Final = 0x100

CAN_NAMESPACES: Final = 1
CAN_IPC: Final = 2
IN_USER_NAMESPACE: Final = 4
IS_INIT: Final = 8

START_KEEPS_VDSO: Final = 1
START_UNFILTERED: Final = 2
# From this bit on: what the stream's folder is, by its place in PLACES; its personality.
START_PLACE: Final = 8
START_PERSONALITY: Final = 32
BATCH_FLUSHES: Final = 1

# The limits a worker starts with, by number of resource: soft and hard; all ones is no limit.
Limits = dict[int, tuple[int, int]]


@final
class Executor:
    """One executor at the other end of two descriptors; they stay the caller's.

    Errors of all methods: TargetError when the other end is gone, silent, or talks nonsense.
    """

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        timeout: float = PATIENCE,
        shared: mmap.mmap | None = None,
        *,
        works: bool = False,
    ) -> None:
        """shared: memory of SHARED_SIZE bytes that a guest may see too; the greeting tells.

        works: the other end is a worker's copy, which needs no start.
        """
        self._offered = shared
        self._shared: mmap.mmap | None = None
        self._line = bytearray()
        if shared is not None:
            shared[: len(GREETING)] = GREETING
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._timeout = timeout
        self._buffer = bytearray()
        self._works = works
        # Makes the last words of a worker readable, where it has any.
        self.read_words: Callable[[str], str] = str
        self.abilities = 0
        self.release = ""
        self.version = ""
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)

    def set_timeout(self, seconds: float) -> None:
        """How long an answer may take from now on."""
        self._timeout = seconds

    def wait_for_greeting(self) -> None:
        """Wait until a guest's executor has its line under control; what came before is noise."""
        size = len(GREETING)
        line = self._line
        while True:
            self._read_line(size)
            for greeting in (GREETING, GREETING_SHARED):
                found = line.find(greeting)
                if found >= 0:
                    del line[: found + size]
                    self._shared = self._offered if greeting == GREETING_SHARED else None
                    return
            del line[: 1 - size]

    # Requests.

    def hello(self) -> None:
        """Make sure that the executor is there and speaks the same protocol."""
        self._send(HELLO, b"")
        kind, extra, payload = self._receive()
        if kind != HELLO or extra >> 32 != PROTOCOL:
            raise TargetError("the executor speaks another protocol")
        self.abilities = extra & 0xFFFFFFFF
        release, _, version = payload.decode("ascii", "replace").partition("\n")
        self.release, self.version = release, version

    def read_file(self, path: str) -> str | None:
        """Return the text of a small file of the target's, None when it cannot be read."""
        self._send(FILE_TEXT, path.encode() + b"\0")
        text, error = self._file_frames()
        return None if error else text

    def write_file(self, path: str, text: str) -> None:
        """Write to a file of a guest's, such as a sysctl; this machine's are left alone."""
        self._send(WRITE_FILE, path.encode() + b"\0" + text.encode() + b"\0")
        kind, _, _ = self._receive()
        if kind != WRITE_FILE:
            raise TargetError(f"unexpected answer {kind:#x} to a write")

    def start(self, flags: int, uid: int, caps: int, bound: int, limits: Limits) -> Started | str:
        """Return a worker with a fresh address space; a text when it died before it was ready.

        bound: bytes of memory that its calls may take. limits: as far as the hard ones allow.
        """
        words = [flags, uid, caps, bound]
        for resource, (soft, hard) in limits.items():
            words += [resource, soft, hard]
        self._send(START, pack(words))
        self._works = True
        texts: list[str] = []
        maps: list[bytes] = []
        current: list[bytes] = []
        while True:
            kind, extra, payload = self._receive()
            if kind == FILE_TEXT:
                current.append(payload)
                if not payload:
                    texts.append(b"".join(current).decode("utf-8", "surrogateescape"))
                    current = []
            elif kind == SNAPSHOT:
                maps.append(payload)
            elif kind == START and len(texts) == 3:
                return Started(Map(b"".join(maps)), texts[0], texts[1], texts[2], extra)
            elif kind == DIED:
                self._works = False
                return self._how(extra, payload)
            else:
                raise TargetError(f"unexpected answer {kind:#x} while a worker starts")

    def send_batch(self, words: list[int], flush: bool = False) -> None:
        """Ask for calls; `receive_batch` must follow before the next request."""
        if len(words) > MAX_BATCH_WORDS:
            raise TargetError(f"a batch of {len(words)} words is too long")
        self._send(BATCH, pack(words), BATCH_FLUSHES if flush else 0)

    def receive_batch(self) -> Answer:
        """Return what came of the batch that was sent last."""
        answer = Answer()
        parts: list[bytes] = []
        size = 0
        while True:
            kind, extra, payload = self._receive()
            size += len(payload)
            if size > MAX_ANSWER:
                raise TargetError(f"an answer of more than {MAX_ANSWER >> 20} MiB to a batch")
            if kind == RESULTS:
                results = array("q")
                results.frombytes(payload)
                answer.results.extend(results)
            elif kind == SNAPSHOT:
                if payload:
                    parts.append(payload)
                else:
                    answer.maps.append(Map(b"".join(parts), -_signed(extra)))
                    parts = []
            elif kind == DONE:
                if extra == _U64 - 1:
                    raise TargetError("the executor could not read a batch")
                answer.done = extra
                return answer
            elif kind == DIED:
                self._works = False
                answer.died = self._how(extra, payload)
                return answer
            else:
                raise TargetError(f"unexpected answer {kind:#x} to a batch")

    def run(self, words: list[int], flush: bool = False) -> Answer:
        """Send a batch and wait for what comes of it."""
        self.send_batch(words, flush)
        return self.receive_batch()

    def run_timed(self, rows: "array[int]", clock: int) -> "tuple[int, array[int]]":
        """Let the worker make calls in one go: how long they took, in ns, and their results.

        rows: at most MAX_TIMED times a number and six arguments, without memory behind pointers.
        clock: CLOCK_*, of the worker.
        """
        self._send(TIMED, rows.tobytes(), clock)
        results = array("q")
        while True:
            kind, extra, payload = self._receive()
            if kind == RESULTS:
                results.frombytes(payload)
            elif kind == TIMED:
                return extra, results
            else:
                self._works = False
                raise TargetError(f"the worker {_how(extra)} in a timed batch")

    def command(self, text: str) -> tuple[str, str]:
        """Let a tree's worker carry out lines of commands: its answers, and how it died or ""."""
        self._send(COMMAND, text.encode("ascii"))
        parts: list[bytes] = []
        while True:
            kind, extra, payload = self._receive()
            if kind == DIED:
                self._works = False
                return b"".join(parts).decode("ascii", "replace"), self._how(extra, payload)
            if kind != COMMAND:
                raise TargetError(f"unexpected answer {kind:#x} to a command")
            if not payload:
                return b"".join(parts).decode("ascii", "replace"), ""
            parts.append(payload)

    def copy_worker(self, requests: str, answers: str) -> None:
        """Let a tree's worker make a copy of itself, which reads and writes these two files."""
        self._send(COPY, f"{requests} {answers}".encode("ascii"))
        kind, extra, payload = self._receive()
        if kind == DIED:
            self._works = False
            raise TargetError(f"the worker {self._how(extra, payload)}")
        if kind != COPY or extra:
            raise TargetError(f"a worker cannot be copied: {os.strerror(-_signed(extra))}")

    def end(self) -> str:
        """Let the worker end: "", or how it died instead."""
        if not self._works:
            return ""
        self._send(END, b"")
        self._works = False
        while True:
            kind, extra, payload = self._receive()
            if kind == END:
                return ""
            if kind == DIED:
                return self._how(extra, payload)

    def _how(self, status: int, words: bytes) -> str:
        """Return how a worker ended: its last words if it had any, else from its wait status."""
        if not words:
            return _how(status)
        return self.read_words(words[:MAX_WORDS].decode("utf-8", "replace"))

    # Frames.

    def _file_frames(self) -> tuple[str, int]:
        parts: list[bytes] = []
        while True:
            kind, extra, payload = self._receive()
            if kind != FILE_TEXT:
                raise TargetError(f"unexpected answer {kind:#x} to a request for a file")
            if not payload:
                return b"".join(parts).decode("utf-8", "surrogateescape"), -_signed(extra)
            parts.append(payload)

    def _send(self, kind: int, payload: bytes, extra: int = 0) -> None:
        shared = self._shared
        if shared is not None and payload:
            shared[: len(payload)] = payload
            self._write_line(_HEADER.pack(kind | SHARED_INPUT, len(payload), extra))
        else:
            self._write_line(_HEADER.pack(kind, len(payload), extra) + payload)

    def _receive(self) -> tuple[int, int, bytes]:
        """Return one frame: its kind, its extra word, its payload."""
        self._fill(_HEADER.size)
        kind, length, extra = _HEADER.unpack_from(self._buffer)
        if length > 1 << 24:
            raise TargetError(f"an answer of {length} bytes")
        self._fill(_HEADER.size + length)
        payload = bytes(self._buffer[_HEADER.size : _HEADER.size + length])
        del self._buffer[: _HEADER.size + length]
        if kind == REFUSED:
            self._works = False
            raise ConfinementError(payload.decode("ascii", "replace"), extra & 0xFFFF)
        return kind, extra, payload

    def _fill(self, size: int) -> None:
        """Make sure that the first `size` bytes of answers are there."""
        shared, buffer, line = self._shared, self._buffer, self._line
        while len(buffer) < size:
            if shared is None:
                self._read_line(1)
                buffer += line
                line.clear()
                continue
            self._read_line(_HEADER.size)
            kind, length, _ = _HEADER.unpack_from(line)
            del line[: _HEADER.size]
            if kind != SHARED_OUTPUT or length > SHARED_SIZE - SHARED_INPUT_SIZE:
                raise TargetError("the guest sent invalid data on its serial line")
            buffer += shared[SHARED_INPUT_SIZE : SHARED_INPUT_SIZE + length]
            # The guest waits until it may use the memory again.
            self._write_line(_HEADER.pack(SHARED_OUTPUT, 0, 0))

    # The line.

    def _write_line(self, message: bytes) -> None:
        data = memoryview(message)
        while data:
            _, ready, _ = select.select([], [self._write_fd], [], self._timeout)
            if not ready:
                raise TargetError("the executor takes no more requests")
            try:
                data = data[os.write(self._write_fd, data) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise TargetError(f"the executor is gone: {error.strerror}") from None

    def _read_line(self, size: int) -> None:
        """Read until the line has given `size` bytes that nobody has taken."""
        line = self._line
        deadline = 0.0
        while len(line) < size:
            try:
                data = os.read(self._read_fd, 1 << 18)
            except BlockingIOError:
                now = time.monotonic()
                deadline = deadline or now + self._timeout
                left = deadline - now
                if left <= 0:
                    raise TargetError(f"no answer for {self._timeout:.0f} s") from None
                select.select([self._read_fd], [], [], left)
                continue
            except OSError as error:
                raise TargetError(f"the executor is gone: {error.strerror}") from None
            if not data:
                raise TargetError("the executor has ended")
            line += data
            deadline = 0.0


def _signed(value: int) -> int:
    return value - _U64 if value >> 63 else value


def _how(status: int) -> str:
    """Return how a process ended, from its wait status; a negative errno when it never began."""
    status = _signed(status)
    if status < 0:
        return f"could not be started: {os.strerror(-status)}"
    signal = status & 0x7F
    if signal == 14:
        return "hung, and was ended by SIGALRM"
    if signal:
        return f"killed by signal {signal}"
    return f"exited with {status >> 8}"
