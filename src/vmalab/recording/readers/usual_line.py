# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the lines of which a log has the most, `1234 name(plain arguments) = result`, fast.

A line is read from left to right, each character once: who, when, the name, the arguments, the
result. Numbers become native numbers on the way. What else such lines are made of comes again and
again: names, constants, errors. Each is understood once and looked up from then on. A line with
anything else is for the full parser.
"""

import re
from sys import intern
from typing import Final, final

from mypy_extensions import i64

from vmalab.calls.call import DECIMAL, HEXADECIMAL, TEXT, U64_MAX, Call
from vmalab.calls.symbols import ERRNO_OF
from vmalab.calls.table import I386_ONLY
from vmalab.linux.include.page import NR_ARGUMENTS, POINTER_UNKNOWN
from vmalab.linux.include.registers import signed
from vmalab.recording.readers.arguments import SymbolProblem, SyntaxProblem, expression, number
from vmalab.recording.readers.characters import (
    BRACE,
    BRACKET,
    CLOSE,
    COMMA,
    EQUAL,
    LESS,
    LOWER_A,
    LOWER_F,
    LOWER_X,
    MINUS,
    MORE,
    NINE,
    OPEN,
    POINT,
    QUOTE,
    SPACE,
    ZERO,
    is_word,
)
from vmalab.recording.readers.clock import Clock
from vmalab.recording.readers.line_start import CLOCK

# The caller of a line that names none.
NAMELESS: Final = -1
# Parts of each kind that are remembered before they are forgotten, and their longest.
_MAX_PARTS: Final = 1 << 15
_MAX_PART: Final = 200

# Digits of a number of a task; those of a number that is native, whatever they are.
_MAX_TID: Final = 10
_MAX_DIGITS: Final = 18
_MAX_HEX: Final = 15
# Whole numbers below it are exact as floats; so is one's quotient by a power of ten as text tells.
_EXACT: Final = 1 << 53

_TIME = re.compile(CLOCK, re.ASCII)
_RESULT = re.compile(r"(?:(0x[0-9a-f]{1,18}|\d{1,20})|-1 (E[A-Z0-9]+) \([^()]*\))$", re.ASCII)
_DURATION = re.compile(r" <\d+\.\d+>$", re.ASCII)
_NOTE = re.compile(r" /\*[^*]*\*/")


@final
class UsualLines:
    """Reads the usual lines of one log."""

    def __init__(self, clock: Clock) -> None:
        """clock: the log's."""
        self._clock = clock
        self._names: dict[str, str] = {}
        # Constants, as registers hold them; what a result says that is no plain number.
        self._arguments: dict[str, int] = {}
        self._results: dict[str, int] = {}
        # Of the line at hand: where it goes on, and what has been read of it last. A part that
        # cannot be read is not passed.
        self._at: i64 = 0
        self._length: i64 = 0
        self._value: i64 = 0
        self._shown: i64 = TEXT
        # When its call was made: in seconds, below 0 where only text tells.
        self._seconds = 0.0
        self._clock_text = ""

    def read(self, line: str, at: int) -> Call | None:
        """Return the call that a line tells from `at` on, None when it takes the full parser.

        Its caller is NAMELESS where none is named. Where it was made is not filled in.
        """
        self._at = at
        self._length = len(line)
        try:
            call = self._head(line)
            if call is None or not self._take_arguments(call, line):
                return None
            if not self._take_result(call, line):
                return None
        except IndexError:
            # It ends too early.
            return None
        # The clock goes on once only, also where a line is read again by the full parser.
        if self._seconds > 0:
            call.time = self._clock.passed(self._seconds)
        elif self._clock_text:
            call.time = self._clock.seconds(self._clock_text, None)
        return call

    def _head(self, line: str) -> Call | None:
        """Return the call whose name a line has: read to behind the opening parenthesis."""
        tid = self._tid(line)
        start = self._at
        at = start
        while ord(line[at]) == SPACE:
            at += 1
        self._seconds = 0.0
        self._clock_text = ""
        char: i64 = ord(line[at])
        if ZERO <= char <= NINE:
            self._at = at
            if not self._time(line):
                return None
            at = self._at
        elif at > start and tid == NAMELESS:
            return None
        start = at
        char = ord(line[at])
        while char != OPEN:
            if not is_word(char):
                return None
            at += 1
            char = ord(line[at])
        text = line[start:at]
        name = self._names.get(text) or self._read_name(text)
        if name is None:
            return None
        self._at = at + 1
        return Call(tid, name)

    def _tid(self, line: str) -> int:
        """Return the number of a task that a line begins with, and pass it; or NAMELESS."""
        start = self._at
        at = start
        tid: i64 = 0
        char: i64 = ord(line[at])
        while ZERO <= char <= NINE and at - start <= _MAX_TID:
            tid = tid * 10 + char - ZERO
            at += 1
            char = ord(line[at])
        if at == start or at - start > _MAX_TID or char != SPACE:
            return NAMELESS
        self._at = at
        return int(tid)

    def _time(self, line: str) -> bool:
        """Pass the time that a line goes on with: whether it is one."""
        start = self._at
        at = start
        found: i64 = 0
        scale = 0.0
        char: i64 = ord(line[at])
        while found < _EXACT:
            if ZERO <= char <= NINE:
                found = found * 10 + char - ZERO
                scale *= 10.0
            elif char == POINT and scale == 0.0:
                scale = 1.0
            else:
                break
            at += 1
            char = ord(line[at])
        if char == SPACE and scale > 1.0 and 0 < found < _EXACT:
            self._seconds = float(found) / scale
        else:
            at = line.find(" ", start)
            self._clock_text = line[start:at]
            if at < 0 or _TIME.fullmatch(self._clock_text) is None:
                return False
        self._at = at + 1
        return True

    def _read_name(self, text: str) -> str | None:
        """Return a name that has not been met yet; None when it takes the full parser."""
        if not text or text[0].isdigit() or text.startswith("syscall_0x") or text in I386_ONLY:
            return None
        name = intern(text)
        if len(name) <= _MAX_PART:
            if len(self._names) >= _MAX_PARTS:
                self._names.clear()
            self._names[name] = name
        return name

    def _take_arguments(self, call: Call, line: str) -> bool:
        """Read all arguments into a call, to behind the closing parenthesis: whether it is there.

        One of them may be a string, which is whole and has no escapes.
        """
        slot: i64 = 0
        char: i64 = ord(line[self._at])
        while char != CLOSE or slot > 0:
            if slot == NR_ARGUMENTS or not self._take_argument(call, line, slot):
                return False
            if slot == 0:
                call.a0 = self._value
            elif slot == 1:
                call.a1 = self._value
            elif slot == 2:
                call.a2 = self._value
            elif slot == 3:
                call.a3 = self._value
            elif slot == 4:
                call.a4 = self._value
            else:
                call.a5 = self._value
            slot += 1
            char = ord(line[self._at])
            if char == CLOSE:
                break
            if char != COMMA or ord(line[self._at + 1]) != SPACE:
                return False
            self._at += 2
        self._at += 1
        return True

    def _take_argument(self, call: Call, line: str, slot: i64) -> bool:
        """Read one argument: whether it could be."""
        start = self._at
        char: i64 = ord(line[start])
        if char == QUOTE:
            end = line.find('"', int(start) + 1)
            if end < 0 or call.mem is not None:
                return False
            text = line[start + 1 : end]
            if "\\" in text:
                return False
            call.mem = {int(slot): text}
            self._value = signed(POINTER_UNKNOWN | int(slot))
            self._at = end + 1
            return True
        if char == MINUS:
            self._at = start + 1
        if self._digits(line):
            at = self._at
            after: i64 = ord(line[at])
            if after in (COMMA, CLOSE):
                if char == MINUS:
                    self._value = -self._value
                return True
        self._at = start
        return self._constant(line)

    def _digits(self, line: str) -> bool:
        """Read a number in digits, as they are printed: whether it is one, and native."""
        at = self._at
        length = self._length
        value: i64 = 0
        if at >= length:
            return False
        char: i64 = ord(line[at])
        if char == ZERO and at + 2 < length and ord(line[at + 1]) == LOWER_X:
            at += 2
            start = at
            while at < length:
                char = ord(line[at])
                if ZERO <= char <= NINE:
                    value = value * 16 + char - ZERO
                elif LOWER_A <= char <= LOWER_F:
                    value = value * 16 + char - LOWER_A + 10
                else:
                    break
                at += 1
                if at - start > _MAX_HEX:
                    return False
            self._shown = HEXADECIMAL
        else:
            start = at
            while at < length:
                char = ord(line[at])
                if not ZERO <= char <= NINE:
                    break
                value = value * 10 + char - ZERO
                at += 1
                if at - start > _MAX_DIGITS:
                    return False
            self._shown = DECIMAL
        if at == start or (at - start > 1 and ord(line[start]) == ZERO):
            return False
        self._at = at
        self._value = value
        return True

    def _constant(self, line: str) -> bool:
        """Read an argument of constants, or a number that is not usual: whether it could be."""
        start = self._at
        at = start
        char: i64 = ord(line[at])
        while char != COMMA and char != CLOSE:
            if char in (QUOTE, OPEN, BRACKET, BRACE):
                # What only the full parser understands.
                return False
            if char == LESS:
                at += 1
                if ord(line[at]) != LESS:
                    return False
            at += 1
            char = ord(line[at])
        text = line[start:at]
        value = self._arguments.get(text)
        if value is None:
            value = self._read_argument(text)
            if value is None:
                return False
        self._value = value
        self._at = at
        return True

    def _read_argument(self, text: str) -> int | None:
        """Return the number of an argument that has not been met yet, as registers hold it.

        None when it takes the full parser.
        """
        if len(text) > _MAX_PART:
            return None
        try:
            if text[:1].isdigit():
                value = number(text)
            else:
                value = expression(_NOTE.sub("", text) if "/*" in text else text)
        except (ValueError, SymbolProblem, SyntaxProblem):
            return None
        if len(self._arguments) >= _MAX_PARTS:
            self._arguments.clear()
        self._arguments[text] = held = int(signed(value))
        return held

    def _take_result(self, call: Call, line: str) -> bool:
        """Read the result into a call, to the end of the line: whether it could be."""
        at = self._at
        if ord(line[at]) != SPACE:
            return False
        # A short call's result stands in the column of the others'.
        while ord(line[at]) == SPACE:
            at += 1
        if ord(line[at]) != EQUAL or ord(line[at + 1]) != SPACE:
            return False
        at += 2
        self._at = at
        if self._digits(line) and self._ends(line):
            call.answer(self._value, self._shown)
            return True
        text = line[at:]
        if text.endswith(">"):
            text = _DURATION.sub("", text)
        result = self._results.get(text)
        if result is None:
            result = self._read_result(text)
            if result is None:
                return False
        call.ret = result
        call.ret_text = text
        return True

    def _ends(self, line: str) -> bool:
        """Return whether nothing is left of a line, but perhaps how long the call took."""
        at = self._at
        if at == self._length:
            return True
        if ord(line[at]) != SPACE or ord(line[at + 1]) != LESS:
            return False
        at += 2
        start = at
        point: i64 = 0
        char: i64 = ord(line[at])
        while char != MORE:
            if char == POINT and point == 0 and at > start:
                point = at
            elif not ZERO <= char <= NINE:
                return False
            at += 1
            char = ord(line[at])
        return start < point < at - 1 and at + 1 == self._length

    def _read_result(self, text: str) -> int | None:
        """Return a result without its duration; None when it takes the full parser."""
        if (match := _RESULT.match(text)) is None:
            return None
        value, errno = match.groups()
        if value is not None:
            result = int(value, 16) if value[:2] == "0x" else int(value)
            if result > U64_MAX:
                return None
        else:
            number_of = ERRNO_OF.get(errno)
            if number_of is None:
                return None
            result = -number_of
        if len(text) <= _MAX_PART:
            if len(self._results) >= _MAX_PARTS:
                self._results.clear()
            self._results[text] = result
        return result
