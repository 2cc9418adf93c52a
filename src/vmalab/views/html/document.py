# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts a page together: its parts, its data, and the scripts and styles that it carries along.

A page loads nothing and sends nothing: its policy forbids the browser both, and forbids any script
but the ones that it was written with.
"""

import base64
import hashlib
import importlib
import importlib.util
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Final

from vmalab import __version__
from vmalab.calls.errors import UsageError
from vmalab.views.html.escape import as_json, as_text

# Rows of a table that are shown.
MAX_ROWS: Final = 200

_SCRIPTS: Final = ("page.js", "map.js", "timeline.js", "compare.js", "start.js")


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A figure at the head of a page. note: what stands below it; bad: it is a reason to worry."""

    label: str
    value: str
    note: str = ""
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table. numeric: the columns, from 0, that are set flush right. note: stands below it.

    parts: for each row, the part of a whole (0 to 1) that its first column is, drawn as a bar.
    most: rows that are shown.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numeric: tuple[int, ...] = ()
    note: str = ""
    parts: tuple[float, ...] = ()
    most: int = MAX_ROWS


@dataclass(slots=True)
class Part:
    """One chart with its tables: a page shows one part at a time, chosen by name.

    chart: what start.js draws, None: nothing.
    """

    name: str
    chart: dict[str, object] | None
    tables: list[Table] = field(default_factory=list)
    note: str = ""


@dataclass(slots=True)
class Page:
    """What a page says. verdict: one line; good: whether it is the one hoped for.

    tables, closing: of the whole, above the parts and below them. notes: what a reader should know,
    below everything.
    """

    title: str
    subtitle: str
    verdict: str
    good: bool
    facts: list[KeyFigure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    closing: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def render(page: Page) -> str:
    """Return the page as HTML. Errors: UsageError when the library that draws is not installed."""
    data = as_json({"parts": [{"name": part.name, "chart": part.chart} for part in page.parts]})
    scripts = [_plotly(), *(_resource(name) for name in _SCRIPTS)]
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
    )
    body = [
        f"<header><h1>{as_text(page.title)}</h1><p class=subtitle>{as_text(page.subtitle)}</p>",
        f'<p class="verdict {"good" if page.good else "bad"}">{as_text(page.verdict)}</p></header>',
        _facts(page.facts),
        *map(_table, page.tables),
        _chooser(page.parts),
        *(_part(index, part) for index, part in enumerate(page.parts)),
        *map(_table, page.closing),
        _notes(page.notes),
    ]
    head = (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<meta name="generator" content="vmalab {as_text(__version__)}">'
        f"<title>{as_text(page.title)} - {as_text(page.subtitle)}</title>"
        f"<style>{_resource('page.css')}</style></head>\n<body>\n"
    )
    tail = [f'<script type="application/json" id="data">{data}</script>']
    tail += [f"<script>{script}</script>" for script in scripts]
    return head + "\n".join(body) + "\n" + "\n".join(tail) + "\n</body></html>\n"


def check_library() -> None:
    """Errors: UsageError when the library that draws is not installed."""
    if importlib.util.find_spec("plotly") is None:
        raise UsageError("an HTML page needs plotly: pip install 'vmalab[html]'")


def write_page(path: str, page: Page) -> None:
    """Write the page to a file. Errors: UsageError when that cannot be done."""
    text = render(page)
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: cannot write: {why}") from None


def _plotly() -> str:
    """Return the library's script."""
    check_library()
    return _checked(str(importlib.import_module("plotly.offline").get_plotlyjs()))


def _resource(name: str) -> str:
    return _checked(files("vmalab.views.html").joinpath(name).read_text("utf-8"))


def _checked(text: str) -> str:
    """Return a script or style that does not end its own element."""
    assert "</script" not in text.lower()
    assert "</style" not in text.lower()
    return text


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _facts(facts: list[KeyFigure]) -> str:
    cards = []
    for fact in facts:
        note = f"<dd class=note>{as_text(fact.note)}</dd>" if fact.note else ""
        value = f'<dd class="value{" bad" if fact.bad else ""}">{as_text(fact.value)}</dd>'
        cards.append(f"<div><dt>{as_text(fact.label)}</dt>{value}{note}</div>")
    return f"<dl class=facts>{''.join(cards)}</dl>"


def _table(table: Table) -> str:
    if not table.rows:
        return ""
    kinds = ["num" if index in table.numeric else "text" for index in range(len(table.columns))]
    titles = zip(kinds, table.columns, strict=True)
    head = "".join(f"<th class={kind}>{as_text(title)}</th>" for kind, title in titles)
    rows = []
    for at, row in enumerate(table.rows[: table.most]):
        cells = [
            f"<td class={kind}>{as_text(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)
        ]
        if table.parts:
            bar = f'<td class="{kinds[0]} bar" style="--part:{100 * table.parts[at]:.1f}%">'
            cells[0] = bar + cells[0].partition(">")[2]
        rows.append("".join(cells))
    note = table.note
    if len(table.rows) > table.most:
        note = f"{note} The first {table.most:,} of {len(table.rows):,}.".strip()
    below = f"<p class=note>{as_text(note)}</p>" if note else ""
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<section class=table><h2>{as_text(table.title)}</h2><div class=scroll><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{below}</section>"
    )


def _chooser(parts: list[Part]) -> str:
    if len(parts) < 2:
        return ""
    options = "".join(
        f"<option value={index}>{as_text(part.name)}</option>" for index, part in enumerate(parts)
    )
    return (
        f"<p class=chooser><label>Process image <select id=chooser>{options}</select></label></p>"
    )


def _part(index: int, part: Part) -> str:
    hidden = " hidden" if index else ""
    chart = ""
    if part.chart is not None:
        note = f"<p class=note>{as_text(part.note)}</p>" if part.note else ""
        chart = (
            "<div class=axis></div><div class=chart></div><div class=legend></div>"
            f"<p class=pinned></p>{note}"
        )
    tables = "".join(map(_table, part.tables))
    return f"<section class=part data-part={index}{hidden}>{chart}{tables}</section>"


def _notes(notes: list[str]) -> str:
    items = "".join(f"<li>{as_text(note)}</li>" for note in notes)
    return f"<footer><ul>{items}</ul></footer>" if items else ""
