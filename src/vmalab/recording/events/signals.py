# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals as something to wait for beside other descriptors: signalfd(2)."""

import ctypes
import os
import signal
import struct
from collections.abc import Iterable
from typing import Final, Self, final

# struct signalfd_siginfo: number, error, code, and what nobody asks for.
_INFO: Final = struct.Struct("<IiI116x")
_SIGSET_SIZE: Final = 128
_NONBLOCK: Final = os.O_NONBLOCK | os.O_CLOEXEC

_signalfd = ctypes.CDLL(None, use_errno=True).signalfd


@final
class SignalDescriptor:
    """Blocked signals, taken from a descriptor."""

    def __init__(self, numbers: Iterable[int]) -> None:
        """Errors: OSError."""
        mask = sum(1 << int(number) - 1 for number in numbers)
        raw = mask.to_bytes(8, "little").ljust(_SIGSET_SIZE, b"\0")
        self.fd = int(_signalfd(-1, raw, _NONBLOCK))
        if self.fd < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        os.close(self.fd)

    def take(self) -> list[tuple[signal.Signals, int]]:
        """Return the signals that have come: number, and si_code."""
        found: list[tuple[signal.Signals, int]] = []
        while True:
            try:
                raw = os.read(self.fd, _INFO.size)
            except BlockingIOError:
                return found
            number, _, code = _INFO.unpack(raw)
            found.append((signal.Signals(number), code))
