# SPDX-License-Identifier: GPL-2.0-or-later
"""The program behind `vmalab explore`."""

import asyncio
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Footer, Static

from vmalab.explain.blame.culprits import Share
from vmalab.explain.travel import index
from vmalab.explain.travel.journey import Journey, Lost
from vmalab.explain.travel.scout import Errand
from vmalab.tui.explore.comparing import compared
from vmalab.tui.explore.errands import (
    BlameErrand,
    CallsErrand,
    LookErrand,
    MapErrand,
    MomentView,
    VmaRow,
    WhyErrand,
)
from vmalab.tui.explore.keys import HELP_TEXT
from vmalab.tui.explore.lists import ShownLine, call_line, map_lines
from vmalab.tui.explore.searching import HELP, Search, search_of
from vmalab.tui.lines import Lines
from vmalab.tui.program import TerminalProgram
from vmalab.tui.windows import Choosing, Reading, Typing
from vmalab.views.text_table import counted, size_text
from vmalab.views.visible import visible

# Seconds between two looks at how far the replay has come.
_NEWS_EVERY: Final = 0.1
# Calls around the cursor whose text is asked for.
_AROUND: Final = 100
# Texts of calls, and former places, that are kept.
_MOST_TEXTS: Final = 50_000
_MOST_PLACES: Final = 1000

_STEPS: Final = {"split": index.SPLIT, "merge": index.MERGED, "failure": index.FAILED}


