# SPDX-License-Identifier: GPL-2.0-or-later
"""Which lines of the VMA core streams have reached: what random calls exercise, and what they miss.

Only an interpreted engine can be watched, and it is slower then: a few streams are enough.
Compiled, nothing is known and nothing is claimed.
"""

import linecache
import sys
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, final

from vmalab import COMPILED
from vmalab.linux.mm import vma

_CORE: Final = Path(vma.__file__).parent


@final
class Reach:
    """Notes lines of files of the core while it watches."""

    def __init__(self) -> None:
        self._lines: dict[str, set[int]] = {}
        self._known: dict[str, frozenset[int]] = {}
        self._prefix = str(_CORE) + "/"

    def watch(self, wanted: bool) -> None:
        """Watch from now on, or no more."""
        if COMPILED or (not wanted and not self._known):
            return
        if wanted and not self._known:
            for path in sorted(_CORE.glob("*.py")):
                self._known[str(path)] = _lines_of(str(path))
        sys.settrace(self._enter if wanted else None)

    def _enter(self, frame: FrameType, event: str, arg: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(self._prefix):
            return None
        lines = self._lines.setdefault(name, set())

        def line(inner: FrameType, event: str, arg: Any) -> Any:
            lines.add(inner.f_lineno)
            return line

        return line

    def lines(self) -> dict[str, tuple[frozenset[int], int]]:
        """File of the core -> lines reached inside functions, and how many there are."""
        return {
            Path(name).stem: (frozenset(self._lines.get(name, set()) & known), len(known))
            for name, known in self._known.items()
            if known
        }


@cache
def _lines_of(path: str) -> frozenset[int]:
    """Return the lines inside functions of a file."""
    # Asked of the cache, which has the lines that run where a mutant has changed them.
    code = compile("".join(linecache.getlines(path)), path, "exec")
    found: set[int] = set()
    pending = [const for const in code.co_consts if isinstance(const, CodeType)]
    while pending:
        inner = pending.pop()
        pending += [const for const in inner.co_consts if isinstance(const, CodeType)]
        if inner.co_flags & 0x2:
            first = inner.co_firstlineno
            found |= {line for _, _, line in inner.co_lines() if line and line != first}
    return frozenset(found)
