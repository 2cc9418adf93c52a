# SPDX-License-Identifier: GPL-2.0-or-later
"""The program behind `vmalab top PID`: what one process's calls do to its VMAs, as it runs."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Static

from vmalab.explain.live.watching import LiveSite, LiveState
from vmalab.tui.lines import Lines
from vmalab.tui.program import TerminalProgram
from vmalab.tui.top.attached import Attached
from vmalab.views.text_table import counted, size_text
from vmalab.views.visible import visible

_LOOK_EVERY: Final = 0.2
# Seconds behind from which on that is said.
_BEHIND: Final = 1.0
_SORTS: Final[dict[str, Callable[[LiveSite], float]]] = {
    "VMAs": lambda site: -site.vmas,
    "a second": lambda site: -site.per_second,
    "boundaries": lambda site: -site.boundaries,
    "size": lambda site: -site.size,
}
_SITES: Final = f"{'VMAs':>7} {'a second':>9} {'boundaries':>10} {'size':>10}  made by"
_APART: Final = f"{'boundaries':>10} {'cost':>6}  apart by"


class LiveTop(TerminalProgram):
    """What holds VMAs, what keeps neighbours apart, and what fails."""

    TITLE = "vmalab top"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("space", "freeze", "Freeze"),
        Binding("v", "sort('VMAs')", "VMAs"),
        Binding("g", "sort('a second')", "Growth"),
        Binding("b", "sort('boundaries')", "Boundaries"),
        Binding("z", "sort('size')", "Size"),
        Binding("s", "save", "Save recording"),
        Binding("h", "page", "HTML page"),
    ]
    CSS = """
    #subject { height: 1; background: $primary-darken-2; color: $text; }
    .heads { height: 1; text-style: bold; }
    #sites { height: 2fr; }
    #apart, #failures { height: 1fr; }
    #note { height: 1; color: $warning; }
    """

    def __init__(self, attached: Attached, subject: str) -> None:
        super().__init__()
        self.frozen = False
        self.state: LiveState | None = None
        # The one that was shown before.
        self._before: LiveState | None = None
        self._attached = attached
        self._subject = subject
        self._sort = "VMAs"
        self._sites_shown: list[str] = []
        self._apart_shown: list[str] = []
        self._failures_shown: list[str] = []
        self._head = Static(id="subject", markup=False)
        self._note = Static(id="note", markup=False)
        self.sites = Lines(lambda at: Text(self._sites_shown[at], end=""), id="sites")
        self.apart = Lines(lambda at: Text(self._apart_shown[at], end=""), id="apart")
        self.failures = Lines(lambda at: Text(self._failures_shown[at], end=""), id="failures")

    def compose(self) -> ComposeResult:
        """Make the parts of the window."""
        yield self._head
        yield Static(_SITES, classes="heads", markup=False)
        yield self.sites
        with Horizontal():
            with Vertical():
                yield Static(_APART, classes="heads", markup=False)
                yield self.apart
            with Vertical():
                yield Static("failed calls, the latest first", classes="heads", markup=False)
                yield self.failures
        yield self._note
        yield Footer()

    def on_mount(self) -> None:
        """Begin to listen."""
        self.sites.focus()
        self.set_interval(_LOOK_EVERY, self._take)

    def _take(self) -> None:
        """Show what has come."""
        attached = self._attached
        if attached.said:
            self.say(attached.said)
            attached.said = ""
        if attached.state is not None and attached.state is not self.state and not self.frozen:
            self._before, self.state = self.state, attached.state
            self._show(attached.state)
        elif attached.over:
            self._show_head(self.state)

    def _show(self, state: LiveState) -> None:
        sites = sorted(state.sites, key=_SORTS[self._sort])
        self._sites_shown = [
            visible(
                f"{site.vmas:>7} {site.per_second:>9.1f} {site.boundaries:>10} "
                f"{size_text(site.size):>10}  {site.cause}"
            )
            for site in sites
        ]
        self._apart_shown = [
            visible(f"{boundaries:>10} {saves:>6}  {text}")
            for text, boundaries, saves in state.apart
        ]
        self._failures_shown = [
            visible(
                f"{time.strftime('%H:%M:%S', time.localtime(failure.time))} {failure.errno} "
                f"{failure.why}: {failure.call}"
            )
            for failure in reversed(state.failures)
        ]
        self.sites.set_count(len(self._sites_shown))
        self.apart.set_count(len(self._apart_shown))
        self.failures.set_count(len(self._failures_shown))
        self._show_head(state)

    def _show_head(self, state: LiveState | None) -> None:
        parts = [self._subject]
        if self.frozen:
            parts.append("frozen")
        if self._attached.over:
            parts.append(self._attached.why or "the process has ended")
        elif state is None:
            parts.append("attaching …")
        if state is not None:
            parts += [
                f"image {state.image}: {counted(state.vmas, 'VMA')}",
                f"{state.calls} calls, {state.per_second:.0f} a second",
            ]
            if state.behind > _BEHIND:
                parts.append(self._lag(state))
            if state.images > 1:
                parts.append(f"{state.images} images")
            if state.lost:
                parts.append(f"{state.lost} events lost")
            if state.differ:
                parts.append(f"{state.differ} calls differ from the model")
        self._head.update(Text(visible(" │ ".join(parts)), no_wrap=True))

    def _lag(self, state: LiveState) -> str:
        """Return how far what is shown is behind the process, and where that leads."""
        course = ""
        if self._before is not None and self._before is not state:
            more = state.behind - self._before.behind
            course = ", catching up" if more < 0 else ", and falling back"
        waiting = f", {size_text(state.waiting)} of events wait" if state.waiting else ""
        return f"{state.behind:.1f} s behind{course}{waiting}"

    def say(self, text: str) -> None:
        """Tell the user something."""
        self._note.update(Text(visible(text), no_wrap=True))

    def action_freeze(self) -> None:
        """Show nothing new, or again; the recording goes on."""
        self.frozen = not self.frozen
        self._show_head(self.state)

    def action_sort(self, sort: str) -> None:
        """Sort the calls by something else."""
        self._sort = sort
        if self.state is not None:
            self._show(self.state)

    def _new_name(self, end: str) -> str:
        return time.strftime(f"vmalab-{self._attached.pid}-%Y%m%d-%H%M%S{end}")

    def action_save(self) -> None:
        """Save what has been recorded so far as a recording."""
        if not self._attached.save(self._new_name("")):
            self.say("nothing is recorded any more")

    def action_page(self) -> None:
        """Write a page of what made the VMAs."""
        self.run_worker(self._write_page())

    async def _write_page(self) -> None:
        page = self._new_name(".html")
        with tempfile.TemporaryDirectory(prefix="vmalab-") as folder:
            saved = f"{folder}/recording"
            if not self._attached.save(saved):
                self.say("nothing is recorded any more")
                return
            while not self._attached.said and not self._attached.over:
                await asyncio.sleep(_LOOK_EVERY)
            words = ("-m", "vmalab", "blame", "--at", "end", "--html", page, saved)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            _, errors = await process.communicate()
        text = errors.decode("utf-8", "replace").strip()
        self.say(f"written: {page}" if process.returncode == 0 else text)