class Explore(TerminalProgram):
    """Calls on the left, the map at the call under the cursor on the right.

    look: the moment that is shown. questions: how many have not been answered yet.
    """

    TITLE = "vmalab explore"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("tab", "other", "Other side", show=False),
        Binding("s", "step('split', 1)", "Split"),
        Binding("S", "step('split', -1)", show=False),
        Binding("m", "step('merge', 1)", "Merge"),
        Binding("M", "step('merge', -1)", show=False),
        Binding("f", "step('failure', 1)", "Failure"),
        Binding("F", "step('failure', -1)", show=False),
        Binding("p", "peak", "Peak"),
        Binding("o", "life('born')", "Born"),
        Binding("c", "life('changed')", "Changed"),
        Binding("x", "life('dies')", "Dies"),
        Binding("w", "why", "Why"),
        Binding("b", "blame", "Blame"),
        Binding("d", "compare", "Compare"),
        Binding("slash", "search", "Search"),
        Binding("n", "again(1)", "Next", show=False),
        Binding("N", "again(-1)", show=False),
        Binding("backspace", "return", "Back"),
        Binding("question_mark", "help", "Help"),
    ]
    CSS = """
    #subject { height: 1; background: $primary-darken-2; color: $text; }
    #calls { width: 1fr; border-right: solid $primary; }
    #map { width: 1fr; }
    #told { height: auto; max-height: 12; min-height: 3; border-top: solid $primary; }
    #note { height: 1; color: $warning; }
    """

    def __init__(self, journey: Journey, subject: str) -> None:
        super().__init__()
        self.journey = journey
        self.look: MomentView | None = None
        self.questions = 0
        self._subject = subject
        self._texts: dict[int, str] = {}
        self._map: list[ShownLine] = []
        self._address: int | None = None
        self._wanted = asyncio.Event()
        self._search: Search | None = None
        self._marked: int | None = None
        self._places: list[int] = []
        self._seen = -1
        self._was_over = False
        self.calls = Lines(self._call_line, id="calls")
        self.map = Lines(lambda place: self._map[place].drawn(), id="map")
        self._head = Static(id="subject", markup=False)
        self._told = Static(id="told", markup=False)
        self._note = Static(id="note", markup=False)

    def compose(self) -> ComposeResult:
        """Make the parts of the window."""
        yield self._head
        with Horizontal():
            yield self.calls
            yield self.map
        yield self._told
        yield self._note
        yield Footer()

    def on_mount(self) -> None:
        """Begin to listen, and to look."""
        self.calls.focus()
        self.set_interval(_NEWS_EVERY, self._take_news)
        self.run_worker(self._keep_looking())
        self._take_news()

    # What comes from the journey.

    def _take_news(self) -> None:
        """Show how far the replay has come."""
        journey = self.journey
        count = len(journey.index)
        if count == self._seen and journey.over == self._was_over:
            return
        self._was_over = journey.over
        if count != self._seen:
            first = self._seen <= 0 < count
            self._seen = count
            self.calls.set_count(count)
            if first:
                self._wanted.set()
        self._show_subject()

    def _show_subject(self) -> None:
        known, at = self.journey.index, self.calls.cursor
        state = "" if self.journey.over else ", replaying …"
        text = f"{self._subject}: {counted(len(known), 'moment')}{state}"
        if at < len(known):
            image = known.images[known.image[at]]
            text += f" │ {at + 1}: image {image}, {counted(known.vmas[at], 'VMA')}"
        if self.journey.trouble:
            text += f" │ {self.journey.trouble}"
        self._head.update(Text(visible(text), no_wrap=True))

    async def _keep_looking(self) -> None:
        """MomentView at whichever moment the cursor is at, whenever it has moved."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            at = self.calls.cursor
            if at >= len(self.journey.index):
                continue
            first, last = self.journey.section(at)
            near = max(first, at - _AROUND), min(last, at + _AROUND)
            look = await self._ask(LookErrand(*near, at, self._address))
            if isinstance(look, MomentView):
                self._show(look)
                await self._fill_in()

    async def _fill_in(self) -> None:
        """Find out how the calls in view read, of which other checkpoints know."""
        while not self._wanted.is_set():
            missing = [at for at in self.calls.in_view if at not in self._texts]
            if not missing:
                return
            first, last = self.journey.section(missing[0])
            end = min(last, missing[0] + 2 * _AROUND)
            texts = await self._ask(CallsErrand(max(first, missing[0]), end))
            if not isinstance(texts, dict) or missing[0] not in texts:
                return
            self._keep(texts)

    async def _ask(self, errand: Errand) -> Any:
        """Return the result of an errand, None when there is none: the user is told why."""
        self.questions += 1
        try:
            return await asyncio.to_thread(self.journey.ask, errand)
        except Lost as error:
            self.say(str(error))
            return None
        finally:
            self.questions -= 1

    def _keep(self, texts: dict[int, str]) -> None:
        if len(self._texts) > _MOST_TEXTS:
            self._texts.clear()
        self._texts |= texts
        self.calls.refresh()

    def _show(self, look: MomentView) -> None:
        """Show a moment."""
        self.look = look
        self._keep(look.calls)
        self._map = map_lines(look)
        self.map.set_count(len(self._map))
        places = (at for at, line in enumerate(self._map) if line.row and self._is_seen(line.row))
        self.map.go(next(places, 0), centre=True)
        told = Text("\n").join(Text(visible(line)) for line in look.told)
        self._told.update(told)
        self._show_subject()

    def _is_seen(self, row: VmaRow) -> bool:
        """Return whether the cursor of the map belongs to a VMA."""
        assert self.look is not None
        return row.start <= self.look.focus < row.end or row.start > self.look.focus

    def say(self, text: str) -> None:
        """Tell the user something; "": nothing more."""
        self._note.update(Text(visible(text), no_wrap=True))

    def _call_line(self, at: int) -> Text:
        return call_line(self.journey.index, at, self._texts.get(at))

    # Going somewhere.

    def on_lines_moved(self, event: Lines.Moved) -> None:
        """The cursor is elsewhere."""
        self.say("")
        if event.lines is self.calls:
            self._address = None
            self._wanted.set()
            self._show_subject()
        elif self._map[event.cursor].row is None and "⋮" in self._map[event.cursor].text:
            self._address = self._map[event.cursor].address
            self._wanted.set()

    def go(self, at: int | None, what: str) -> None:
        """Go to a moment; None: there is none of what was looked for."""
        if at is None:
            more = "" if self.journey.over else " so far: the replay goes on"
            self.say(f"no {what}{more}")
            return
        self.say("")
        self._places = [*self._places[-_MOST_PLACES:], self.calls.cursor]
        self._address = None
        self.calls.go(at, centre=True)
        self._wanted.set()
        self._show_subject()

    def action_other(self) -> None:
        """Go to the other list."""
        (self.map if self.calls.has_focus else self.calls).focus()

    def action_step(self, what: str, by: int) -> None:
        """Go to the next split, merge or failure, or the previous one."""
        known, at = self.journey.index, self.calls.cursor
        step = known.next_step if by > 0 else known.previous_step
        self.go(step(at, _STEPS[what]), f"{'further' if by > 0 else 'earlier'} {what}")

    def action_peak(self) -> None:
        """Go to where there are the most VMAs."""
        self.go(self.journey.index.peak(), "moment")

    def action_return(self) -> None:
        """Go to where one was before."""
        if self._places:
            self.calls.go(self._places.pop(), centre=True)
            self._address = None
            self._wanted.set()

    def _here(self) -> VmaRow | None:
        """Return the VMA at the cursor of the map."""
        lines = self._map
        return lines[self.map.cursor].row if self.map.cursor < len(lines) else None

    def action_life(self, what: str) -> None:
        """Go to where the VMA at the cursor of the map was born, last changed, or is gone."""
        row, look, known = self._here(), self.look, self.journey.index
        if row is None or look is None:
            self.say("no VMA at the cursor of the map (Tab goes there)")
        elif what == "dies":
            image = known.images.index(look.image)
            self.go(known.death(look.at, image, row.number), "end of this VMA")
        else:
            self.go(known.of_origin(row.born if what == "born" else row.last), "call that did")

    # Searching.

    def action_search(self) -> None:
        """Ask what to look for."""
        self.push_screen(Typing(HELP), self._searched)

    def _searched(self, text: str | None) -> None:
        search = search_of(text or "")
        if search is not None:
            self._search = search
            self.action_again(1)

    def action_again(self, by: int) -> None:
        """Go to the next one of what was looked for, or the previous one."""
        search = self._search
        if search is None:
            self.say("nothing to look for: / begins a search")
            return
        at = search.next(self.journey.index, self.calls.cursor, backwards=by < 0)
        self.go(at, f"moment with {search.text}")

    # Questions.

    def _look_here(self) -> MomentView | None:
        """Return the moment that is shown, None while that is not the one at the cursor."""
        look = self.look
        if look is None or look.at != self.calls.cursor:
            self.say("not there yet")
            return None
        return look

    def action_why(self) -> None:
        """Ask what keeps the VMA at the cursor of the map apart from its neighbours."""
        look, lines = self._look_here(), self._map
        if look is not None and lines:
            address = lines[self.map.cursor].address
            self.run_worker(self._ask_why(look.at, address))

    async def _ask_why(self, at: int, address: int) -> None:
        text = await self._ask(WhyErrand(at, address, max(60, self.size.width * 9 // 10 - 4)))
        if text is not None:
            self.push_screen(Reading(f"why at {address:x}", text))

    def action_blame(self) -> None:
        """Ask what made the most VMAs."""
        if (look := self._look_here()) is not None:
            self.run_worker(self._ask_blame(look.at))

    async def _ask_blame(self, at: int) -> None:
        shares = await self._ask(BlameErrand(at))
        if shares is None:
            return
        tables = {by: [_share_text(share) for share in rows] for by, rows in shares.items()}
        window = Choosing("what made the VMAs of this moment", _SHARE_HEAD, tables)

        def chosen(place: int | None) -> None:
            if place is not None:
                line = shares[window.heading][place].first
                self.go(self.journey.index.of_line(line), "call that did")

        self.push_screen(window, chosen)

    def action_compare(self) -> None:
        """Mark this moment; the second time, compare it with the marked one."""
        if (look := self._look_here()) is None:
            return
        if self._marked is None:
            self._marked = look.at
            line = self.journey.index.line[look.at]
            self.say(f"line {line} is marked: go to another moment, and press d again")
            return
        marked, self._marked = self._marked, None
        self.run_worker(self._ask_both(*sorted((marked, look.at))))

    async def _ask_both(self, earlier: int, later: int) -> None:
        old, new = await self._ask(MapErrand(earlier)), await self._ask(MapErrand(later))
        if old is None or new is None:
            return
        if old[0] != new[0]:
            self.say(f"the moments are of two images: {old[0]} and {new[0]}")
            return
        text = compared(self.journey.index, earlier, old[1], later, new[1])
        self.push_screen(Reading("two moments compared", text))

    def action_help(self) -> None:
        """Tell which key does what."""
        self.push_screen(Reading("keys", HELP_TEXT))

    def get_system_commands(self, screen: Any) -> Iterable[Any]:
        """Offer nothing: every command is a key."""
        return ()


_SHARE_HEAD: Final = f"{'VMAs':>7} {'boundaries':>10} {'size':>9}  {'lines':<17} cause"


def _share_text(share: Share) -> str:
    lines = str(share.first) if share.first == share.last else f"{share.first}-{share.last}"
    size = size_text(share.size)
    return f"{share.vmas:>7} {share.boundaries:>10} {size:>9}  {lines:<17} {share.cause}"
