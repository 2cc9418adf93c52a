# SPDX-License-Identifier: GPL-2.0-or-later
"""Joins lines that a terminal or a mail wrapped at its width, where that is not ambiguous.

A terminal breaks a line behind its last column, a mail between words. How a text is wrapped shows
in its own lines: those that are incomplete are as long as the width, or the next word would not
have fitted. A line whose rest cannot be told is left as it is, and its reader complains of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, product
from typing import Final, NamedTuple, final

from vmalab.recording.readers.margins import margin_of, without_margin
from vmalab.recording.readers.paste import is_elision, is_frame, unwrap

# No width is smaller, and none larger.
_MIN_WIDTH: Final = 40
_MAX_WIDTH: Final = 512
# Characters of quotation marks and indentation.
_FRAMES: Final = " \t>|"
# By how much wrappers differ on what fits: a blank behind a word counts for some.
_SLACK: Final = 2
# Lines that one may have been broken into, and lines of a text that show how it is wrapped.
_MAX_PARTS: Final = 64
LOOKED_AT: Final = 4096
# Broken lines among those that are tried.
_TRIED: Final = 64


class LineShape(NamedTuple):
    """What lines of a text look like.

    begins: whether one begins with this line. whole: whether it can end with it. fits: whether a
    line that was whole may have become a longer one, by its wrapping. sure: whether a line can only
    go on with another, wherever it broke. heads: whether it is only what stands before a first
    word. evidence: broken lines that it takes to believe that the text is wrapped. margins: what
    stands before each line of a text that is known for what it is.
    """

    begins: Callable[[str], bool]
    whole: Callable[[str], bool]
    fits: Callable[[str, str, bool], bool]
    sure: Callable[[str, str], bool]
    heads: Callable[[str], bool]
    evidence: int
    margins: Callable[[Sequence[str]], list[str]]


class Wrapping(NamedTuple):
    """How a text is wrapped. width: in characters. words: only between words."""

    width: int
    words: bool

    def breaks(self, line: str, after: str) -> bool:
        """Return whether a break between two lines is of this wrapping."""
        if not self.words:
            # What ended in a blank may have lost it.
            return self.width - 1 <= len(line) <= self.width
        first = after.split(None, 1)
        return bool(first) and len(line) + 1 + len(first[0]) > self.width - _SLACK

    def join(self, text: str, line: str, after: str) -> str:
        """Return a text, which ends with a line, with what follows."""
        glued = len(line) >= self.width
        if self.words:
            glued = line.endswith(" ") or self.cuts_word(line)
        return f"{text}{'' if glued else ' '}{after}"

    def cuts_word(self, line: str) -> bool:
        """Return whether a line ends within a word that is longer than a line."""
        return self.words and len(line) >= self.width and " " not in line


@final
class Joiner:
    """Puts lines together: `feed` returns a text and the number of its lines, when it is whole."""

    def __init__(self, shape: LineShape, wrapping: Wrapping | None, *, sure: bool) -> None:
        """sure: whether to join also what needs no wrapping to be told."""
        self._sure = sure
        self._shape = shape
        self._wrapping = wrapping
        self._text = ""
        self._line = ""
        self._parts = 0

    def feed(self, line: str) -> tuple[str, int] | None:
        """Take a line: what came before it, if that does not go on with it."""
        text = self._with(line) if self._parts else None
        if text is not None:
            self._text = text
            self._line = line
            self._parts += 1
            return None
        done = self.finish()
        self._text = self._line = line
        self._parts = 1
        return done

    def finish(self) -> tuple[str, int] | None:
        """Return what has come last, None for nothing."""
        done = (self._text, self._parts) if self._parts else None
        self._parts = 0
        return done

    def _plain(self, line: str) -> str:
        return plain_line(line, self._shape)

    def _with(self, line: str) -> str | None:
        """Return the text together with a line, None where it does not go on with that."""
        if self._sure and self._shape.sure(self._text, line):
            return f"{self._text} {line.strip()}"
        wrapping = self._wrapping
        after = None if wrapping is None else self._rest(line, wrapping)
        if wrapping is None or after is None:
            return None
        return wrapping.join(self._text, self._line, after)

    def _rest(self, line: str, wrapping: Wrapping) -> str | None:
        """Return what a line adds to the text by its wrapping, None where it does not go on."""
        shape = self._shape
        if self._parts >= _MAX_PARTS or not line.strip():
            return None
        if len(line) > wrapping.width and not (wrapping.words and " " not in line.strip()):
            return None
        plain = self._plain(self._text)
        heads = wrapping.words and shape.heads(plain)
        if not (heads or shape.begins(plain)) or (not heads and shape.begins(self._plain(line))):
            return None
        after = line.lstrip() if wrapping.words else line
        if not wrapping.breaks(self._line, after):
            return None
        if wrapping.cuts_word(self._line) or not shape.whole(plain):
            return after
        joined = wrapping.join(plain, self._line, after)
        return after if shape.fits(plain, joined, wrapping.words) else None


def is_padded(lines: Sequence[str]) -> bool:
    """Return whether blanks fill the lines of a text up to a width, as a terminal's rows."""
    shown = [line for line in lines if line.strip()]
    width = min(map(len, shown), default=0)
    filled = sum(1 for line in shown if len(line) == width and line[-2:] == "  ")
    return width >= _MIN_WIDTH and filled > 1 and filled * 2 > len(shown)


