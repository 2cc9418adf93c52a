# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows that open over a terminal program: a text to read, a line to type, a row to choose."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from vmalab.tui.lines import Lines
from vmalab.views.visible import visible


class Reading(ModalScreen[None]):
    """A text to read. Escape, or q, closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter", "close", "Close")]
    DEFAULT_CSS = """
    Reading { align: center middle; }
    Reading > Vertical { width: 92%; height: 88%; border: round $primary; background: $surface; }
    Reading Lines { height: 1fr; }
    """

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title = title
        self._texts = visible(text, lines=True).split("\n")
        self._lines = Lines(lambda place: Text(self._texts[place], end=""))

    def compose(self) -> ComposeResult:
        """Make the window."""
        with Vertical() as box:
            box.border_title = Text(visible(self._title))
            box.border_subtitle = Text("Esc or q closes")
            yield self._lines

    def on_mount(self) -> None:
        """Show the text."""
        self._lines.set_count(len(self._texts))
        self._lines.focus()

    def action_close(self) -> None:
        """Close the window."""
        self.dismiss(None)


class Choosing(ModalScreen[int | None]):
    """Rows of which one is chosen, for each of some headings. The result: the row of the last one.

    tables: by heading, its rows; Left and Right go from one to the next. `heading` is the one that
    was shown when a row was chosen.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "close", "Close"),
        Binding("enter", "choose", "Go there"),
        Binding("left", "turn(-1)", "Previous"),
        Binding("right", "turn(1)", "Next"),
    ]
    DEFAULT_CSS = """
    Choosing { align: center middle; }
    Choosing > Vertical { width: 92%; height: 80%; border: round $primary; background: $surface; }
    Choosing Lines { height: 1fr; }
    """

    def __init__(self, title: str, head: str, tables: dict[str, list[str]]) -> None:
        super().__init__()
        self._title = title
        self._head = head
        self._tables = tables
        self.heading = next(iter(tables))
        self._box = Vertical()
        self._lines = Lines(lambda at: Text(visible(self._tables[self.heading][at]), end=""))

    def compose(self) -> ComposeResult:
        """Make the window."""
        with self._box:
            self._box.border_subtitle = Text("Enter: go there, ← →: sum otherwise, Esc or q: close")
            yield Static(Text(self._head, style="bold"))
            yield self._lines

    def on_mount(self) -> None:
        """Show the first heading."""
        self.action_turn(0)
        self._lines.focus()

    def action_turn(self, by: int) -> None:
        """Show another heading."""
        names = list(self._tables)
        self.heading = names[(names.index(self.heading) + by) % len(names)]
        self._box.border_title = Text(f"{self._title} by {self.heading}")
        self._lines.set_count(len(self._tables[self.heading]))
        self._lines.go(0)

    def action_choose(self) -> None:
        """Take the row at the cursor."""
        self.dismiss(self._lines.cursor if self._lines.count else None)

    def on_lines_chosen(self, event: Lines.Chosen) -> None:
        """A row was clicked twice."""
        self.action_choose()

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss(None)


class Typing(ModalScreen[str | None]):
    """A line to type; the result: what was typed, None: nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close")]
    DEFAULT_CSS = """
    Typing { align: center bottom; }
    Typing > Vertical { height: auto; border: round $primary; background: $surface; }
    """

    def __init__(self, title: str, before: str = "") -> None:
        super().__init__()
        self._title = title
        self._input = Input(before)

    def compose(self) -> ComposeResult:
        """Make the window."""
        with Vertical() as box:
            box.border_title = Text(self._title)
            yield self._input

    def on_mount(self) -> None:
        """Take what is typed."""
        self._input.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The line is ready."""
        self.dismiss(event.value)

    def action_close(self) -> None:
        """Nothing was typed."""
        self.dismiss(None)
