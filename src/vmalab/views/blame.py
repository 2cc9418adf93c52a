# SPDX-License-Identifier: GPL-2.0-or-later
"""Who made which VMA, as tables for people and as JSON."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vmalab.explain.blame.culprits import (
    CALL,
    FILE,
    FUNCTION,
    LIBRARY,
    MAPPING,
    SITE,
    THREAD,
    BlamedVma,
    BlameReport,
    Deed,
    LifeEvent,
    Share,
)
from vmalab.explain.blame.stack_frames import Frame
from vmalab.explain.blame.unnamed import reasons
from vmalab.explain.blame.watcher import Moment
from vmalab.views.text_table import counted, size_text, table
from vmalab.views.visible import visible

HEADS: Final = {
    SITE: "place in the program",
    FUNCTION: "function",
    FILE: "source file",
    MAPPING: "mapped file",
    LIBRARY: "library",
    THREAD: "thread",
    CALL: "call",
}
# Functions that are shown of the way from a place to its call.
_WAY: Final = 4
# Notes on frames without names.
_NOTES: Final = 3


class BlameFindings(NamedTuple):
    """What is printed. subject: as the user named it. at: "end", "peak" or "line N".

    others: how many VMAs the other images have at their own end or peak, by name. moment: what the
    report was made of.
    """

    subject: str
    at: str
    kernel: str
    report: BlameReport
    notes: tuple[str, ...] = ()
    others: tuple[tuple[str, int], ...] = ()
    moment: Moment | None = None


def blame_tables(
    found: BlameFindings, *, by: str, top: int, frames: int, listed: bool, address: int | None
) -> Iterator[RenderableType]:
    """Yield everything for people.

    by, top: what is summed by, and how many rows of it. frames: of each row's first stack. listed:
    whether all VMAs are.
    """
    report = found.report
    where = f"{visible(found.subject)}, image {report.image}, {_moment(found)}"
    touching = sum(vma.boundary is not None for vma in report.vmas)
    counts = f"{counted(len(report.vmas), 'VMA')}, {counted(touching, 'boundary')} between them"
    yield Text(f"{where}: {counts}", style="bold")
    if found.others:
        shares = ", ".join(f"{name} {count}" for name, count in found.others[:5])
        more = ", ..." if len(found.others) > 5 else ""
        yield Text(f"Other images (--image), by their VMAs: {shares}{more}")
    if address is not None:
        yield from _life(report, address)
    else:
        shown = report.shares[by][:top]
        yield Text()
        yield _shares(by, report.shares[by], top, frames)
        for note in _missing(shown):
            yield Text(visible(note))
        if listed:
            yield Text()
            yield _list(report.vmas)
    for note in found.notes:
        yield Text(visible(note))


def _moment(found: BlameFindings) -> str:
    if found.at.startswith("line"):
        return f"after {found.at}"
    return f"{found.at} (line {found.report.line})" if found.report.line else found.at


def _shares(kind: str, shares: tuple[Share, ...], top: int, frames: int) -> Table:
    made = table(">VMAs", ">boundaries", ">size", "lines", f"{HEADS[kind]}*")
    for share in shares[:top]:
        lines = str(share.first) if share.first == share.last else f"{share.first}-{share.last}"
        text = Text(visible(share.cause), style="cyan")
        if share.threads > 1:
            text.append(f" ({share.threads} threads)", style="not bold default")
        for line in _stack_lines(kind, share, frames):
            text.append(f"\n{visible(line)}", style="not bold default")
        made.add_row(str(share.vmas), str(share.boundaries), size_text(share.size), lines, text)
    if len(shares) > top:
        rest = shares[top:]
        made.add_row(
            str(sum(share.vmas for share in rest)),
            str(sum(share.boundaries for share in rest)),
            size_text(sum(share.size for share in rest)),
            "",
            f"{len(rest)} more (--top)",
        )
    return made


def _stack_lines(kind: str, share: Share, frames: int) -> Iterator[str]:
    """Yield what is shown of a stack below a row: so many frames, or else the way to the call."""
    deed = share.example
    stack = deed.stack
    for frame in stack.frames[:frames]:
        yield f"> {frame_text(frame)}"
    if frames and len(stack.frames) > frames:
        yield f"> and {counted(len(stack.frames) - frames, 'frame')} more (--frames)"
    # An exec's first map is not its caller's doing.
    if not frames and kind == SITE and share.cause == deed.site:
        way = stack.way(deed.name)
        if way:
            shown = ", ".join(way[:_WAY])
            yield f"by way of {shown}{', ...' if len(way) > _WAY else ''}"


def frame_text(frame: Frame) -> str:
    """Return a frame for people: "libx.so: grow at x.c:12", or why it has no name."""
    place = frame.place
    text = f"{frame.library}: {place}" if place else frame.library
    return f"{text} (inlined)" if frame.inlined else text


def _missing(shares: tuple[Share, ...]) -> list[str]:
    """Return why the places of some rows have no name, or no line: the first few reasons."""
    notes = dict.fromkeys(note for share in shares for note in reasons(share.example.stack))
    return list(notes)[:_NOTES]


def _list(vmas: tuple[BlamedVma, ...]) -> Table:
    made = table(">line", "how", "VMA", "", "made by~")
    for vma in vmas:
        made.add_row(
            str(vma.born.line),
            vma.how,
            f"{vma.start:x}-{vma.end:x}",
            vma.perms,
            visible(_made_by(vma.born)),
        )
    return made


def _made_by(deed: Deed) -> str:
    frame = deed.stack.frame
    return f"{deed.call}, {frame_text(frame)}" if frame is not None else deed.call


def deed_text(deed: Deed) -> str:
    """ "line 12, thread 50, 3.25 s: munmap(...) = 0"."""
    parts = [f"line {deed.line}"] if deed.line else []
    parts += [f"thread {deed.tid}"] if deed.tid else []
    parts += [f"{deed.time:.6f} s"] if deed.time else []
    where = ", ".join(parts)
    return visible(f"{where}: {deed.call}" if where else deed.call)


def vma_told(vma: BlamedVma) -> Table:
    """Return who made a VMA, its ends, and its flags."""
    made = _grid()
    made.add_row("", visible(f"{vma.start:x}-{vma.end:x} {vma.perms} {vma.name}".rstrip()))
    made.add_row(f"{vma.how} by", deed_text(vma.born))
    for what, deed in (("start by", vma.low), ("end by", vma.high), ("flags by", vma.changed)):
        if deed is not None and deed != vma.born:
            made.add_row(what, deed_text(deed))
    if vma.boundary is not None and vma.boundary not in (vma.born, vma.low):
        made.add_row("touched by", deed_text(vma.boundary))
    for frame in vma.born.stack.frames:
        made.add_row("", f"> {visible(frame_text(frame))}")
    return made


def life_told(life: tuple[LifeEvent, ...]) -> Table:
    """Return what became of a VMA, oldest first."""
    made = _grid()
    for event in life:
        made.add_row(event.what, f"{event.start:x}-{event.end:x}")
        made.add_row("", deed_text(event.deed))
    return made


def _grid() -> Table:
    """Two columns without lines: a word, and what wraps beside it."""
    made = Table.grid(padding=(0, 1, 0, 0))
    made.add_column(style="cyan", no_wrap=True, min_width=11)
    made.add_column(overflow="fold")
    return made


def _life(report: BlameReport, address: int) -> Iterator[RenderableType]:
    there = [vma for vma in report.vmas if vma.start <= address < vma.end]
    if not there:
        yield Text(f"Nothing is mapped at {address:x}.")
        return
    for vma in there:
        yield Text()
        yield vma_told(vma)
    yield Text()
    yield Text("Its history, with that of the VMAs merged into it:")
    yield life_told(report.life)
