# SPDX-License-Identifier: GPL-2.0-or-later
"""The arguments of a call as strace prints them: a parser of its syntax into plain values.

Numbers become ints (an unsigned 64-bit view), strings str, `{..}` dict, `[..]` list; constants are
decoded by name. The parser knows no system call.
"""

import re
from typing import Final, final

from vmalab.calls.call import U64_MAX, FdPath, TruncatedList, TruncatedStr, UnknownSymbol
from vmalab.calls.symbols import SYMBOLS
from vmalab.patterns import pattern

MAX_DEPTH: Final = 32
MAX_ARGUMENTS: Final = 6

_EXPRESSION = pattern(r"-?[A-Za-z0-9_]+(?:(?:\||<<|\*)-?[A-Za-z0-9_]+)*", re.ASCII)
_STRING = pattern(r'"([^"\\]*(?:\\.[^"\\]*)*)"(\.\.\.)?', re.DOTALL)
_FIELD = pattern(r"([A-Za-z_][\w.]*(?:\[\d+\])?)=(?!=)", re.ASCII)
_NOTE = pattern(r" ?/\*.*?\*/")
_ESCAPE = pattern(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_PLAIN_ESCAPES: Final = {"n": 10, "t": 9, "r": 13, "v": 11, "f": 12, "a": 7, "b": 8}

# Values of expressions of constants seen before: they are few, and come again and again.
_MAX_CACHE: Final = 4096
_cache: dict[str, int] = {}


class SyntaxProblem(Exception):
    """The text is not what strace prints; `str()` says why."""


class SymbolProblem(Exception):
    """A constant whose number is not known; `str()` is its name."""


def number(text: str) -> int:
    """Return the value of one number: decimal, 0x, or octal with a leading 0.

    ValueError if it is none.

    Errors: SyntaxProblem when it does not fit into 64 bits.
    """
    if len(text) > 66:
        raise SyntaxProblem(f"a number of {len(text)} characters")
    negative = text[:1] == "-"
    digits = text[1:] if negative else text
    if digits[:2] in ("0x", "0X"):
        value = int(digits, 16)
    elif digits[:1] == "0":
        value = int(digits, 8)
    else:
        value = int(digits)
    if "_" in digits:
        raise ValueError(text)
    if negative:
        if value > 1 << 63:
            raise SyntaxProblem(f"the number {text} is beyond 64 bits")
        return (U64_MAX + 1 - value) & U64_MAX
    if value > U64_MAX:
        raise SyntaxProblem(f"the number {text} is beyond 64 bits")
    return value


def _factor(text: str) -> int:
    if text[:1].isdigit() or text[:1] == "-":
        try:
            return number(text)
        except ValueError:
            raise SyntaxProblem(f"{text[:40]!r} is not a number") from None
    known = SYMBOLS.get(text)
    if known is None:
        raise SymbolProblem(text[:60])
    return known


def _term(text: str) -> int:
    if "<<" in text:
        left, _, right = text.partition("<<")
        shift = _factor(right)
        if shift > 63:
            raise SyntaxProblem(f"a shift by {shift}")
        return (_factor(left) << shift) & U64_MAX
    if "*" in text:
        product = 1
        for part in text.split("*"):
            product *= _factor(part)
            if product > U64_MAX:
                raise SyntaxProblem(f"the product {text[:40]} is beyond 64 bits")
        return product
    return _factor(text)


def expression(text: str) -> int:
    """Return the value of terms joined by `|`: numbers, constants, shifts, products.

    Errors: SyntaxProblem, SymbolProblem.
    """
    known = _cache.get(text)
    if known is not None:
        return known
    value = 0
    for term in text.split("|"):
        value |= _term(term)
    if len(text) < 200 and not text.isdecimal() and text[:2] != "0x":
        if len(_cache) >= _MAX_CACHE:
            _cache.clear()
        _cache[text] = value
    return value


def _escaped(match: re.Match[str]) -> str:
    code = match.group(1)
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8) & 0xFF)
    if code in _PLAIN_ESCAPES:
        return chr(_PLAIN_ESCAPES[code])
    return code


def unescape(text: str) -> str:
    """A string's content: escapes stand for bytes, these for UTF-8 or else surrogate escapes."""
    if "\\" not in text:
        return text
    if text.isascii():
        raw = _ESCAPE().sub(_escaped, text).encode("latin-1")
        return raw.decode("utf-8", "surrogateescape")
    # Mixed: escape by escape, as bytes, between characters that are already decoded.
    return _ESCAPE().sub(
        lambda m: _escaped(m).encode("latin-1", "replace").decode("utf-8", "surrogateescape"), text
    )


