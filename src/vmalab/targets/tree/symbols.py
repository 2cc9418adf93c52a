# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of functions for the addresses in a worker's last words."""

import re
import subprocess
from bisect import bisect_right
from pathlib import Path
from typing import Final, final

_ADDRESS: Final = re.compile(r" ?\[0x([0-9a-f]{1,16})\]")
# Functions of ours, from which the tree's code was called or that ended it: of no interest.
_OURS: Final = (
    *("vmalab_", "one_call", "run_batch", "main", "work", "on_signal", "_start"),
    *("report", "__asan_", "__ubsan_", "serve_requests", "panic", "vpanic"),
)
# Names of one report.
MOST: Final = 6


@final
class Symbols:
    """The functions of a program, asked of nm when the first address is to be named."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._addresses: list[int] = []
        self._names: list[str] = []

    def translate(self, words: str) -> str:
        """Return last words with names in the place of addresses, innermost function first."""
        addresses = [int(text, 16) for text in _ADDRESS.findall(words)]
        text = _ADDRESS.sub("", words).strip()
        names: list[str] = []
        for address in addresses:
            name = self.name(address)
            if name and not name.startswith(_OURS) and (not names or names[-1] != name):
                names.append(name)
        return f"{text} [in {', from '.join(names[:MOST])}]" if names else text

    def name(self, address: int) -> str:
        """Return the function that an address lies in, "" when it is in none."""
        if not self._addresses:
            self._load()
        index = bisect_right(self._addresses, address) - 1
        return self._names[index] if index >= 0 else ""

    def _load(self) -> None:
        self._addresses, self._names = [0], [""]
        try:
            done = subprocess.run(
                ["nm", "-n", "--defined-only", str(self._program)],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError:
            return
        for address, name in re.findall(r"^([0-9a-f]{16}) [tTwW] (\S+)$", done.stdout, re.M):
            self._addresses.append(int(address, 16))
            self._names.append(name.partition(".")[0])
        # Beyond the program are libraries.
        self._addresses.append((self._addresses[-1] | 0xFFFF) + 1)
        self._names.append("")
