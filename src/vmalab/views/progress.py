# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows on the terminal how far long work has come; elsewhere, and on short work, nothing."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, final

from vmalab.views.visible import visible

if TYPE_CHECKING:
    from rich.status import Status

# Tells which part of some work is done, 0 to 1; None: not known.
Share = Callable[[], float | None]
# Seconds of work after which it counts as long.
PATIENCE: Final = 1.0


@final
class Progress:
    """A line on standard error that tells what is being replayed, when that is a terminal."""

    def __init__(self) -> None:
        self._path = ""
        self._share: Share | None = None
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

    def begin(self, path: str, share: "Share | None" = None) -> None:
        """Work on a recording begins. share: which part of it is done by now, None: not known."""
        self._path = path
        self._share = share
        self._began = time.monotonic()

    def advance(self, calls: int, more: str = "") -> None:
        """So many calls of it are done; `more` says it in other words."""
        if not self._wanted or time.monotonic() - self._began < PATIENCE:
            return
        text = f"{self._path}: {more or f'{calls} calls'}{self._left()}"
        from rich.text import Text

        shown = Text(visible(text))
        if self._status is None:
            from rich.console import Console

            self._status = Console(stderr=True).status(shown)
            self._status.start()
        else:
            self._status.update(shown)

    def _left(self) -> str:
        """Return how much is done, and how long the rest takes at that rate; "" for not known."""
        share = None if self._share is None else self._share()
        if not share:
            return ""
        from vmalab.views.enomem import duration

        seconds = (time.monotonic() - self._began) * (1 / share - 1)
        return f", {share:.0%}, {duration(round(seconds))} left"

    def clear(self) -> None:
        """Take the line off, before something else is printed."""
        if self._status is not None:
            self._status.stop()
            self._status = None
