# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows on the terminal how far long work has come; elsewhere, and on short work, nothing."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, final

from vmalab.views.visible import visible

if TYPE_CHECKING:
    from rich.status import Status

# Seconds of work after which it counts as long.
PATIENCE: Final = 1.0


@final
class Progress:
    """A line on standard error that tells what is being replayed, when that is a terminal."""

    def __init__(self) -> None:
        self._path = ""
        self._began = 0.0
        self._status: Status | None = None
        self._wanted = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def begin(self, path: str) -> None:
        """Work on a recording begins."""
        self._path = path
        self._began = time.monotonic()

    def advance(self, calls: int, more: str = "") -> None:
        """So many calls of it are done; `more` says it in other words."""
        if not self._wanted or time.monotonic() - self._began < PATIENCE:
            return
        text = f"{self._path}: {more or f'{calls} calls'}"
        from rich.text import Text

        shown = Text(visible(text))
        if self._status is None:
            from rich.console import Console

            self._status = Console(stderr=True).status(shown)
            self._status.start()
        else:
            self._status.update(shown)

    def clear(self) -> None:
        """Take the line off, before something else is printed."""
        if self._status is not None:
            self._status.stop()
            self._status = None
