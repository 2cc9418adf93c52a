# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the log of our program for bpftrace (`bpftrace_script`) as events, to be sorted.

A line has a letter, process, thread, nanoseconds, and what the letter stands for. Lines come as
CPUs hand them over, so they are put in the order of their times first.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.events import layout
from vmalab.recording.events.assembling import Assembling, EventTime
from vmalab.recording.events.flight import FlightPlan
from vmalab.recording.events.looks import GAP, LOOK, OVER, note_facts
from vmalab.recording.events.magics import BPFTRACE

_HEAD: Final = re.compile(rf"{BPFTRACE} (\d{{1,10}})$", re.ASCII)
_LINE: Final = re.compile(
    r"([ELXSNPWGD]) (\d{1,10}) (\d{1,10}) (\d{1,19})((?: -?[0-9a-f]{1,20}){0,7})(?: (.*))?$",
    re.ASCII,
)
_LOST: Final = re.compile(r"Lost (\d{1,18}) events$", re.ASCII)
# Numbers after the time, by letter.
_COUNTS: Final = {"E": 7, "L": 0, "X": 2, "S": 1, "N": 2, "P": 1, "W": 1, "G": 1, "D": 0}
# How many of these are decimal: numbers of calls and tasks, and results.
_DECIMALS: Final = {"E": 1, "X": 2, "N": 1, "P": 1}
# Lines that end with a string.
_WITH_TEXT: Final = frozenset("SP")
_U64: Final = (1 << 64) - 1
_TOP: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class BpftraceLine:
    """One event of a log. words: its numbers; text: a string, "" for none."""

    when: int
    letter: str
    pid: int
    tid: int
    words: tuple[int, ...]
    text: str


@final
class BpftraceLog:
    """One log, as a whole."""

    def __init__(self, lines: Iterable[str], path: str) -> None:
        """Errors: ReadError: a line is none of it, or it has no events."""
        self._path = path
        self._calls = Assembling()
        self._pid = -1
        # When events were lost, as far as the lines before tell, and how many.
        self._lost: list[tuple[int, int]] = []
        found = self._lines(lines)
        found.sort(key=lambda line: line.when)
        self._launched = any(line.letter == "P" and line.pid == self._pid for line in found[:64])
        if not self._launched:
            self._calls.note(note_facts(GAP, 0))
            self._calls.note(
                note_facts(LOOK, found[0].when - 1, pid=self._pid, threads=_threads(found))
            )
            self._calls.note(note_facts(OVER, found[0].when - 1))
        for line in found:
            self._take(line)
        for when, count in self._lost:
            self._calls.note(note_facts(GAP, when, lost=count))

    def _lines(self, lines: Iterable[str]) -> list[BpftraceLine]:
        """Return the events of a log, in the order of its lines."""
        found: list[BpftraceLine] = []
        at = broken = 0
        for at, text in enumerate(lines, 1):
            line = _parsed(text)
            if line is not None:
                found.append(line)
            elif self._pid < 0 and (head := _HEAD.match(text)):
                self._pid = int(head[1])
            elif missing := _LOST.match(text):
                latest = max((line.when for line in found), default=0)
                self._lost.append((latest, int(missing[1])))
            elif found and found[-1].letter in _WITH_TEXT and text:
                # A string with a newline in it.
                found[-1] = replace(found[-1], text=f"{found[-1].text}\n{text}")
            elif text and not text.startswith("Attaching "):
                broken = broken or at
        # The last line may have been cut off.
        if broken and broken != at:
            raise ReadError(self._path, broken, "not a line that our program for bpftrace writes")
        if self._pid < 0 or not found:
            raise ReadError(self._path, 0, "a log of bpftrace without its first line, or any event")
        return found

    @property
    def events(self) -> bytes:
        """What events.raw would have."""
        return bytes(self._calls.raw)

    @property
    def flight(self) -> FlightPlan:
        """What the events are of. Their clock is the machine's: nobody knows the time of day."""
        return FlightPlan(self._pid, launched=self._launched, clock=0)

    def _take(self, line: BpftraceLine) -> None:
        """Hand on one event."""
        calls, words, at = self._calls, line.words, EventTime(line.when, line.pid, line.tid)
        match line.letter:
            case "E":
                calls.entered(at, words[0], words[1:])
            case "L":
                calls.locked(at)
            case "S":
                calls.string(at, words[0], line.text)
            case "X":
                calls.left(at, *words)
            case "N":
                calls.made(at, *words)
            case "P":
                calls.became(at, words[0], line.text)
            case "W":
                calls.touched(at, layout.WRITTEN, words[0])
            case "G":
                calls.touched(at, layout.GROWN, words[0])
            case "D":
                calls.ended(at)


def _parsed(text: str) -> BpftraceLine | None:
    """Return the event of a line, None where it is none."""
    match = _LINE.match(text) if len(text) < layout.MAX_DATA else None
    if match is None:
        return None
    letter, pid, tid, when, numbers, rest = match.groups()
    words, count = numbers.split(), _COUNTS[letter]
    if len(words) > count and letter in _WITH_TEXT:
        # What looks like a number is the beginning of a string.
        rest = text.split(" ", 4 + count)[4 + count]
        words = words[:count]
    if len(words) != count or int(when) >= _TOP or max(int(pid), int(tid)) >> 32:
        return None
    try:
        decimals = _DECIMALS.get(letter, 0)
        values = tuple(int(word, 10 if at < decimals else 16) for at, word in enumerate(words))
    except ValueError:
        return None
    if not _fit(letter, values):
        return None
    return BpftraceLine(int(when), letter, int(pid), int(tid), values, rest or "")


def _fit(letter: str, values: tuple[int, ...]) -> bool:
    """Return whether numbers of a line fit into a record."""
    if letter == "X":
        return 0 <= values[0] < 1 << 32 and -(1 << 63) <= values[1] < 1 << 63
    first = 1 << 32 if letter in "ENP" else _U64 + 1
    return all(0 <= value < (first if at == 0 else _U64 + 1) for at, value in enumerate(values))


def _threads(lines: list[BpftraceLine]) -> list[int]:
    """Return the threads of the process that were there before any was made."""
    made = {line.words[0] for line in lines if line.letter == "N"}
    return [tid for tid in dict.fromkeys(line.tid for line in lines) if tid not in made]


def is_bpftrace_log(first: list[str]) -> bool:
    """Return whether a file that begins with these lines is such a log."""
    return any(line.startswith(BPFTRACE) for line in first)
