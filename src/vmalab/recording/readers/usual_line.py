# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the lines of which a log has the most, `1234 name(plain arguments) = result`, fast.

A line is read from left to right, each character once: who, when, the name, the arguments, the
result. Numbers become native numbers on the way. What else such lines are made of comes again and
again: names, constants, errors. Each is understood once and found again from then on. A line with
anything else is for the full parser.
"""

import re
from typing import Final, final

from mypy_extensions import i64

from vmalab.calls.call import DECIMAL, HEXADECIMAL, U64_MAX, Call, CallName
from vmalab.calls.symbols import ERRNO_OF
from vmalab.calls.table import I386_ONLY
from vmalab.linux.include.page import NR_ARGUMENTS, POINTER_UNKNOWN
from vmalab.linux.include.registers import signed
from vmalab.recording.readers.arguments import SymbolProblem, SyntaxProblem, expression, number
from vmalab.recording.readers.characters import (
    BACKSLASH,
    CLOSE,
    COMMA,
    EQUAL,
    LESS,
    MINUS,
    MORE,
    NEWLINE,
    NINE,
    OPEN,
    POINT,
    QUOTE,
    SPACE,
    ZERO,
)
from vmalab.recording.readers.clock import Clock
from vmalab.recording.readers.known_parts import MAX_PARTS, KnownParts
from vmalab.recording.readers.line_start import CLOCK
from vmalab.recording.readers.scanner import Scanner, text_of

# The caller of a line that names none.
NAMELESS: Final = -1
# The longest part that is remembered.
_MAX_PART: Final = 200

# Digits of a number of a task.
_MAX_TID: Final = 10
# Whole numbers below it are exact as floats; so is one's quotient by a power of ten as text tells.
_EXACT: Final = 1 << 53

_TIME = re.compile(CLOCK, re.ASCII)
_RESULT = re.compile(r"(?:(0x[0-9a-f]{1,18}|\d{1,20})|-1 (E[A-Z0-9]+) \([^()]*\))$", re.ASCII)
_NAME = re.compile(rf"[A-Za-z_]\w{{0,{_MAX_PART - 1}}}", re.ASCII)
# What only the full parser understands.
_NO_CONSTANT = re.compile(r"[\"(\[{]|(?<!<)<(?!<)")
_NOTE = re.compile(r" /\*[^*]*\*/")


@final
class UsualLines:
    """Reads the usual lines of one log."""

    def __init__(self, clock: Clock) -> None:
        """clock: the log's."""
        self._clock = clock
        self._names = KnownParts()
        self._known_names: list[CallName] = []
        # Constants, as registers hold them; what a result says that is no plain number.
        self._constants = KnownParts()
        self._values: list[int] = []
        self._results = KnownParts()
        self._answers: list[int] = []
        self._answer_texts: list[str] = []
        # Of the line at hand: when its call was made, in seconds; 0 where only text tells.
        self._seconds = 0.0
        self._clock_text = ""

    def read(self, scanner: Scanner) -> Call | None:
        """Return the call that the next line tells, and pass it; None if it is for the full parser.

        Its caller is NAMELESS where none is named. Where it was made is not filled in.
        """
        start = scanner.at
        call = self._head(scanner)
        if (
            call is None
            or not self._take_arguments(call, scanner)
            or not self._take_result(call, scanner)
        ):
            scanner.at = start
            return None
        scanner.at += 1
        # The clock goes on once only, also where a line is read again by the full parser.
        if self._seconds > 0:
            call.time = self._clock.passed(self._seconds)
        elif self._clock_text:
            call.time = self._clock.seconds(self._clock_text, None)
        return call

    def _head(self, scanner: Scanner) -> Call | None:
        """Return the call whose name a line has: read to behind the opening parenthesis."""
        text = scanner.text
        start = scanner.at
        tid = scanner.decimal_digits()
        at = scanner.at
        if text[at] != SPACE or at - start > _MAX_TID:
            tid = NAMELESS
            at = start
        start = at
        while text[at] == SPACE:
            at += 1
        self._seconds = 0.0
        self._clock_text = ""
        char: i64 = text[at]
        if ZERO <= char <= NINE:
            scanner.at = at
            if not self._time(scanner):
                return None
            at = scanner.at
        elif at > start and tid == NAMELESS:
            return None
        scanner.at = at
        end = scanner.place_of(OPEN, SPACE)
        if text[end] != OPEN:
            return None
        known = self._names.find(scanner, at, end)
        if known < 0:
            known = self._learn_name(text[at:end])
            if known < 0:
                return None
        scanner.at = end + 1
        name = self._known_names[known]
        return Call(int(tid), name.spelling, row=name.row)

    def _time(self, scanner: Scanner) -> bool:
        """Pass the time that a line goes on with: whether it is one."""
        text = scanner.text
        start = scanner.at
        at = start
        found: i64 = 0
        scale = 0.0
        char: i64 = text[at]
        while found < _EXACT:
            if ZERO <= char <= NINE:
                found = found * 10 + char - ZERO
                scale *= 10.0
            elif char == POINT and scale == 0.0:
                scale = 1.0
            else:
                break
            at += 1
            char = text[at]
        if char == SPACE and scale > 1.0 and 0 < found < _EXACT:
            self._seconds = float(found) / scale
            scanner.at = at + 1
            return True
        scanner.at = start
        self._clock_text = scanner.word()
        return _TIME.fullmatch(self._clock_text) is not None

    def _learn_name(self, raw: bytes) -> i64:
        """Return the number of a name that is new; -1 when it takes the full parser."""
        text = text_of(raw)
        if _NAME.fullmatch(text) is None or text.startswith("syscall_0x") or text in I386_ONLY:
            return -1
        if self._names.count >= MAX_PARTS:
            self._names.clear()
            self._known_names.clear()
        self._known_names.append(CallName(text))
        return self._names.add(raw)

    def _take_arguments(self, call: Call, scanner: Scanner) -> bool:
        """Read all arguments into a call, to behind the closing parenthesis: whether it is there.

        One of them may be a string, which is whole and has no escapes.
        """
        text = scanner.text
        slot: i64 = 0
        char: i64 = text[scanner.at]
        while char != CLOSE or slot > 0:
            if slot == NR_ARGUMENTS or not self._take_argument(call, scanner, slot):
                return False
            if slot == 0:
                call.a0 = scanner.value
            elif slot == 1:
                call.a1 = scanner.value
            elif slot == 2:
                call.a2 = scanner.value
            elif slot == 3:
                call.a3 = scanner.value
            elif slot == 4:
                call.a4 = scanner.value
            else:
                call.a5 = scanner.value
            slot += 1
            char = text[scanner.at]
            if char == CLOSE:
                break
            if char != COMMA or text[scanner.at + 1] != SPACE:
                return False
            scanner.at += 2
        scanner.at += 1
        return True

    def _take_argument(self, call: Call, scanner: Scanner, slot: i64) -> bool:
        """Read one argument, to be found as the scanner's value: whether it could be."""
        text = scanner.text
        start = scanner.at
        char: i64 = text[start]
        if char == QUOTE:
            return self._take_string(call, scanner, slot)
        if ZERO <= char <= NINE or char == MINUS:
            if char == MINUS:
                scanner.at = start + 1
            if scanner.number():
                after: i64 = text[scanner.at]
                if after in (COMMA, CLOSE):
                    if char == MINUS:
                        scanner.value = -scanner.value
                    return True
            scanner.at = start
        return self._take_constant(scanner)

    def _take_string(self, call: Call, scanner: Scanner, slot: i64) -> bool:
        """Read a string into what a call has in memory: whether it could be."""
        text = scanner.text
        start = scanner.at + 1
        at = start
        char: i64 = text[at]
        while char != QUOTE:
            if char in (BACKSLASH, NEWLINE):
                return False
            at += 1
            char = text[at]
        if call.mem is not None:
            return False
        call.mem = {int(slot): text_of(text[start:at])}
        scanner.value = signed(POINTER_UNKNOWN | int(slot))
        scanner.at = at + 1
        return True

    def _take_constant(self, scanner: Scanner) -> bool:
        """Read an argument of constants, or a number that is not usual: whether it could be."""
        text = scanner.text
        start = scanner.at
        end = scanner.place_of(COMMA, CLOSE)
        known = self._constants.find(scanner, start, end)
        if known < 0:
            known = self._learn_constant(text[start:end])
            if known < 0:
                return False
        scanner.value = self._values[known]
        scanner.at = end
        return True

    def _learn_constant(self, raw: bytes) -> i64:
        """Return the number of an argument that is new; -1 when it takes the full parser."""
        text = text_of(raw)
        if len(text) > _MAX_PART or _NO_CONSTANT.search(text) is not None:
            return -1
        try:
            if text[:1].isdigit():
                value = number(text)
            else:
                value = expression(_NOTE.sub("", text) if "/*" in text else text)
        except (ValueError, SymbolProblem, SyntaxProblem):
            return -1
        if self._constants.count >= MAX_PARTS:
            self._constants.clear()
            self._values.clear()
        self._values.append(int(signed(value)))
        return self._constants.add(raw)

    def _take_result(self, call: Call, scanner: Scanner) -> bool:
        """Read the result into a call, to the end of the line: whether it could be."""
        text = scanner.text
        at = scanner.at
        if text[at] != SPACE:
            return False
        # A short call's result stands in the column of the others'.
        while text[at] == SPACE:
            at += 1
        if text[at] != EQUAL or text[at + 1] != SPACE:
            return False
        at += 2
        scanner.at = at
        if scanner.number() and self._ends(scanner):
            call.answer(scanner.value, HEXADECIMAL if scanner.in_hexadecimal else DECIMAL)
            return True
        scanner.at = at
        end = scanner.place_of(LESS, LESS)
        if text[end] == LESS and text[end - 1] == SPACE:
            end -= 1
        scanner.at = end
        if not self._ends(scanner):
            return False
        known = self._results.find(scanner, at, end)
        if known < 0:
            known = self._learn_result(text[at:end])
            if known < 0:
                return False
        call.ret = self._answers[known]
        call.ret_text = self._answer_texts[known]
        return True

    def _ends(self, scanner: Scanner) -> bool:
        """Return whether nothing is left of a line, but perhaps how long the call took: passed."""
        text = scanner.text
        at = scanner.at
        if text[at] == NEWLINE:
            return True
        if text[at] != SPACE or text[at + 1] != LESS:
            return False
        at += 2
        start = at
        point: i64 = 0
        char: i64 = text[at]
        while char != MORE:
            if char == POINT and point == 0 and at > start:
                point = at
            elif not ZERO <= char <= NINE:
                return False
            at += 1
            char = text[at]
        scanner.at = at + 1
        return start < point < at - 1 and text[at + 1] == NEWLINE

    def _learn_result(self, raw: bytes) -> i64:
        """Return the number of a result that is new; -1 when it takes the full parser."""
        text = text_of(raw)
        match = _RESULT.match(text) if len(text) <= _MAX_PART else None
        if match is None:
            return -1
        value, errno = match.groups()
        if value is not None:
            result = int(value, 16) if value[:2] == "0x" else int(value)
            if result > U64_MAX:
                return -1
        else:
            number_of = ERRNO_OF.get(errno)
            if number_of is None:
                return -1
            result = -number_of
        if self._results.count >= MAX_PARTS:
            self._results.clear()
            self._answers.clear()
            self._answer_texts.clear()
        self._answers.append(result)
        self._answer_texts.append(text)
        return self._results.add(raw)
