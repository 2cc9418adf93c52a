# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the lines of which a log has the most, `1234 name(plain arguments) = result`, fast.

What such lines are made of comes again and again: who calls what, an argument, a result. Each is
understood once and looked up from then on. A line with anything else is for the full parser.
"""

import re
from sys import intern
from typing import Final, cast, final

from vmalab.calls.call import NO_ARGS, U64_MAX, Call
from vmalab.calls.symbols import ERRNO_OF
from vmalab.calls.table import I386_ONLY
from vmalab.linux.include.page import NR_ARGUMENTS, POINTER_UNKNOWN
from vmalab.recording.readers.arguments import SymbolProblem, SyntaxProblem, expression, number
from vmalab.recording.readers.clock import Clock
from vmalab.recording.readers.line_start import CLOCK

# The caller of a line that names none.
NAMELESS: Final = -1
# No argument, no result and no error: what a part says is not sure.
_UNSURE: Final = -(1 << 16)
# Parts of each kind that are remembered before they are forgotten, and their longest.
_MAX_PARTS: Final = 1 << 15
_MAX_PART: Final = 200

_HEAD = re.compile(
    r"(?:(\d{1,10}) +)?(?: *(" + CLOCK + r") )?(?!syscall_0x)([A-Za-z_]\w*)$", re.ASCII
)
_RESULT = re.compile(r"(?:(0x[0-9a-f]{1,18}|\d{1,20})|-1 (E[A-Z0-9]+) \([^()]*\))$", re.ASCII)
_DURATION = re.compile(r" <\d+\.\d+>$", re.ASCII)
_NOTE = re.compile(r" /\*[^*]*\*/")
# What only the full parser understands, outside a string.
_STRUCTURE = re.compile(r"[\"{\[(]")


@final
class _Caller:
    """Who makes which call, and when: "" where a line has no time."""

    def __init__(self, tid: int, name: str, clock: str) -> None:
        self.tid = tid
        self.name = name
        self.clock = clock


@final
class UsualLines:
    """Reads the usual lines of one log."""

    def __init__(self, clock: Clock) -> None:
        """clock: the log's."""
        self._clock = clock
        self._callers: dict[str, _Caller] = {}
        self._arguments: dict[str, object] = {}
        self._results: dict[str, int] = {}

    def read(self, line: str, at: int) -> Call | None:
        """Return the call that a line tells from `at` on, None when it takes the full parser.

        Its caller is NAMELESS where none is named. Where it was made is not filled in.
        """
        opens = line.find("(", at)
        ends = line.rfind(" = ")
        if opens < 0 or ends < opens:
            return None
        head = line[at:opens]
        caller = self._callers.get(head)
        if caller is None:
            caller = self._read_head(head)
            if caller is None:
                return None
        text = line[opens + 1 : ends]
        if not text.endswith(")"):
            # A short call's result stands in the column of the others'.
            text = text.rstrip(" ")
            if not text.endswith(")"):
                return None
        text = text[:-1]
        answer = line[ends + 3 :]
        result = self._results.get(answer, _UNSURE)
        if result == _UNSURE:
            if answer.endswith(">"):
                answer = _DURATION.sub("", answer)
            result = self._read_result(answer)
            if result == _UNSURE:
                return None
        mem: dict[int, object] | None = None
        args = self._numbers(text) if text else NO_ARGS
        if args is None:
            quoted = self._quoted(text)
            if quoted is None:
                return None
            args, mem = quoted
        time = self._clock.seconds(caller.clock, None) if caller.clock else 0.0
        return Call(caller.tid, caller.name, args, mem, None, 0, 0, time, result, answer)

    def _read_head(self, head: str) -> _Caller | None:
        match = _HEAD.match(head)
        if match is None:
            return None
        pid, clock, name = match.groups()
        if name in I386_ONLY:
            return None
        caller = _Caller(int(pid) if pid else NAMELESS, intern(name), clock or "")
        # No other line begins like one with a time.
        if clock is None and len(head) <= _MAX_PART:
            if len(self._callers) >= _MAX_PARTS:
                self._callers.clear()
            self._callers[head] = caller
        return caller

    def _read_result(self, text: str) -> int:
        """Return a result without its duration; _UNSURE when it takes the full parser."""
        match = _RESULT.match(text)
        if match is None:
            return _UNSURE
        value, errno = match.groups()
        if value is not None:
            result = int(value, 16) if value[:2] == "0x" else int(value)
            if result > U64_MAX:
                return _UNSURE
        else:
            number_of = ERRNO_OF.get(errno)
            if number_of is None:
                return _UNSURE
            result = -number_of
        if len(self._results) >= _MAX_PARTS:
            self._results.clear()
        if len(text) <= _MAX_PART:
            self._results[text] = result
        return result

    def _numbers(self, text: str) -> tuple[int, ...] | None:
        """The six numbers of an argument list without strings and structures, None when unsure."""
        tokens = text.split(", ")
        if len(tokens) > NR_ARGUMENTS:
            return None
        known = self._arguments
        # Never unpacked here: what is looked up goes into the call as it is.
        values: list[object] = []
        for token in tokens:
            value = known.get(token)
            if value is None:
                read = self._read_argument(token)
                if read == _UNSURE:
                    return None
                value = read
            values.append(value)
        values += NO_ARGS[len(tokens) :]
        return cast("tuple[int, ...]", tuple(values))

    def _read_argument(self, token: str) -> int:
        """Return the number of one plain argument; _UNSURE when it takes the full parser."""
        if len(token) > _MAX_PART or _STRUCTURE.search(token) is not None:
            return _UNSURE
        try:
            if token[:1].isdigit():
                value = number(token)
            else:
                value = expression(_NOTE.sub("", token) if "/*" in token else token)
        except (ValueError, SymbolProblem, SyntaxProblem):
            return _UNSURE
        if len(self._arguments) >= _MAX_PARTS:
            self._arguments.clear()
        self._arguments[token] = value
        return value

    def _quoted(self, text: str) -> tuple[tuple[int, ...], dict[int, object]] | None:
        """Return the same with one string among them, which is whole and has no escapes.

        None when unsure.
        """
        if text.count('"') != 2 or "\\" in text:
            return None
        before, string, after = text.split('"')
        if (before and not before.endswith(", ")) or (after and not after.startswith(", ")):
            return None
        args = self._numbers(f"{before}0{after}")
        if args is None:
            return None
        slot = before.count(", ")
        values = list(args)
        values[slot] = POINTER_UNKNOWN | slot
        return tuple(values), {slot: string}
