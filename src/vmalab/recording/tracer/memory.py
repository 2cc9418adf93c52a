# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads what calls point to: bytes, words and strings, of a held process or of what a log has."""

import ctypes
import os
import struct
from typing import Final, final

from vmalab.calls.call import TruncatedStr
from vmalab.linux.include.page import PAGE_SIZE, TASK_SIZE_5LEVEL

MAX_STRING: Final = 4096

_libc: Final = ctypes.CDLL(None, use_errno=True)


class Pointees:
    """What arguments of calls point to, by address."""

    def read(self, address: int, size: int) -> bytes:
        """At most `size` bytes; fewer where memory ends, or is not known."""
        raise NotImplementedError

    def words(self, address: int, count: int, wide: bool = True) -> list[int]:
        """At most `count` words of 64 bits; of 32 if not wide."""
        size, letter = (8, "Q") if wide else (4, "I")
        raw = self.read(address, size * count)
        found = len(raw) // size
        return list(struct.unpack(f"<{found}{letter}", raw[: found * size]))

    def string(self, address: int, limit: int = MAX_STRING) -> str | None:
        """Return the string at an address: cut to `limit` bytes, None when it cannot be read."""
        raw = b""
        while b"\0" not in raw and len(raw) <= limit:
            at = address + len(raw)
            more = self.read(at, PAGE_SIZE - at % PAGE_SIZE)
            if not more:
                return None
            raw += more
        text, end, _ = raw.partition(b"\0")
        if not end or len(text) > limit:
            return TruncatedStr(text[:limit].decode("utf-8", "surrogateescape"))
        return text.decode("utf-8", "surrogateescape")


class _Iovec(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("iov_base", ctypes.c_void_p), ("iov_len", ctypes.c_size_t))


@final
class Memory(Pointees):
    """The memory of a process, read as the process itself could read it.

    Where process_vm_readv() cannot, /proc/PID/mem is asked, which reads what no access is allowed
    to as well; that is left out.
    """

    def __init__(self, pid: int) -> None:
        """Errors: OSError."""
        self._pid = pid
        self._fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """The address space is gone."""
        os.close(self._fd)

    def read(self, address: int, size: int) -> bytes:
        """At most `size` bytes; fewer where memory ends or cannot be read."""
        if not 0 < address < TASK_SIZE_5LEVEL:
            return b""
        raw = self._read_as_process(address, size)
        if raw:
            return raw
        try:
            raw = os.pread(self._fd, size, address)
        except OSError:
            raw = b""
        if raw and self._is_closed_off(address):
            return b""
        page_rest = PAGE_SIZE - address % PAGE_SIZE
        if not raw and size > page_rest:
            # A read that begins well and runs into a hole may fail as a whole.
            return self.read(address, page_rest)
        return raw

    def _read_as_process(self, address: int, size: int) -> bytes:
        """Read what allows reading, b"" for nothing."""
        buffer = ctypes.create_string_buffer(size)
        local = _Iovec(ctypes.addressof(buffer), size)
        remote = _Iovec(address, size)
        one = ctypes.c_ulong(1)
        got = _libc.process_vm_readv(
            self._pid, ctypes.byref(local), one, ctypes.byref(remote), one, ctypes.c_ulong(0)
        )
        return buffer.raw[:got] if got > 0 else b""

    def _is_closed_off(self, address: int) -> bool:
        """Return whether the process itself may not access an address in any way."""
        try:
            with open(f"/proc/{self._pid}/maps", "rb") as maps:
                for line in maps:
                    span, perms = line.split(None, 2)[:2]
                    start, _, end = span.partition(b"-")
                    if int(start, 16) <= address < int(end, 16):
                        return perms.startswith(b"---")
        except (OSError, ValueError):
            pass
        return False
