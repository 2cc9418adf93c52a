# SPDX-License-Identifier: GPL-2.0-or-later
"""Gives each stream of a guest the same pool of huge pages, whatever those before it have left."""

import re
import time
from collections.abc import Callable
from typing import Final, final

# How often the pool is looked at until all pages are back, and seconds between.
_TRIES: Final = 50
_PAUSE: Final = 0.01
_COUNTS: Final = ("Total", "Free", "Rsvd")


@final
class HugePool:
    """The pool of the default size. read, write: of files of that kernel; pause: waits so long.

    What a stream had comes back a while after its end: segments go with their namespace, which the
    kernel frees later. And a kernel may lose count of some for good.
    """

    def __init__(
        self,
        read: Callable[[str], str | None],
        write: Callable[[str, str], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read = read
        self._write = write
        self._pause = pause
        # Pages that no stream has and that do not come back.
        self._lost = 0

    def fill(self, path: str, wanted: int) -> int:
        """Let so many pages be free, beside those that are lost; return how many are.

        path: of the file that sets the pool's size.
        """
        taken = self._counted()[1]
        for _ in range(_TRIES):
            if taken <= self._lost:
                break
            self._pause(_PAUSE)
            taken = self._counted()[1]
        self._lost = taken
        self._write(path, str(wanted + taken))
        total, taken = self._counted()
        return total - taken

    def _counted(self) -> tuple[int, int]:
        """Return how many pages there are, and how many of them are in use or reserved."""
        text = self._read("/proc/meminfo") or ""
        counts = dict(re.findall(r"^HugePages_(\w+): +(\d+)", text, re.M))
        total, free, reserved = (int(counts.get(name, 0)) for name in _COUNTS)
        return total, total - free + reserved
