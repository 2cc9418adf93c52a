# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels' memory for tests: what was read of it in QEMU, at which addresses.

tests/data/memory has that of three kernels, with smaps of both processes there, by the kernel.
"""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from vmalab.calls.errors import ReadError
from vmalab.recording.memory.layout import Types

DATA = Path(__file__).parent / "data" / "memory"
KERNELS = ("6.1", "6.12", "7.3")


@cache
def kept(kernel: str) -> dict[str, Any]:
    with gzip.open(DATA / f"linux-{kernel}.json.gz") as file:
        return dict(json.load(file))


class KeptMemory:
    """What was read of a kernel's memory; nothing else is there."""

    path = "memory"

    def __init__(self, kernel: str) -> None:
        self.types: Types = self
        self.release = str(kept(kernel)["release"])
        self._kept = kept(kernel)
        self.reads = {int(at, 16): bytes.fromhex(raw) for at, raw in self._kept["reads"].items()}

    def offset(self, name: str, path: str) -> int | None:
        found: int | None = self._kept["offsets"].get(f"{name} {path}")
        return found

    def size(self, name: str) -> int:
        return int(self._kept["sizes"][name])

    def symbol(self, name: str) -> int:
        return int(self._kept["symbols"][name])

    def read(self, address: int, size: int) -> bytes:
        found = self.reads.get(address, b"")[:size]
        if len(found) < size:
            raise ReadError(self.path, 0, f"nothing at {address:#x}")
        return found