def frame_of(lines: Sequence[str], shape: LineShape) -> str:
    """Return the quotation marks or indentation that stand before all lines of a text."""
    begun = [index for index, line in enumerate(lines) if shape.begins(unwrap(line))]
    if not begun:
        return ""
    inside = [line for line in lines[begun[0] : begun[-1] + 1] if line.strip(_FRAMES)]
    first = inside[0]
    frame = first[: len(first) - len(first.lstrip(_FRAMES))]
    while not all(line.startswith(frame) for line in inside):
        frame = frame[:-1]
    return frame


def plain_line(line: str, shape: LineShape) -> str:
    """Return a line as it is where one begins with it, else without what a paste puts around it."""
    return line if shape.begins(line) else unwrap(line)


def wrapping_of(lines: Sequence[str], shape: LineShape) -> Wrapping | None:
    """Return how a text is wrapped, None where it is not or cannot be told."""
    begins = [shape.begins(line) or shape.begins(unwrap(line)) for line in lines]
    begun = [index for index, it_begins in enumerate(begins) if it_begins]
    last = len(lines) - 1
    broken = [
        index
        for index in begun
        if index < last and not begins[index + 1] and _is_broken(lines, index, shape)
    ]
    if not broken:
        return None
    tried = broken[:_TRIED]
    widths = {
        max(len(lines[index]) for index in begun),
        max(len(line) for line in lines[begun[0] : begun[-1] + 1]),
    }
    best: tuple[int, Wrapping] | None = None
    for width, words in product(sorted(widths), (False, True)):
        wrapping = Wrapping(width, words)
        joined = sum(1 for index in tried if _is_joined(lines, index, shape, wrapping))
        enough = joined >= shape.evidence or (joined and not words and _fills(lines, width))
        if _MIN_WIDTH <= width <= _MAX_WIDTH and enough and joined * 2 >= len(tried):
            if best is None or joined > best[0]:
                best = (joined, wrapping)
    return None if best is None else best[1]


def _fills(lines: Sequence[str], width: int) -> bool:
    """Return whether a text has several lines of a width, and none that is longer."""
    lengths = [len(line) for line in lines]
    return max(lengths) == width and lengths.count(width) > 1


def _is_broken(lines: Sequence[str], index: int, shape: LineShape) -> bool:
    """Return whether a line that begins is followed by one that can only be its rest.

    Preconditions: the one after it does not begin.
    """
    after = plain_line(lines[index + 1], shape)
    if is_frame(after) or is_elision(after):
        return False
    plain = plain_line(lines[index], shape)
    joined = (plain + after, f"{plain} {after}")
    return not shape.whole(plain) or any(shape.fits(plain, text, False) for text in joined)


def _is_joined(lines: Sequence[str], index: int, shape: LineShape, wrapping: Wrapping) -> bool:
    """Return whether the lines from one on become a whole one when they are joined so."""
    joiner = Joiner(shape, wrapping, sure=wrapping.words)
    done = None
    for line in lines[index : index + _MAX_PARTS]:
        done = joiner.feed(line)
        if done is not None:
            break
    text, parts = done or joiner.finish() or ("", 0)
    return parts > 1 and shape.whole(plain_line(text, shape))


def joined_lines(lines: Iterable[str], shape: LineShape) -> Iterator[tuple[str, int]]:
    """Yield the lines of a text, with what was wrapped put together: text, number of lines."""
    source = iter(lines)
    first = list(islice(source, LOOKED_AT))
    if is_padded(first):
        first = list(map(str.rstrip, first))
        source = map(str.rstrip, source)
    frame = frame_of(first, shape)
    first = [line.removeprefix(frame) for line in first]
    margin = margin_of(shape.margins(first), first)
    first = [without_margin(line, margin) for line in first]
    wrapping = wrapping_of(first, shape)
    rest = (without_margin(line.removeprefix(frame), margin) for line in source)
    joiner = Joiner(shape, wrapping, sure=True)
    for line in chain(first, rest):
        done = joiner.feed(line)
        if done is not None:
            yield done
    done = joiner.finish()
    if done is not None:
        yield done
