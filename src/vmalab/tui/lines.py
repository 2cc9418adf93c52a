# SPDX-License-Identifier: GPL-2.0-or-later
"""A list of any length on the terminal, of which only the lines in view are ever made."""

from collections.abc import Callable
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

_HERE: Final = Style(reverse=True)
_HERE_UNSEEN: Final = Style(bgcolor="grey30")


class Lines(ScrollView, can_focus=True):
    """A list with a cursor. draw: makes the line of a place, from 0, of visible text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "Up", show=False),
        Binding("down,j", "step(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "end(0)", "First", show=False),
        Binding("end", "end(1)", "Last", show=False),
    ]

    class Moved(Message):
        """The user has moved the cursor."""

        def __init__(self, lines: "Lines", cursor: int) -> None:
            super().__init__()
            self.lines = lines
            self.cursor = cursor

        @property
        def control(self) -> "Lines":
            """The list."""
            return self.lines

    class Chosen(Moved):
        """The user has chosen the line at the cursor."""

    def __init__(self, draw: Callable[[int], Text], id: str | None = None) -> None:
        super().__init__(id=id)
        self.count = 0
        self.cursor = 0
        self._draw = draw

    def set_count(self, count: int) -> None:
        """Have so many lines."""
        self.count = count
        self.virtual_size = Size(self.size.width, count)
        self.cursor = min(self.cursor, max(0, count - 1))
        self.refresh()

    def go(self, cursor: int, *, centre: bool = False) -> None:
        """Put the cursor on a line, and have it in view. centre: in the middle, if it was not."""
        self.cursor = max(0, min(cursor, self.count - 1))
        top, height = int(self.scroll_offset.y), max(1, self.size.height)
        if not top <= self.cursor < top + height:
            if centre:
                self.scroll_to(y=self.cursor - height // 2, animate=False, immediate=True)
            else:
                line = Region(0, self.cursor, 1, 1)
                self.scroll_to_region(line, animate=False, immediate=True)
        self.refresh()

    @property
    def in_view(self) -> range:
        """The lines that can be seen."""
        top = int(self.scroll_offset.y)
        return range(top, min(self.count, top + max(1, self.size.height)))

    def render_line(self, y: int) -> Strip:
        """Return a line of the window."""
        place = y + int(self.scroll_offset.y)
        width = self.size.width
        if place >= self.count:
            return Strip.blank(width, self.rich_style)
        segments = self._draw(place).render(self.app.console)
        strip = Strip([part for part in segments if part.text != "\n"])
        strip = strip.adjust_cell_length(width).apply_style(self.rich_style)
        if place != self.cursor:
            return strip
        style = _HERE if self.has_focus else _HERE_UNSEEN
        return Strip([Segment(part.text, (part.style or Style()) + style) for part in strip], width)

    # Keys.

    def _move(self, cursor: int) -> None:
        before = self.cursor
        self.go(cursor)
        if self.cursor != before:
            self.post_message(self.Moved(self, self.cursor))

    def action_step(self, by: int) -> None:
        """Go to a line near by."""
        self._move(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Go a window further."""
        self._move(self.cursor + by * max(1, self.size.height - 1))

    def action_end(self, last: int) -> None:
        """Go to the first line, or the last."""
        self._move(self.count - 1 if last else 0)

    def on_click(self, event: Click) -> None:
        """Go to the line; a second click chooses it."""
        place = event.y + int(self.scroll_offset.y)
        if place >= self.count:
            return
        if place == self.cursor:
            self.post_message(self.Chosen(self, place))
        self._move(place)
