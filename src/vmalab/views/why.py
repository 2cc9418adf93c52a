# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps VMAs apart, as tables for people and as JSON."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vmalab.calls.snapshot import VmaLine
from vmalab.explain.blame.culprits import BlamedVma, BlameReport
from vmalab.explain.why.boundaries import BoundaryGroup, LayoutCost, Why
from vmalab.explain.why.conditions import notes_on
from vmalab.explain.why.place import Meeting, Place
from vmalab.targets.model.versions import linux_named
from vmalab.views.blame import life_told, vma_told
from vmalab.views.text_table import counted, size_text, table
from vmalab.views.visible import visible

NOT_IN_A_SNAPSHOT: Final = (
    "A snapshot does not show anon_vmas, what was forked, page offsets of anonymous memory, "
    "userfaultfd contexts and close hooks, and a saved one no NUMA policies: other conditions "
    "may keep VMAs apart as well, and the savings are upper bounds. A recording holds all of it."
)
NO_FLAGS: Final = (
    "VmFlags are not known either (only smaps has them): flags go by permissions alone."
)


class WhyFindings(NamedTuple):
    """What is printed. subject: as the user named it. image, line: of a recording, else "" and 0.

    at: "end", "peak", "line N" or "now". kernel: whose rules were asked. notes: a sentence each.
    place, blame: for an address; blame: only of a recording. layout: the VMAs that were looked at.
    """

    subject: str
    at: str
    image: str
    line: int
    kernel: str
    why: Why
    notes: tuple[str, ...] = ()
    place: Place | None = None
    blame: BlameReport | None = None
    layout: LayoutCost | None = None


def why_tables(found: WhyFindings, top: int) -> Iterator[RenderableType]:
    """Yield everything for people; top: how many groups are listed."""
    yield Text(_head(found), style="bold")
    if found.place is None:
        yield from _overview(found.why, top)
    else:
        yield from place_parts(found.place, found.blame)
    for note in notes_of(found):
        yield Text(visible(note))


def _head(found: WhyFindings) -> str:
    where = visible(found.subject)
    if found.image:
        where += f", image {found.image}, "
        where += f"{found.at} (line {found.line})" if not found.at.startswith("line") else found.at
    return f"{where}: {counted(found.why.vmas, 'VMA')}, by the rules of {linux_named(found.kernel)}"


def notes_of(found: WhyFindings) -> Iterator[str]:
    yield from found.notes
    if not found.why.complete:
        if not found.why.has_flags:
            yield NO_FLAGS
        yield NOT_IN_A_SNAPSHOT


def _overview(why: Why, top: int) -> Iterator[RenderableType]:
    yield Text(f"{counted(why.touching, 'boundary')} between VMAs without a hole.")
    if why.groups:
        yield Text()
        yield _groups(why, top)
        if len(why.groups) > top:
            left_out = len(why.groups) - top
            yield Text(f"and {left_out} more (--top {len(why.groups)} lists all)")
        yield Text()
        yield from _legend(why.groups[:top])
    if why.untried:
        yield Text()
        yield Text(
            f"No condition fails at {counted(why.untried, 'boundary')}: no call has tried to merge "
            f"there. The next calls that touch them could save {counted(why.untried_saves, 'VMA')}."
        )
    if why.kinds:
        yield Text()
        yield _kinds(why)
    if why.holes.count:
        yield Text()
        yield Text(_holes(why))


def _holes(why: Why) -> str:
    """Unmapped addresses, in words."""
    holes = why.holes
    text = f"{counted(holes.count, 'hole')} ({size_text(holes.size)})"
    if not holes.alike:
        beside = (
            "it would stay apart if it were"
            if holes.count == 1
            else "them would stay apart if they were"
        )
        return f"{text}; the VMAs beside {beside} filled."
    alike = "are alike" if why.complete else "look alike"
    return (
        f"{text}; the VMAs on both sides of {holes.alike} of them {alike} and would become one if "
        "it were filled."
    )


def _groups(why: Why, top: int) -> Table:
    saved = ">fewer VMAs" if why.complete else ">fewer at most"
    made = table(saved, ">boundaries", "failing conditions*", "for example at")
    for group in why.groups[:top]:
        made.add_row(
            str(group.saves),
            str(group.boundaries),
            Text(visible(group.text), style="cyan"),
            f"{group.examples[0]:x}",
        )
    return made


def _legend(groups: tuple[BoundaryGroup, ...]) -> Iterator[RenderableType]:
    """Yield what the conditions of some groups mean, each once."""
    notes = dict.fromkeys(note for group in groups for note in notes_on(group.causes))
    for note in notes:
        what, _, meaning = note.partition(": ")
        text = Text(f"{what}: ", style="cyan")
        text.append(meaning, style="default")
        yield Padding(text, (0, 0, 0, 2))


def _kinds(why: Why) -> Table:
    saved = ">fewer VMAs without it" if why.complete else ">fewer at most without it"
    made = table("condition", ">fails at", ">fails alone at", saved)
    for total in why.kinds:
        made.add_row(total.kind, str(total.boundaries), str(total.alone), str(total.saves))
    return made


def place_parts(place: Place, blame: BlameReport | None) -> Iterator[RenderableType]:
    """Yield an address looked at closely. blame: whose history is told too."""
    if place.vma is None:
        yield Text(f"Nothing is mapped at {place.address:x}.")
    else:
        yield Text(f"{place.address:x} is in")
        yield Text("  " + _line(place.vma))
    for meeting in place.meetings:
        yield Text()
        yield from _meeting(meeting)
    if blame is None:
        return
    for vma in made_around(blame, place):
        yield Text()
        yield vma_told(vma)
    if blame.life:
        yield Text()
        yield Text("The history of the VMA:")
        yield life_told(blame.life)


def made_around(blame: BlameReport, place: Place | None) -> list[BlamedVma]:
    """Return who made the VMAs around a place."""
    lines = [] if place is None else [item for m in place.meetings for item in (m.lower, m.upper)]
    starts = {line.start for line in lines}
    return [vma for vma in blame.vmas if vma.start in starts]


def _line(line: VmaLine) -> str:
    flags = "" if line.flags is None else f" | {' '.join(line.flags)}"
    return visible(f"{line.start:x}-{line.end:x} {line.perms} {line.name}{flags}")


def _meeting(meeting: Meeting) -> Iterator[RenderableType]:
    at = meeting.lower.end
    if meeting.hole:
        size = size_text(meeting.hole)
        yield Text(f"A hole of {size} at {at:x}; the conditions if it were filled:")
    else:
        yield Text(f"The boundary at {at:x}:")
    yield Text(f"  below {_line(meeting.lower)}")
    yield Text(f"  above {_line(meeting.upper)}")
    made = table("", "condition", "below*", "above*")
    for item in meeting.conditions:
        verdict = {
            True: Text("holds", style="green"),
            False: Text("FAILS", style="red"),
            None: Text("?"),
        }[item.holds]
        made.add_row(verdict, item.kind, visible(item.lower), visible(item.upper))
    yield Padding(made, (0, 0, 0, 2))
    if not meeting.hole and not meeting.failing:
        known = all(item.holds for item in meeting.conditions)
        yield Text(
            "  No condition fails: no call has tried to merge them."
            if known
            else "  Nothing that is known keeps them apart."
        )
