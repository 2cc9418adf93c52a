# SPDX-License-Identifier: GPL-2.0-or-later
"""Ring buffers of perf_event_open(2): one a CPU, which the kernel fills and this process empties.

What is read is not looked at: it goes to the disk as it came.
"""

import ctypes
import mmap
import os
import struct
import time
from typing import Final, final

_NR_PERF_EVENT_OPEN: Final = 298
_PAGE: Final = mmap.PAGESIZE
# struct perf_event_mmap_page: words of 64 bits.
_DATA_HEAD: Final = 1024 // 8
_DATA_TAIL: Final = 1032 // 8

PERF_TYPE_SOFTWARE: Final = 1
PERF_COUNT_SW_BPF_OUTPUT: Final = 10
PERF_SAMPLE_RAW: Final = 1 << 10
PERF_SAMPLE_REGS_USER: Final = 1 << 12
PERF_SAMPLE_STACK_USER: Final = 1 << 13
PERF_FORMAT_LOST: Final = 1 << 4
_FLAG_FD_NO_GROUP: Final = 1 << 0
_FLAG_FD_OUTPUT: Final = 1 << 1
_FLAG_FD_CLOEXEC: Final = 1 << 3
# Bits of the word of flags in struct perf_event_attr.
_WATERMARK: Final = 1 << 14
USE_CLOCKID: Final = 1 << 25
_ATTR_SIZE: Final = 136
_REGS_USER: Final = 80
_IOC_ENABLE: Final = 0x2400

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def attr(
    kind: int,
    config: int,
    sample: int,
    flags: int,
    read_format: int,
    wake: int,
    user: tuple[int, int] = (0, 0),
) -> bytes:
    """Return a struct perf_event_attr that samples every event.

    wake: bytes until a reader wakes. user: which registers, and bytes of the stack.
    """
    head = struct.pack(
        "<IIQQQQQII", kind, _ATTR_SIZE, config, 1, sample, read_format, flags | _WATERMARK, wake, 0
    )
    more = struct.pack("<QIi", *user, time.CLOCK_MONOTONIC if flags & USE_CLOCKID else 0)
    return (head.ljust(_REGS_USER, b"\0") + more).ljust(_ATTR_SIZE, b"\0")


def perf_event_open(raw: bytes, pid: int, cpu: int, output: int = -1) -> int:
    """Return the descriptor of an event. output: of another whose ring it writes to.

    Errors: OSError.
    """
    buffer = ctypes.create_string_buffer(raw, len(raw))
    flags = _FLAG_FD_CLOEXEC | (0 if output < 0 else _FLAG_FD_OUTPUT | _FLAG_FD_NO_GROUP)
    fd = int(_syscall(_NR_PERF_EVENT_OPEN, buffer, pid, cpu, output, flags))
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return fd


def online_cpus() -> list[int]:
    """Return the numbers of the CPUs that run."""
    with open("/sys/devices/system/cpu/online", encoding="ascii") as file:
        text = file.read().strip()
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


@final
class Ring:
    """The buffer of one event on one CPU. fd: of the event, this object's from now on."""

    def __init__(self, fd: int, cpu: int, size: int) -> None:
        """size: bytes, a power of two of pages. Errors: OSError."""
        self.fd = fd
        self.cpu = cpu
        self._size = size
        try:
            self._map = mmap.mmap(fd, _PAGE + size)
        except (OSError, ValueError):
            os.close(fd)
            raise
        self._bytes = memoryview(self._map)
        self._words = self._bytes[:_PAGE].cast("Q")
        self._tail = 0

    def take(self) -> bytes:
        """Return all whole records that are there, and make room for others."""
        head = self._words[_DATA_HEAD]
        length = head - self._tail
        if length == 0:
            return b""
        begin = self._tail % self._size
        data = self._bytes[_PAGE:]
        if begin + length <= self._size:
            raw = bytes(data[begin : begin + length])
        else:
            raw = bytes(data[begin:]) + bytes(data[: begin + length - self._size])
        self._tail = head
        self._words[_DATA_TAIL] = head
        return raw

    def lost(self) -> int:
        """Return how many records found no room so far."""
        raw = os.read(self.fd, 16)
        return struct.unpack("<2Q", raw)[1] if len(raw) == 16 else 0

    def close(self) -> None:
        """Nothing more is read."""
        self._words.release()
        self._bytes.release()
        self._map.close()
        os.close(self.fd)


def output_ring(cpu: int, size: int) -> Ring:
    """Return the buffer into which BPF programs write on a CPU. Errors: OSError."""
    raw = attr(
        PERF_TYPE_SOFTWARE,
        PERF_COUNT_SW_BPF_OUTPUT,
        PERF_SAMPLE_RAW,
        0,
        PERF_FORMAT_LOST,
        size // 4,
    )
    fd = perf_event_open(raw, -1, cpu)
    return Ring(fd, cpu, size)
