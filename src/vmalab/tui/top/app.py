# SPDX-License-Identifier: GPL-2.0-or-later
"""The program behind `vmalab top` without a PID."""

import asyncio
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer, Static

from vmalab.explain.enomem.watched import LimitWatch, Watched
from vmalab.recording.live.process_limits import max_map_count
from vmalab.recording.live.survey import Survey
from vmalab.tui.lines import Lines
from vmalab.tui.program import TerminalProgram
from vmalab.tui.windows import Reading
from vmalab.views.enomem import headroom_table
from vmalab.views.output import drawn
from vmalab.views.top import SORTS, by, heading, line_of, mark_of
from vmalab.views.visible import visible

# How processes are shown by their marks.
_STYLES: Final = {"!": "bold red", "*": "yellow", " ": ""}


class Top(TerminalProgram):
    """All processes, with those first that the user wants first. sort: one of SORTS."""

    TITLE = "vmalab top"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("space", "freeze", "Freeze"),
        Binding("v", "sort('vmas')", "VMAs"),
        Binding("percent_sign", "sort('percent')", "% of a limit"),
        Binding("m", "sort('mapped')", "Mapped"),
        Binding("l", "sort('locked')", "Locked"),
        Binding("g", "sort('growth')", "Growth"),
        Binding("t", "sort('time')", "Time left"),
        Binding("p", "sort('pid')", "PID"),
        Binding("enter", "limits", "All limits"),
    ]
    CSS = """
    #subject { height: 1; background: $primary-darken-2; color: $text; }
    #heads { height: 1; text-style: bold; }
    """

    def __init__(self, survey: Survey, interval: float, sort: str) -> None:
        super().__init__()
        self.sort = sort
        self.frozen = False
        # Rounds that have been shown.
        self.rounds = 0
        self._survey = survey
        self._interval = interval
        self._watch = LimitWatch()
        self._found: list[Watched] = []
        self._limit = 0
        self._head = Static(id="subject", markup=False)
        self.processes = Lines(self._line, id="processes")

    def compose(self) -> ComposeResult:
        """Make the parts of the window."""
        yield self._head
        yield Static(Text(f"  {heading()}", no_wrap=True), id="heads", markup=False)
        yield self.processes
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.processes.focus()
        self.run_worker(self._keep_looking())

    async def _keep_looking(self) -> None:
        while True:
            if not self.frozen:
                found = await asyncio.to_thread(self._look)
                self._show(found)
            await asyncio.sleep(self._interval)

    def _look(self) -> list[Watched]:
        self._limit = max_map_count()
        return self._watch.add(self._survey.round(), self._limit)

    def _show(self, found: list[Watched]) -> None:
        """Show the processes, with the cursor on the one where it was."""
        here = self._here()
        self._found = by(self.sort, found)
        self.rounds += 1
        self.processes.set_count(len(self._found))
        if here is not None:
            pids = [one.pid for one in self._found]
            if here.pid in pids and self.processes.cursor != 0:
                self.processes.go(pids.index(here.pid))
        state = "frozen, " if self.frozen else ""
        denied = self._survey.denied
        text = f"{len(self._found)} processes"
        text += f", {state}by {self.sort}, vm.max_map_count {self._limit}"
        if denied:
            text += f", {denied} whose maps may not be read"
        self._head.update(Text(text, no_wrap=True))

    def _here(self) -> Watched | None:
        at = self.processes.cursor
        return self._found[at] if at < len(self._found) else None

    def _line(self, at: int) -> Text:
        one = self._found[at]
        mark = mark_of(one)
        return Text(f"{mark} {visible(line_of(one))}", style=_STYLES[mark], end="")

    def action_freeze(self) -> None:
        """Look no more, or again."""
        self.frozen = not self.frozen
        self._show(self._found)

    def action_sort(self, sort: str) -> None:
        """Sort by something else."""
        assert sort in SORTS
        self.sort = sort
        self._show(self._found)

    def action_limits(self) -> None:
        """Show all limits of the process at the cursor."""
        one = self._here()
        if one is not None:
            text = drawn([headroom_table(list(one.limits))], self.size.width * 9 // 10 - 4)
            self.push_screen(Reading(f"process {one.pid} ({one.comm})", text))

    def on_lines_chosen(self, event: Lines.Chosen) -> None:
        """A process was clicked twice."""
        self.action_limits()
