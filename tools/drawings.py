#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw the manual's pictures of VMAs, each from a log that the model carries out.

usage: tools/drawings.py        from the top of the source tree, or `make drawings`

docs/pictures/thread-stacks.svg shows the VMAs after each call of the logs beside it. On the page
docs/explanation/vmas.md the calls of its `strace` blocks are one log, and the `text` block after
each of them shows the map as it is then.
"""

import re
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

from vmalab.calls.call import Call
from vmalab.calls.snapshot import VmaLine
from vmalab.explain.why.barriers import Prober
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.targets.model.model import line_of_vma

PAGE = Path("docs/explanation/vmas.md")
PICTURE = Path("docs/pictures/thread-stacks.svg")
PANELS = (
    ("A guard page below each stack: two VMAs a thread", "guard-pages.strace"),
    ("Guard regions instead (Linux 6.13): one VMA", "guard-regions.strace"),
)
BLOCKS = re.compile(r"(```strace\n)(.*?)(```\n\n```text\n)(.*?)(```)", re.DOTALL)
WIDTHS = (22, 23)

FIRST_ADDRESS, LAST_ADDRESS = 0x7F0000000000, 0x7F0000020000
WIDTH, BAR_START, BAR_WIDTH, BAR_HEIGHT, ROW_HEIGHT = 780, 390, 290, 22, 31
COLOURS = {"rw-p": "#bfe3c6", "---p": "#f3b7ae"}


@dataclass(frozen=True, slots=True)
class Shown:
    """One VMA of a drawing. apart: why it is not one with the next, "" where nothing is next."""

    line: VmaLine
    backing: str
    apart: str


class Painter(Observer):
    """Keeps the map after each memory call, by the call's line in the log."""

    def __init__(self) -> None:
        self.maps: dict[int, list[Shown]] = {}

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """Keep the map; a log that the model contradicts cannot be drawn."""
        if reason is None:
            self.maps[call.line] = shown(mm)
        else:
            raise ValueError(f"line {call.line}: not as predicted")


def shown(mm: Mm) -> list[Shown]:
    """Return the VMAs of an address space with what the three columns say of each."""
    vmas = list(mm_vmas(mm))
    made = []
    for vma, above in zip(vmas, [*vmas[1:], None], strict=True):
        apart = ""
        if above is not None and above.vm_start > vma.vm_end:
            apart = "a hole"
        elif above is not None:
            apart = " + ".join(cause.text for cause in Prober(mm).causes(vma, above))
        made.append(Shown(line_of_vma(vma), backing(vma), apart))
    return made


def backing(vma: Vma) -> str:
    """Return what a VMA maps, and from which page of it."""
    if vma.vm_file is None:
        return f"anonymous, page {vma.vm_pgoff:#x}"
    return f"{line_of_vma(vma).name}, page {vma.vm_pgoff:#x}"


def maps_of(log: str) -> dict[int, list[Shown]]:
    """Return the map after each memory call of a log, by line.

    Errors: ValueError when the model's answer is not the one in the log.
    """
    painter = Painter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.strace"
        path.write_text(log, "utf-8")
        Replay(RecordingFiles(str(path)), Options(observers=(painter,))).run()
    return painter.maps


def columns(rows: list[Shown]) -> str:
    """Return a map as text in three aligned columns."""
    lines = [("VMA", "maps", "apart from the next by")]
    for row in rows:
        line = row.line
        lines.append((f"{line.start:x}-{line.end:x} {line.perms}", row.backing, row.apart))
    first, second = WIDTHS
    return "".join(f"{a:{first}}{b:{second}}{c}".rstrip() + "\n" for a, b, c in lines)


def page(text: str) -> str:
    """Return the page with each of its maps drawn anew."""
    log = ""

    def redrawn(match: re.Match[str]) -> str:
        nonlocal log
        log += match[2]
        maps = maps_of(log)
        return match[1] + match[2] + match[3] + columns(maps[max(maps)]) + match[5]

    return BLOCKS.sub(redrawn, text)


def text_at(x: int, y: int, text: str, look: str = "") -> str:
    """Return a piece of text of an SVG."""
    return f'<text x="{x}" y="{y}"{look and " " + look}>{escape(text)}</text>\n'


def bar(rows: list[Shown], y: int) -> str:
    """Return the VMAs of one moment as a row of boxes, to scale."""
    made = ""
    per_byte = BAR_WIDTH / (LAST_ADDRESS - FIRST_ADDRESS)
    for row in rows:
        x = BAR_START + round((row.line.start - FIRST_ADDRESS) * per_byte)
        width = round((row.line.end - row.line.start) * per_byte)
        made += f'<rect x="{x}" y="{y}" width="{width}" height="{BAR_HEIGHT}" '
        made += f'fill="{COLOURS[row.line.perms]}" stroke="#333"/>\n'
        made += text_at(x + width // 2, y + 15, row.line.perms, 'text-anchor="middle"')
    return made


def call_text(line: str) -> str:
    """Return a call as the picture names it: place and size in pages, and the last word."""
    name, _, rest = line.partition("(")
    words = rest.split(", ")
    pages = int(words[1]) // 4096
    place = int(words[0], 16) % 0x100000 // 4096
    return f"{name}(page {place}, {pages} pages, {words[2].partition(')')[0]})"


def picture(folder: Path) -> str:
    """Return the SVG: of each log the calls, the map after each and its number of VMAs."""
    body = ""
    y = 12
    for title, name in PANELS:
        log = (folder / name).read_text("utf-8")
        maps = maps_of(log)
        body += text_at(14, y + 16, title, 'font-weight="bold" font-size="14"')
        y += ROW_HEIGHT
        for number, line in enumerate(log.splitlines(), 1):
            rows = maps[number]
            body += text_at(14, y + 15, call_text(line)) + bar(rows, y)
            count = f"{len(rows)} VMA" + ("s" if len(rows) > 1 else "")
            body += text_at(BAR_START + BAR_WIDTH + 16, y + 15, count)
            y += ROW_HEIGHT
        y += 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}"'
    head += f' viewBox="0 0 {WIDTH} {y}" font-family="monospace" font-size="12">\n'
    paper = f'<rect width="{WIDTH}" height="{y}" rx="6" fill="#fff" stroke="#ccc"/>\n'
    return head + paper + body + "</svg>\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(PICTURE.parent), "utf-8")
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
