# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts a page together: its parts, its data, and the scripts and styles that it carries along.

A page loads nothing and sends nothing: its policy forbids the browser both, and forbids any script
but the ones that it was written with.
"""

import base64
import hashlib
import importlib.util
import os
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from vmalab import __version__
from vmalab.calls.errors import UsageError
from vmalab.recording.format.output_file import replace_file
from vmalab.views.html.callbook import CallBook
from vmalab.views.html.escape import as_json, shown

if TYPE_CHECKING:
    from jinja2 import Environment

# Rows of a table that are shown.
MAX_ROWS: Final = 200

# The library for curves, then ours, in the order in which they need each other.
_SCRIPTS: Final = (
    "third_party/uPlot.min.js",
    "page.js",
    "details.js",
    "palette.js",
    "curves.js",
    "map.js",
    "density.js",
    "timeline.js",
    "compare.js",
    "flame.js",
    "start.js",
)
_STYLES: Final = ("third_party/uPlot.min.css", "page.css", "figures.css")

SYMPTOM: Final = "symptom"
CULPRIT: Final = "culprit"
CURE: Final = "cure"


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A figure at the head of a page. note: what stands below it; bad: it is a reason to worry."""

    label: str
    value: str
    note: str = ""
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """What a page has to say first. kind: SYMPTOM, CULPRIT or CURE. details: a line each.

    call: its number in the page's book, 0 for none.
    """

    kind: str
    text: str
    details: tuple[str, ...] = ()
    call: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table. numeric: the columns, from 0, that are set flush right. note: stands below it.

    parts: for each row, the part of a whole (0 to 1) that its first column is, drawn as a bar.
    calls: for each row, the number of its call in the page's book. most: rows that are shown.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numeric: tuple[int, ...] = ()
    note: str = ""
    parts: tuple[float, ...] = ()
    calls: tuple[int, ...] = ()
    most: int = MAX_ROWS

    @property
    def kinds(self) -> list[str]:
        """How each column is set: "num" or "text"."""
        return ["num" if at in self.numeric else "text" for at in range(len(self.columns))]

    @property
    def below(self) -> str:
        """What stands below it: its note, and how much is left out."""
        if len(self.rows) <= self.most:
            return self.note
        return f"{self.note} The first {self.most:,} of {len(self.rows):,}.".strip()


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A picture. data: what start.js draws. note: stands below it."""

    title: str
    data: dict[str, object]
    note: str = ""


@dataclass(slots=True)
class Part:
    """Figures and tables of one process image: a page shows one part at a time."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """What a page says. verdict: one line; good: whether it is the one hoped for.

    story: symptom, culprit and cure. figures, tables, closing: of the whole, above the parts and
    below them. notes: what a reader should know, below everything. book: the calls it tells of.
    """

    title: str
    subtitle: str
    verdict: str
    good: bool
    story: list[Statement] = field(default_factory=list)
    facts: list[KeyFigure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    closing: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    book: CallBook = field(default_factory=CallBook)


def title_of(path: str) -> str:
    """Return what a page about a recording is called: the last two names of its path.

    One alone may say little: many folders are called "recording".
    """
    names = [name for name in os.path.normpath(path).split("/") if name]
    return "/".join(names[-2:]) or path


def render(page: Page) -> str:
    """Return the page as HTML. Errors: UsageError when the library for templates is missing."""
    figures = [*page.figures, *(figure for part in page.parts for figure in part.figures)]
    data = page.book.plain() | {"figures": [figure.data for figure in figures]}
    return fill(
        "page.html.jinja",
        _SCRIPTS,
        _STYLES,
        page=page,
        number_of=figures.index,
        data=as_json(data),
    )


def fill(template: str, scripts: tuple[str, ...], styles: tuple[str, ...], **values: object) -> str:
    """Return a page of a template with the scripts and styles that it carries, and its policy.

    Errors: UsageError when the library for templates is missing.
    """
    texts = [resource(name) for name in scripts]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in texts)
    return str(
        _environment()
        .get_template(template)
        .render(
            version=__version__,
            policy=f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
            "img-src data: blob:",
            scripts=texts,
            styles=[resource(name) for name in styles],
            **values,
        )
    )


def check_library() -> None:
    """Errors: UsageError when the library for templates is not installed."""
    if importlib.util.find_spec("jinja2") is None:
        raise UsageError("an HTML page needs jinja2: pip install 'vmalab[html]'")


def write_page(path: str, page: Page) -> None:
    """Write the page to a file. Errors: UsageError when that cannot be done."""
    replace_file(path, render(page))


def _environment() -> "Environment":
    """Return how templates become text: whatever is put into one is escaped."""
    check_library()
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        autoescape=True,
        finalize=shown,
        loader=FunctionLoader(_text),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    return files("vmalab.views.html").joinpath(name).read_text("utf-8")


def resource(name: str) -> str:
    """Return a script or style, which does not end its own element."""
    text = _text(name)
    assert "</script" not in text.lower()
    assert "</style" not in text.lower()
    return text


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
