# SPDX-License-Identifier: GPL-2.0-or-later
"""The one way to standard output and standard error: what gets there has passed `visible`.

The exception is `put_exact`, for what other programs read byte by byte.
"""

import io
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from textwrap import TextWrapper
from typing import IO, TYPE_CHECKING, Final, TextIO

import click

from vmalab.views.visible import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.console import RenderableType

# A terminal that is narrower, or does not know how wide it is, counts as this wide.
_NARROWEST: Final = 40
# Lines that are written at once.
_BATCH: Final = 4096


class OutputError(Exception):
    """Standard output cannot be written to; `cause` is what the kernel said."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(cause)
        self.cause = cause


def say(text: str = "", *, err: bool = False, colour: str | None = None) -> None:
    """Print a line; a newline within it is escaped like any control character.

    err: on standard error. colour: of the line, on a terminal. Errors: OutputError.
    """
    stream = sys.stderr if err else sys.stdout
    shown = visible(text)
    if colour is not None and _is_terminal(stream):
        shown = click.style(shown, fg=colour)
    _write(stream, shown + "\n")


def say_lines(text: str, *, err: bool = False) -> None:
    """Print a text of several lines. Errors: OutputError."""
    for line in text.split("\n"):
        say(line, err=err)


def complain(text: str) -> None:
    """Print a message on standard error. Lines but its first are indented: they start no other.

    A terminal gets it broken between words.
    """
    first, *more = text.split("\n")
    for line in (f"vmalab: {first}", *(f"  {line}" for line in more)):
        for part in _fitted(visible(line)):
            say(part, err=True)


def _fitted(line: str) -> list[str]:
    """Return a line as standard error shows it whole: a terminal in parts, each of whole words."""
    if not _is_terminal(sys.stderr):
        return [line]
    width = os.get_terminal_size(sys.stderr.fileno()).columns
    fits = TextWrapper(
        max(width, _NARROWEST),
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return fits.wrap(line) if len(line) > width else [line]


def put(part: "RenderableType" = "") -> None:
    """Print a table or text; what is no terminal gets 80 columns and no colour.

    A terminal gets text broken between words; what reads a pipe gets lines whole, to search.
    Errors: OutputError.
    """
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.segment import Segment
    from rich.text import Text

    class Visible:
        """What is printed, as it was laid out, without anything that drives a terminal."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            for segment in console.render(whole, options):
                yield Segment(visible(segment.text, lines=True), segment.style, segment.control)

    whole = Text(visible(part, lines=True)) if isinstance(part, str) else part
    out = Console(file=sys.stdout, markup=False, highlight=False, emoji=False)
    with out.capture() as captured:
        out.print(Visible(), soft_wrap=isinstance(whole, Text) and not _is_terminal(sys.stdout))
    _write(sys.stdout, captured.get())


def drawn(parts: "Iterable[RenderableType]", width: int) -> str:
    """Return the text of some parts, laid out in so many columns; it drives no terminal."""
    from rich.console import Console

    out = Console(
        file=io.StringIO(),
        width=width,
        color_system=None,
        markup=False,
        highlight=False,
        emoji=False,
    )
    with out.capture() as captured:
        for part in parts:
            out.print(part)
    lines = captured.get().rstrip("\n").split("\n")
    return "\n".join(visible(line.rstrip()) for line in lines)


def put_exact(lines: Iterable[str]) -> None:
    """Print lines for other programs: byte for byte what they were, but escaped on a terminal.

    Errors: OutputError.
    """
    if _is_terminal(sys.stdout):
        for line in lines:
            say(line)
        return
    waiting = list(lines)
    for at in range(0, len(waiting), _BATCH):
        text = "".join(line + "\n" for line in waiting[at : at + _BATCH])
        _write(sys.stdout, text.encode("utf-8", "surrogateescape"))


def _is_terminal(stream: IO[str] | None) -> bool:
    return stream is not None and stream.isatty()


def _write(stream: IO[str] | None, text: str | bytes) -> None:
    """Write all of it now."""
    if stream is None:
        return
    if isinstance(text, bytes):
        stream.flush()
        stream.buffer.write(text)  # type: ignore[attr-defined]
    else:
        stream.write(text)
    stream.flush()


def open_standard_streams() -> None:
    """Let standard output raise OutputError, and both streams say all in their encodings.

    What standard error does not take is lost: the exit status tells what it would have told.
    A standard descriptor that is closed gets a file that takes nothing: else the next file that is
    opened would have its number, and what is printed would go there.
    """
    while (fd := os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)) < 3:
        pass
    os.close(fd)
    sys.stdout = _stream(_StandardOutput(1, "w", closefd=False), sys.stdout, os.isatty(1))
    sys.stderr = _stream(_StandardError(2, "w", closefd=False), sys.stderr, True)


def _stream(file: io.FileIO, old: TextIO | None, line_buffering: bool) -> io.TextIOWrapper:
    """Return a stream of text in the place of another; None: its descriptor was closed."""
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding="utf-8" if old is None else old.encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
    )


class _StandardOutput(io.FileIO):
    """Descriptor 1, whose errors are told from those of all other files."""

    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error) from None


class _StandardError(io.FileIO):
    """Descriptor 2, which never fails."""

    def write(self, data: "ReadableBuffer", /) -> int:
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes
