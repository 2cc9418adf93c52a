# SPDX-License-Identifier: GPL-2.0-or-later
"""Qiling's emulation of Linux's memory calls as a target of runner.py: an example to start from.

    pip install qiling
    python3 runner.py --target qiling_target.py:QilingTarget --maps pages 6.18/anonymous-*.jsonl

The calls go to the functions that Qiling emulates system calls by, for a program of x86-64 that is
empty. What Qiling does not have answers ENOSYS.
"""

import errno
import logging
from typing import Any

from qiling import Qiling
from qiling.const import QL_ARCH, QL_OS, QL_VERBOSE
from qiling.os.posix.syscall import mman

CALLS = {
    "mmap": mman.ql_syscall_mmap,
    "munmap": mman.ql_syscall_munmap,
    "mprotect": mman.ql_syscall_mprotect,
    "madvise": mman.ql_syscall_madvise,
}
WINDOW = range(0x2_0000_0000, 0x2_0004_0000)


class QilingTarget:
    """A process of Qiling with nothing mapped in the streams' window."""

    def __init__(self) -> None:
        logging.disable(logging.CRITICAL)
        self.ql = Qiling(
            code=b"\xc3", archtype=QL_ARCH.X8664, ostype=QL_OS.LINUX, verbose=QL_VERBOSE.DISABLED
        )
        # Of a program that was loaded: from where on it looks for free places.
        self.ql.loader.mmap_address = 0x1_0000_0000

    def call(self, name: str, args: list[Any]) -> int:
        """Make a call; Returns: what Qiling's function answers."""
        if name == "touch":
            try:
                for at in range(args[0], args[0] + args[1], 4096):
                    self.ql.mem.write(at, b"\x01")
            except Exception:
                return -errno.EFAULT
            return 0
        if name not in CALLS or any(isinstance(arg, str) for arg in args):
            return -errno.ENOSYS
        return int(CALLS[name](self.ql, *(arg & (2**64 - 1) for arg in args)))

    def maps(self) -> list[tuple[int, int, str, int, str]]:
        """Return what Qiling has mapped in the window. It does not know what is shared."""
        found = []
        for start, end, perms, _, _ in self.ql.mem.get_mapinfo():
            if start in WINDOW:
                found.append((start, end, f"{perms.strip()}p", 0, "anon"))
        return found
