# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads syzkaller programs: calls with their arguments, and no results.

    r0 = memfd_create(&(0x7f0000200000)='x\\x00', 0x0)
    mmap(&(0x7f0000000000/0x3000)=nil, 0x3000, 0x3, 0x12, r0, 0x0)

Addresses are taken as the program writes them. Descriptors get the numbers 3, 4, ... in the order
in which the program makes them; what any other call answers is left to the model.
"""

import re
from collections.abc import Sequence
from sys import intern
from typing import Final, final

from vmalab.calls.call import NO_ARGS, U64_MAX, Call, Event, Exit, Unparsed
from vmalab.calls.structs import STRUCTS, UFFDIO
from vmalab.calls.table import COMMANDS, DUPS, MAKES_FD, Syscall, row_of
from vmalab.patterns import pattern
from vmalab.recording.readers.line_source import MAX_LINE, lines_in
from vmalab.recording.readers.margins import MAX_MARGIN, margin_of, without_margin
from vmalab.recording.readers.paste import MARKS, is_frame, restore, retyped, unwrap

FIRST_FD: Final = 3
MAX_DEPTH: Final = 32
MAX_RESOURCES: Final = 1 << 16
_LOOKED_AT: Final = 64

_CALL = pattern(r"(?:(r\d{1,6}) = )?([a-z_]\w{0,40})(?:\$\w{1,80})?\(", re.ASCII)
# Where a call may begin behind something else.
_AMID = pattern(r"(?<![\w./,$-])(?:r\d{1,6} = )?[a-z_]\w{0,40}(?:\$\w{1,80})?\(", re.ASCII)
# What only such a program writes in a call; what only strace does.
_SURE = pattern(r"&\(0x[0-9a-f]+(?:/0x[0-9a-f]+)?\)=|&AUTO|=nil\b|=ANY=|^(?:r\d+ = )?\w+\$\w+\(")
_STRACE = pattern(r"\) += (?:-?\d|0x|\?)|<unfinished \.\.\.>$")
_PROGRAM = pattern(r"executing program\b")
# How a call is to be made: `(async, rerun: 32)`, `(fail_nth: 1)`.
_PROPERTIES = pattern(r"\s*(?:\(\w+(?:: \d+)?(?:, \w+(?:: \d+)?)*\))?\s*(?:#.*)?$", re.ASCII)
_NUMBER = pattern(r"-?(?:0x[0-9a-fA-F]{1,16}|\d{1,20})", re.ASCII)
_RESOURCE = pattern(r"r\d{1,6}", re.ASCII)
_OPERATORS = pattern(r"(?:[/+]0x[0-9a-f]{1,16})+", re.ASCII)
_POINTER = pattern(r"&(?:AUTO|\((0x[0-9a-fA-F]{1,16})(?:/0x[0-9a-fA-F]{1,16})?\))=?", re.ASCII)
_QUOTED = pattern(r"'((?:[^'\\]|\\.)*)'(?:/\d+|/0x[0-9a-f]+)?")
_HEXED = pattern(r'"([0-9a-fA-F]*)"(?:/\d+|/0x[0-9a-f]+)?', re.ASCII)
_UNION = pattern(r"@\w+=?|ANY=|ANYRES\w+=", re.ASCII)
_RESULT = pattern(r"<(r\d{1,6})=>", re.ASCII)
_ESCAPE = pattern(r"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "f": "\f", "a": "\a", "b": "\b"}


class _Problem(Exception):
    """The text is no call of such a program; `str()` says why."""


def is_syzkaller_text(first: Sequence[str]) -> bool:
    """Whether a file that begins with these lines is such a program: calls without results."""
    if _is_console(first):
        return True
    lines = [line for line in first[:_LOOKED_AT] if line and line[0] != "#"]
    known = [line for line in lines if len(line) < 4096 and _CALL().match(line)]
    told = any(" = " in line[4:] and not _RESOURCE().match(line) for line in lines)
    return bool(known) and len(known) == len(lines) and not told and not _is_cut(known)


def _is_console(first: Sequence[str]) -> bool:
    """Return whether calls of such a program stand amid other text, and none with a result does."""
    calls = [unwrap(line) for line in first[: 4 * _LOOKED_AT] if len(line) < 4096]
    sure = any(map(is_program_line, calls))
    return sure and not any(_STRACE().search(line) for line in calls)


def is_program_line(line: str) -> bool:
    """Return whether only such a program has a line."""
    return _CALL().match(line) is not None and _SURE().search(line) is not None


def program_margin(first: Sequence[str]) -> re.Pattern[str] | None:
    """Return what stands before the calls of a program, None for nothing and for other texts."""
    lines = [line for line in map(restore, first[: 4 * _LOOKED_AT]) if len(line) < 4096]
    calls = [(line, found) for line in lines if (found := _AMID().search(line, 0, MAX_MARGIN))]
    if not any(is_program_line(line[found.start() :]) for line, found in calls):
        return None
    return margin_of([line[: found.start()] for line, found in calls], lines)


def _is_cut(lines: list[str]) -> bool:
    return any(line.endswith("<unfinished ...>") for line in lines)


@final
class _Pointer:
    """An address (bytes), and what the program puts there: None for nothing."""

    __slots__ = ("address", "pointee")

    def __init__(self, address: int, pointee: object) -> None:
        self.address = address
        self.pointee = pointee


@final
class SyzkallerReader:
    """Takes lines, gives events; its methods and counters are those of `StraceReader`."""

    def __init__(self, margin: re.Pattern[str] | None = None) -> None:
        """margin: what stands before each line."""
        self.lines = 0
        self.unparsed = 0
        self.notes = 0
        self._margin = margin
        self._events: list[Event] = []
        self._resources: dict[str, int] = {}
        self._next_fd = FIRST_FD
        # Which program of the text it is: each is a process of its own.
        self._program = 0
        self._text = ""
        self._pos = 0

    def take(self) -> list[Event]:
        """Return the events since the last call of take()."""
        events = self._events
        self._events = []
        return events

    def feed_block(self, block: bytes) -> None:
        """Whole lines, as the log has them, each with its newline."""
        for line in lines_in(block):
            self.feed(line)

    def feed(self, line: str) -> None:
        """One line, without its newline."""
        self.lines += 1
        if len(line) <= MAX_LINE:
            line = unwrap(without_margin(retyped(restore(line)), self._margin)).rstrip(MARKS)
        if not line or line.startswith("#") or is_frame(line):
            self.notes += 1
            return
        if _PROGRAM().search(line) is not None and _CALL().match(line) is None:
            self._begin_program()
            return
        try:
            if len(line) > MAX_LINE:
                raise _Problem(f"longer than {MAX_LINE} characters")
            self._events.append(self._call(line))
        except _Problem as problem:
            self.unparsed += 1
            self._events.append(Unparsed(self.lines, line, str(problem)))

    def cut(self, line: str) -> None:
        """The last line, when it has no newline: programs often end so."""
        self.feed(line)

    def broken(self, why: str) -> None:
        """The program cannot be read on, behind the last line."""
        self.lines += 1
        self.unparsed += 1
        self._events.append(Unparsed(self.lines, "", why))

    def finish(self) -> None:
        """The end of the program."""

    def _begin_program(self) -> None:
        """Another program begins, in a process of its own, with resources of its own."""
        self.notes += 1
        self._events.append(Exit(self._program, self.lines, 0, None))
        self._program += 1
        self._resources.clear()
        self._next_fd = FIRST_FD

    # One call.

    def _call(self, line: str) -> Call:
        match = _CALL().match(line)
        if match is None:
            raise _Problem("no call")
        resource, name = match.groups()
        self._text, self._pos = line, match.end()
        values = self._list(")", 0)
        if _PROPERTIES().match(line, self._pos) is None:
            raise _Problem(f"the line goes on at character {self._pos + 1}")
        if len(values) > len(NO_ARGS):
            raise _Problem(f"{len(values)} arguments")
        mem: dict[int, object] = {}
        args = [0] * len(NO_ARGS)
        for index, value in enumerate(values):
            args[index], pointee = _split(value)
            if pointee is not None:
                mem[index] = pointee
        _name_fields(row_of(name), args, mem)
        call = Call(
            self._program, intern(name), tuple(args), mem or None, None, self.lines, self.lines
        )
        self._answer(call, resource)
        return call

    def _answer(self, call: Call, resource: str | None) -> None:
        """What a call that makes a descriptor answers; others answer what the model says."""
        family = call.row.family
        if family & COMMANDS and resource is None:
            # Some commands answer a descriptor; this one's answer nobody uses.
            return
        if family & (MAKES_FD | DUPS):
            call.ret = self._number_for(resource)
            call.ret_text = str(call.ret)
        elif call.row.index("&fds") >= 0 and call.mem is not None:
            call.ret, call.ret_text = 0, "0"

    def _number_for(self, resource: str | None) -> int:
        number = self._next_fd
        self._next_fd += 1
        if resource is not None and len(self._resources) < MAX_RESOURCES:
            self._resources[resource] = number
        return number

    # Values.

    def _list(self, closing: str, depth: int) -> list[object]:
        """Values up to and over the closing bracket."""
        found: list[object] = []
        text = self._text
        while not text.startswith(closing, self._pos):
            found.append(self._value(depth + 1))
            if text.startswith(", ", self._pos):
                self._pos += 2
            elif not text.startswith(closing, self._pos):
                raise _Problem(f"', ' or {closing!r} expected at character {self._pos + 1}")
        self._pos += 1
        return found

    def _value(self, depth: int) -> object:
        if depth > MAX_DEPTH:
            raise _Problem(f"nested deeper than {MAX_DEPTH}")
        text = self._text
        union = _UNION().match(text, self._pos)
        if union is not None:
            self._pos = union.end()
            return self._value(depth + 1) if union.group().endswith("=") else 0
        for opening, closing in (("{", "}"), ("[", "]")):
            if text.startswith(opening, self._pos):
                self._pos += 1
                return self._list(closing, depth)
        if text.startswith("nil", self._pos):
            self._pos += 3
            return 0
        if text.startswith("&", self._pos):
            return self._pointer(depth)
        if text[self._pos : self._pos + 1] in ("'", '"'):
            return self._bytes()
        return self._number(depth)

    def _pointer(self, depth: int) -> _Pointer:
        match = _POINTER().match(self._text, self._pos)
        if match is None:
            raise _Problem(f"a pointer expected at character {self._pos + 1}")
        self._pos = match.end()
        address = int(match.group(1) or "0x7f0000ff0000", 16)
        pointee = self._value(depth + 1) if match.group().endswith("=") else None
        return _Pointer(address, None if pointee == 0 and self._was_nil() else pointee)

    def _was_nil(self) -> bool:
        return self._text.endswith("nil", 0, self._pos)

    def _bytes(self) -> str:
        quoted = _QUOTED().match(self._text, self._pos)
        hexed = _HEXED().match(self._text, self._pos) if quoted is None else None
        if quoted is not None:
            self._pos = quoted.end()
            raw = _ESCAPE().sub(_escaped, quoted.group(1))
        elif hexed is not None and len(hexed.group(1)) % 2 == 0:
            self._pos = hexed.end()
            raw = bytes.fromhex(hexed.group(1)).decode("latin-1")
        else:
            raise _Problem(f"data that does not end at character {self._pos + 1}")
        head = raw.partition("\0")[0]
        return head.encode("latin-1", "replace").decode("utf-8", "surrogateescape")

    def _number(self, depth: int) -> int:
        text = self._text
        result = _RESULT().match(text, self._pos)
        if result is not None:
            self._pos = result.end()
            value = self._value(depth + 1)
            if result.group(1) not in self._resources:
                return self._number_for(result.group(1))
            return value if isinstance(value, int) else 0
        resource = _RESOURCE().match(text, self._pos)
        if resource is not None:
            self._pos = resource.end()
            operators = _OPERATORS().match(text, self._pos)
            if operators is not None:
                self._pos = operators.end()
            return self._resources.get(resource.group(), U64_MAX)
        number = _NUMBER().match(text, self._pos)
        if number is None:
            raise _Problem(f"a value expected at character {self._pos + 1}")
        self._pos = number.end()
        digits = number.group()
        return int(digits, 16 if "x" in digits else 10) & U64_MAX


def _escaped(match: re.Match[str]) -> str:
    code = match.group(1)
    return chr(int(code[1:], 16)) if code[0] == "x" and len(code) == 3 else _ESCAPES.get(code, code)


def _split(value: object) -> tuple[int, object]:
    """Return the number of an argument, and what it points to."""
    if isinstance(value, _Pointer):
        return value.address, _plain(value.pointee)
    return (value, None) if isinstance(value, int) else (0, _plain(value))


def _plain(value: object) -> object:
    """Return a value without pointers: those within are their addresses."""
    if isinstance(value, _Pointer):
        return value.address
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _name_fields(row: Syscall, args: list[int], mem: dict[int, object]) -> None:
    """Give the fields of structures that a call needs their names."""
    for index, kind in enumerate(row.kinds or ()):
        if kind == "&request" and args[1] in UFFDIO:
            _name(mem, index, UFFDIO[args[1]])
            struct = mem.get(index)
            if isinstance(struct, dict) and isinstance(struct.get("range"), list):
                struct["range"] = dict(zip(("start", "len"), struct["range"], strict=False))
        elif kind in STRUCTS:
            _name(mem, index, STRUCTS[kind])
        elif kind == "&iovec":
            vector = mem.get(index)
            if isinstance(vector, list):
                mem[index] = [
                    dict(zip(("iov_base", "iov_len"), item, strict=False))
                    for item in vector
                    if isinstance(item, list)
                ]
        elif kind == "&nodes" and isinstance(mem.get(index), int):
            mem[index] = [mem[index]]


def _name(mem: dict[int, object], index: int, names: tuple[str, ...]) -> None:
    values = mem.get(index)
    if isinstance(values, list):
        mem[index] = dict(zip(names, values, strict=False))
