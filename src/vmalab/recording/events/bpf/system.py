# SPDX-License-Identifier: GPL-2.0-or-later
"""bpf(2): maps, programs, and what attaches a program to the kernel."""

import ctypes
import errno
import os
import struct
from typing import Final

_NR_BPF: Final = 321
_MAP_CREATE: Final = 0
_MAP_LOOKUP: Final = 1
_MAP_UPDATE: Final = 2
_MAP_NEXT_KEY: Final = 4
_PROG_LOAD: Final = 5
_RAW_TRACEPOINT_OPEN: Final = 17

MAP_HASH: Final = 1
MAP_ARRAY: Final = 2
MAP_PERF_EVENT_ARRAY: Final = 4
MAP_PERCPU_ARRAY: Final = 6
MAP_NO_PREALLOC: Final = 1

_TYPE_TRACING: Final = 26
_ATTACH_RAW_TP: Final = 23

_ATTR_SIZE: Final = 152
_LOG_SIZE: Final = 1 << 20

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


class BpfRefused(Exception):
    """The kernel takes a program or a map not. Its text says what and why."""


def bpf(command: int, attr: bytes) -> int:
    """One call. Errors: OSError."""
    buffer = ctypes.create_string_buffer(attr.ljust(_ATTR_SIZE, b"\0"), _ATTR_SIZE)
    result = int(_syscall(_NR_BPF, command, buffer, _ATTR_SIZE))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def create_map(kind: int, key: int, value: int, entries: int, flags: int = 0) -> int:
    """Return the descriptor of a new map; key, value: bytes of each. Errors: OSError."""
    return bpf(_MAP_CREATE, struct.pack("<5I", kind, key, value, entries, flags))


def update(map_fd: int, key: bytes, value: bytes) -> None:
    """Put a value into a map. Errors: OSError."""
    keys, values = ctypes.create_string_buffer(key), ctypes.create_string_buffer(value)
    attr = struct.pack("<I4xQQQ", map_fd, ctypes.addressof(keys), ctypes.addressof(values), 0)
    bpf(_MAP_UPDATE, attr)


def lookup(map_fd: int, key: bytes, size: int) -> bytes:
    """Return a value of a map, of so many bytes. Errors: OSError."""
    keys, values = ctypes.create_string_buffer(key), ctypes.create_string_buffer(size)
    attr = struct.pack("<I4xQQQ", map_fd, ctypes.addressof(keys), ctypes.addressof(values), 0)
    bpf(_MAP_LOOKUP, attr)
    return values.raw


def keys(map_fd: int, size: int) -> list[bytes]:
    """Return the keys of a map, of so many bytes each. One that goes meanwhile ends the list."""
    found: list[bytes] = []
    key, following = ctypes.create_string_buffer(size), ctypes.create_string_buffer(size)
    at = 0
    while True:
        try:
            bpf(_MAP_NEXT_KEY, struct.pack("<I4xQQ", map_fd, at, ctypes.addressof(following)))
        except FileNotFoundError:
            return found
        if following.raw in found:
            # The kernel begins anew behind a key that has gone.
            return found
        key.raw = following.raw
        found.append(key.raw)
        at = ctypes.addressof(key)


def is_empty(map_fd: int, key: int) -> bool:
    """Return whether a map holds nothing; key: bytes of one."""
    found = ctypes.create_string_buffer(key)
    try:
        bpf(_MAP_NEXT_KEY, struct.pack("<I4xQQ", map_fd, 0, ctypes.addressof(found)))
    except FileNotFoundError:
        return True
    return False


def load_program(name: str, code: bytes, target: int) -> int:
    """Return the descriptor of a program for a tracepoint of the kernel.

    target: its number in BTF. Errors: Refused, with the last words of the kernel's verifier.
    """
    insns = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(b"GPL")

    def attr(log: int, size: int, level: int) -> bytes:
        head = struct.pack(
            "<IIQQIIQII16sII",
            _TYPE_TRACING,
            len(code) // 8,
            ctypes.addressof(insns),
            ctypes.addressof(licence),
            level,
            size,
            log,
            0,
            0,
            name.encode()[:15],
            0,
            _ATTACH_RAW_TP,
        )
        # prog_btf_fd, func_info and line_info: none. attach_btf_id.
        return head.ljust(108, b"\0") + struct.pack("<I", target)

    try:
        return bpf(_PROG_LOAD, attr(0, 0, 0))
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise
    log = ctypes.create_string_buffer(_LOG_SIZE)
    try:
        return bpf(_PROG_LOAD, attr(ctypes.addressof(log), _LOG_SIZE, 1))
    except OSError as error:
        lines = log.value.decode("utf-8", "replace").strip().split("\n")
        said = [line for line in lines if line[:1].isalpha() and not line.startswith("processed ")]
        why = said[-1] if said else ""
        raise BpfRefused(f"{name}: {error.strerror}: {why[:200]}") from None


def attach(program: int) -> int:
    """Attach a program to what it was loaded for, until the descriptor is closed.

    Errors: OSError.
    """
    return bpf(_RAW_TRACEPOINT_OPEN, struct.pack("<QI", 0, program))