@final
class ArgumentParser:
    """Parses one text, left to right; `pos` is how far it came.

    strict: an unknown constant is an error (SymbolProblem) rather than an `UnknownSymbol`; it is
    set for each argument. out: what stood behind `=>`.
    """

    def __init__(self, text: str, pos: int) -> None:
        self.text = text
        self.pos = pos
        self.strict = False
        self.out: object = None

    def arguments(self, strict_mask: int) -> list[tuple[str, object]]:
        """Return the (name or "", value) of each argument, up to and over the closing parenthesis.

        strict_mask: bit i set: argument i must be understood whole.
        """
        found: list[tuple[str, object]] = []
        text = self.text
        if text.startswith(")", self.pos):
            self.pos += 1
            return found
        while True:
            if len(found) == MAX_ARGUMENTS:
                raise SyntaxProblem(f"more than {MAX_ARGUMENTS} arguments")
            name = ""
            field = _FIELD().match(text, self.pos)
            if field is not None:
                name = field.group(1)
                self.pos = field.end()
            self.strict = bool(strict_mask >> len(found) & 1)
            found.append((name, self._value_and_output(0, name)))
            if text.startswith(", ", self.pos):
                self.pos += 2
            elif text.startswith(")", self.pos):
                self.pos += 1
                return found
            else:
                raise self._problem("', ' or ')' expected")

    def _problem(self, why: str) -> SyntaxProblem:
        here = self.text[self.pos : self.pos + 20]
        if not here:
            return SyntaxProblem(f"the line ends too early: {why}")
        return SyntaxProblem(f"{why} at character {self.pos + 1} of the call, before {here!r}")

    def _value_and_output(self, depth: int, name: str) -> object:
        value = self._value(depth)
        if self.text.startswith(" => ", self.pos):
            self.pos += 4
            self._output(depth, name)
        return value

    def _output(self, depth: int, name: str) -> None:
        field = _FIELD().match(self.text, self.pos)
        if field is not None:
            name = field.group(1)
            self.pos = field.end()
        value = self._value(depth)
        if not name or isinstance(value, dict):
            self.out = value
        elif isinstance(self.out, dict):
            self.out[name] = value
        else:
            self.out = {name: value}

    def _value(self, depth: int) -> object:
        text = self.text
        pos = self.pos
        first = text[pos : pos + 1]
        value: object
        if first == '"' or first == "@":
            value = self._string()
        elif first == "{":
            value = self._struct(depth + 1)
        elif first == "[":
            value = self._array(depth + 1)
        elif first == "?":
            self.pos += 1
            value = UnknownSymbol("?")
        else:
            value = self._expression(depth)
        while text.startswith(("<", "/*", " /*"), self.pos):
            if text.startswith("<", self.pos):
                path = self._descriptor()
                if depth == 0 and isinstance(value, int):
                    value = Described(value, path)
                continue
            note = _NOTE().match(text, self.pos)
            if note is None:
                raise self._problem("a comment that does not end")
            self.pos = note.end()
            if text.startswith("|", self.pos):
                # `0x8 /* MAP_??? */|MAP_ANONYMOUS`: the note was for the first bits only.
                self.pos += 1
                more = self._expression(depth)
                if not isinstance(value, int) or not isinstance(more, int):
                    raise self._problem("a number expected")
                value |= more
        return value

    def _string(self) -> str:
        # `@"name"`: an abstract socket's name, its leading NUL shown as `@`.
        start = self.pos + (1 if self.text[self.pos] == "@" else 0)
        match = _STRING().match(self.text, start)
        if match is None:
            raise self._problem("a string that does not end")
        self.pos = match.end()
        content = unescape(match.group(1))
        return TruncatedStr(content) if match.group(2) else content

    def _expression(self, depth: int) -> object:
        match = _EXPRESSION().match(self.text, self.pos)
        if match is None:
            raise self._problem("a value expected")
        word = match.group()
        if self.text.startswith("(", match.end()):
            return self._macro(word, match.end(), depth)
        try:
            value: object = expression(word)
        except SymbolProblem:
            if self.strict:
                raise
            value = UnknownSymbol(word)
        self.pos = match.end()
        return value

    def _macro(self, name: str, paren: int, depth: int) -> object:
        """A value like `_IOC(..)`, which has a number, or `htons(80)`, which is kept as text."""
        if depth >= MAX_DEPTH:
            raise SyntaxProblem(f"nested deeper than {MAX_DEPTH}")
        start = self.pos
        self.pos = paren + 1
        parts: list[object] = []
        while not self.text.startswith(")", self.pos):
            parts.append(self._value(depth + 1))
            if self.text.startswith(", ", self.pos):
                self.pos += 2
            elif not self.text.startswith(")", self.pos):
                raise self._problem("', ' or ')' expected")
        self.pos += 1
        if name == "_IOC":
            numbers = [part for part in parts if isinstance(part, int)]
            if len(numbers) == 4:
                direction, kind, nr, size = numbers
                return (direction << 30 | size << 16 | kind << 8 | nr) & U64_MAX
        if self.strict:
            raise SymbolProblem(self.text[start : self.pos][:60])
        return UnknownSymbol(self.text[start : self.pos])

    def _struct(self, depth: int) -> dict[str, object]:
        if depth > MAX_DEPTH:
            raise SyntaxProblem(f"nested deeper than {MAX_DEPTH}")
        text = self.text
        self.pos += 1
        fields: dict[str, object] = {}
        target = fields
        while not text.startswith("}", self.pos):
            if text.startswith("...", self.pos):
                self.pos += 3
                fields["..."] = True
            else:
                name = str(len(fields))
                field = _FIELD().match(text, self.pos)
                if field is not None:
                    name = field.group(1)
                    self.pos = field.end()
                target[name] = self._value(depth)
                if text.startswith(" => ", self.pos):
                    # The kernel's answer: this and every later field of the struct.
                    self.pos += 4
                    target = self._answers()
                    field = _FIELD().match(text, self.pos)
                    if field is not None:
                        name = field.group(1)
                        self.pos = field.end()
                    target[name] = self._value(depth)
            if text.startswith(", ", self.pos):
                self.pos += 2
            elif not text.startswith("}", self.pos):
                raise self._problem("', ' or '}' expected")
        self.pos += 1
        return fields

    def _answers(self) -> dict[str, object]:
        if not isinstance(self.out, dict):
            self.out = {}
        return self.out

    def _array(self, depth: int) -> list[object]:
        if depth > MAX_DEPTH:
            raise SyntaxProblem(f"nested deeper than {MAX_DEPTH}")
        text = self.text
        self.pos += 1
        items: list[object] = []
        while not text.startswith("]", self.pos):
            if text.startswith("...", self.pos):
                self.pos += 3
                items = TruncatedList(items)
            elif text.startswith("/*", self.pos):
                note = _NOTE().match(text, self.pos)
                if note is None:
                    raise self._problem("a comment that does not end")
                self.pos = note.end()
            else:
                items.append(self._value_and_output(depth, ""))
            if text.startswith(", ", self.pos):
                self.pos += 2
            elif not text.startswith("]", self.pos):
                raise self._problem("', ' or ']' expected")
        self.pos += 1
        if text.startswith("...", self.pos):
            self.pos += 3
            items = TruncatedList(items)
        return items

    def _descriptor(self) -> FdPath:
        """The note behind a descriptor: `<..>`, brackets nested (`</dev/null<char 1:3>>`)."""
        end = descriptor_end(self.text, self.pos)
        if end < 0:
            raise self._problem("a descriptor's note that does not end")
        path = FdPath(unescape(self.text[self.pos + 1 : end - 1]))
        self.pos = end
        if self.text.startswith("(deleted)", end):
            self.pos += len("(deleted)")
        return path


@final
class Described:
    """A number with the note that stood behind it."""

    __slots__ = ("note", "value")

    def __init__(self, value: int, note: FdPath) -> None:
        self.value = value
        self.note = note


def descriptor_end(text: str, pos: int) -> int:
    """Return where the note that opens with `<` at pos ends (behind its `>`), or -1.

    strace escapes `<` and `>` in paths; the arrow of a socket (`1:2->3:4`) is no end, but behind a
    path that ends in `-` there is one.
    """
    arrows = not text.startswith("/", pos + 1)
    depth = 0
    while pos < len(text):
        char = text[pos]
        if char == "<":
            depth += 1
        elif char == ">" and not (arrows and text[pos - 1] == "-"):
            depth -= 1
            if depth == 0:
                return pos + 1
        pos += 1
    return -1
