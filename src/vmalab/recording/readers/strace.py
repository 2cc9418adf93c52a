# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the text that `strace -f` writes into calls, signals, exits and unreadable lines.

Understood: default output and -X raw, abbrev, verbose; process numbers as `1234 ` or `[pid 1234] `;
-t, -tt, -ttt, -r, -T, -i, -y, -yy, -Y, -k; unfinished and resumed calls, restarts, notes.
A line becomes exactly one of: an event, a part of a call (`<unfinished ...>`, a frame of -k), a
note (`strace: ...`), or `Unparsed` with the reason. Nothing is dropped.
"""

import re
from sys import intern
from typing import Final, final

from vmalab.calls.call import NO_ARGS, U64_MAX, Call, Event, Exit, Signal, Unparsed
from vmalab.calls.symbols import ERRNO_OF
from vmalab.calls.table import FORKS, I386_ONLY
from vmalab.recording.readers.arguments import SymbolProblem, SyntaxProblem
from vmalab.recording.readers.callline import (
    DETACHED,
    UNFINISHED,
    plain_arguments,
    quoted_arguments,
    read_arguments,
    read_call,
)
from vmalab.recording.readers.line_source import MAX_LINE
from vmalab.recording.readers.threads import Threads

# What unfinished calls may hold in memory, all together, in characters; each counts some more.
MAX_PENDING: Final = 64 << 20
_PENDING_COST: Final = 512
# Frames kept of one call's stack (strace -k prints at most 256).
MAX_FRAMES: Final = 1024

_CLOCK: Final = r"\d\d:\d\d:\d\d(?:\.\d+)?|\d+\.\d+"
_PREFIX = re.compile(
    r"(?:\[pid +(\d+)(?:<[^>]*>)?\] |(\d+)(?:<[^>]*>)? +)?"
    r"(?: *(" + _CLOCK + r") (?:\(\+ +(\d+\.\d+)\) )?)?"
    r"(?:\[ *\d+\] )?(?:\[[0-9a-f?]{8,16}\] )?",
    re.ASCII,
)
# The usual line: plain arguments (no structure or macro, one string at most), a plain result.
_USUAL = re.compile(
    r"(?:(\d+) +)?(?!syscall_0x)(\w+)\(([^\"{\[()]*(?:\"[^\"\\]*\"[^\"{\[()]*)?)\) *= "
    r"((0x[0-9a-f]+|\d+)|-1 (E[A-Z0-9]+) \([^()]*\))(?: <\d+\.\d+>)?$",
    re.ASCII,
)
_FAILED = re.compile(r"\) *= -1 E[A-Z0-9]+ \([^()]*\)$", re.ASCII)
_HEAD = re.compile(r"([A-Za-z_]\w*|\?\?\?)\(", re.ASCII)
_RESUMED = re.compile(r"<\.\.\. ([\w?]+) resumed>")
_EXITED = re.compile(r"\+\+\+ exited with (\d+) \+\+\+$", re.ASCII)
_KILLED = re.compile(r"\+\+\+ killed by (\S+)(?: \(core dumped\))? \+\+\+$")
_SUPERSEDED = re.compile(r"\+\+\+ superseded by execve in pid (\d+)(?:<[^>]*>)? \+\+\+$", re.ASCII)
_SIGNAL = re.compile(r"--- (?:stopped by )?(SIG\w+)(.*) ---$", re.ASCII)
_SI_ADDR = re.compile(r"\bsi_addr=(NULL|0x[0-9a-f]{1,16})\b", re.ASCII)
_PERSONALITY = re.compile(r"\[ Process PID=(\d+) runs in (\S+) (?:bit )?mode\. \]$", re.ASCII)
_ATTACHED = re.compile(r"strace: Process (\d+)(?:<[^>]*>)? attached", re.ASCII)


@final
class Pending:
    """A call whose result has not come yet."""

    __slots__ = ("entry_line", "name", "text", "time")

    def __init__(self, name: str, text: str, entry_line: int, time: float) -> None:
        self.name = name
        self.text = text
        self.entry_line = entry_line
        self.time = time

    def cost(self) -> int:
        """Return what it counts towards MAX_PENDING."""
        return len(self.text) + _PENDING_COST


@final
class StraceReader:
    """Takes lines, gives events.

    feed() each line in order, finish() at the end; take() hands over what has come so far. A frame
    of -k is added to its call, also to one already taken. Counters: lines; unparsed; notes (lines
    that say nothing about calls).
    """

    def __init__(self) -> None:
        self.lines = 0
        self.unparsed = 0
        self.notes = 0
        self._events: list[Event] = []
        self._pending: dict[int, Pending] = {}
        self._pending_size = 0
        self._last: Call | Signal | None = None
        self._threads = Threads()
        self._relative = 0.0

    def take(self) -> list[Event]:
        """Return the events since the last call of take()."""
        events = self._events
        self._events = []
        return events

    def feed(self, line: str) -> None:
        """One line, without its newline."""
        self.lines += 1
        if len(line) > MAX_LINE:
            self._reject(line, f"longer than {MAX_LINE} characters")
            return
        usual = _USUAL.match(line)
        if usual is not None:
            pid = usual.group(1)
            if pid is None:
                if self._usual(usual, self._threads.unnamed(), 0.0, self.lines):
                    return
            elif len(pid) < 11 and self._usual(usual, int(pid), 0.0, self.lines):
                return
        self._unusual(line)

    def cut(self, line: str) -> None:
        """The last line of a log that ends without a newline: it may be cut anywhere."""
        if line.endswith((" +++", " ---")) or _FAILED.search(line):
            self.feed(line)
            return
        self.lines += 1
        self._reject(line, "the log ends in this line: it has no newline, its end may be missing")

    def broken(self, why: str) -> None:
        """The log cannot be read on, behind the last line."""
        self.lines += 1
        self._reject("", why)

    def finish(self) -> None:
        """The end of the log: calls that never returned are handed over."""
        for tid in list(self._pending):
            self._abandon(tid)

    def _usual(self, match: re.Match[str], tid: int, time: float, entry_line: int) -> bool:
        """Add the call of a usual line; False when it takes the full parser."""
        _, name, text, result, value, errno = match.groups()
        mem: dict[int, object] | None = None
        args: tuple[int, ...] | None = NO_ARGS
        if '"' in text:
            quoted = quoted_arguments(text)
            if quoted is None:
                return False
            args, mem = quoted
        elif text:
            args = plain_arguments(text)
        if args is None or name in I386_ONLY:
            return False
        if value is not None:
            if len(value) > 20:
                return False
            ret = int(value, 16) if value[:2] == "0x" else int(value)
            if ret > U64_MAX:
                return False
        else:
            number_of = ERRNO_OF.get(errno)
            if number_of is None:
                return False
            ret = -number_of
        if self._pending and tid in self._pending:
            self._abandon(tid)
        here = self.lines
        call = Call(tid, intern(name), args, mem, None, here, entry_line, time, ret, result)
        i386 = self._threads.i386
        if i386 and tid in i386:
            call.abi = "i386"
        self._last = call
        if call.row.family & FORKS:
            self._threads.forked(call)
        self._events.append(call)
        return True

    def _unusual(self, line: str) -> None:
        if line.startswith(" > "):
            self._frame(line)
            return
        if not line or line.isspace():
            self.notes += 1
            return
        prefix = _PREFIX.match(line)
        assert prefix is not None
        at = prefix.end()
        bracketed, bare, clock, delta = prefix.groups()
        pid = bracketed or bare
        if pid is not None and len(pid) > 10:
            self._reject(line, "a process number beyond 32 bits")
            return
        time = self._time(clock, delta) if clock else 0.0
        tid = (
            self._threads.named(int(pid), bracketed is not None) if pid else self._threads.unnamed()
        )
        if line.startswith("+++ ", at):
            self._exit(line, at, tid, time)
        elif line.startswith("--- ", at):
            self._signal(line, at, tid, time)
        elif line.startswith("<... ", at):
            self._resumed(line, at, tid)
        elif line.startswith(("strace: ", "[ Process PID="), at):
            self._note(line, at)
        else:
            usual = _USUAL.match(line, at) if clock or bracketed else None
            if usual is not None and usual.group(1) is None:
                if self._usual(usual, tid, time, self.lines):
                    return
            self._entered(line, at, tid, time)

    # When.

    def _time(self, clock: str, delta: str | None) -> float:
        """Seconds: of the day (-t, -tt), of the epoch (-ttt), or since the log began (-r)."""
        if ":" in clock:
            return int(clock[:2]) * 3600 + int(clock[3:5]) * 60 + float(clock[6:])
        seconds = float(clock) if len(clock) < 40 else 0.0
        if delta is not None or seconds > 1e8:
            return seconds
        self._relative += seconds
        return self._relative

    # Lines that are no calls.

    def _reject(self, line: str, why: str) -> None:
        self.unparsed += 1
        self._last = None
        self._events.append(Unparsed(self.lines, line, why))

    def _frame(self, line: str) -> None:
        last = self._last
        if last is None:
            self._reject(line, "a stack frame that follows no call and no signal")
            return
        if last.stack is None:
            last.stack = []
        if len(last.stack) >= MAX_FRAMES:
            self._reject(line, f"more than {MAX_FRAMES} stack frames")
            self._last = last
            return
        last.stack.append(line[3:])

    def _note(self, line: str, at: int) -> None:
        self.notes += 1
        mode = _PERSONALITY.search(line, at)
        if mode is not None and len(mode.group(1)) <= 10:
            self._threads.personality(int(mode.group(1)), mode.group(2))
        attached = _ATTACHED.match(line, at)
        if attached is not None and len(attached.group(1)) <= 10:
            self._threads.attached(int(attached.group(1)))

    def _exit(self, line: str, at: int, tid: int, time: float) -> None:
        status: int | None = None
        signal: str | None = None
        successor = 0
        exited = _EXITED.match(line, at)
        killed = _KILLED.match(line, at)
        superseded = _SUPERSEDED.match(line, at)
        if exited is not None and len(exited.group(1)) <= 10:
            status = int(exited.group(1))
        elif killed is not None:
            signal = killed.group(1)
        elif superseded is not None and len(superseded.group(1)) <= 10:
            # The leader's number goes to the thread that called execve, with its unfinished call.
            heir = int(superseded.group(1))
            successor = tid
            self._abandon(tid)
            if heir in self._pending:
                self._pending[tid] = self._pending.pop(heir)
            tid = heir
        else:
            self._reject(line, "'+++' without a known end of a thread")
            return
        self._abandon(tid)
        self._threads.ended(tid)
        self._last = None
        self._events.append(Exit(tid, self.lines, status, signal, successor, time))

    def _signal(self, line: str, at: int, tid: int, time: float) -> None:
        match = _SIGNAL.match(line, at)
        if match is None:
            self._reject(line, "'---' without a known signal")
            return
        addr: int | None = None
        found = _SI_ADDR.search(match.group(2))
        if found is not None:
            addr = 0 if found.group(1) == "NULL" else int(found.group(1), 16)
        name = intern(match.group(1))
        signal = Signal(tid, self.lines, name, addr, match.group(2).strip(), time)
        self._last = signal
        self._events.append(signal)

    # Calls.

    def _abandon(self, tid: int) -> None:
        """The call that tid is in, if any, never returns."""
        pending = self._pending.pop(tid, None)
        if pending is None:
            return
        self._pending_size -= pending.cost()
        call = self._arguments_only(tid, pending)
        self._events.append(call)

    def _arguments_only(self, tid: int, pending: Pending) -> Call:
        """Return a call without a result: the arguments as far as they were printed."""
        call = Call(tid, intern(pending.name), line=pending.entry_line, time=pending.time)
        call.entry_line = pending.entry_line
        call.abi = self._threads.abi(tid, pending.name)
        text = pending.text.rstrip(", ")
        try:
            read_arguments(call, text + ")", len(pending.name) + 1)
        except (SyntaxProblem, SymbolProblem):
            call.lenient = True
        return call

    def _entered(self, line: str, at: int, tid: int, time: float) -> None:
        head = _HEAD.match(line, at)
        if head is None:
            self._reject(line, "not a call, signal, exit or note")
            return
        name = head.group(1)
        if tid in self._pending:
            self._abandon(tid)
        text = line[at:] if at else line
        if text.endswith((UNFINISHED, DETACHED)):
            kept = text.removesuffix(UNFINISHED).removesuffix(DETACHED)
            # An entry has no result: frames behind it belong to no call that is known yet.
            self._last = None
            self._wait(tid, Pending(name, kept, self.lines, time), line)
            return
        self._complete(tid, name, text, self.lines, time, line)

    def _wait(self, tid: int, pending: Pending, line: str) -> None:
        """Keep a call until it resumes."""
        if self._pending_size + pending.cost() > MAX_PENDING:
            self._reject(line, "too much text in unfinished calls")
            return
        self._pending_size += pending.cost()
        self._pending[tid] = pending

    def _resumed(self, line: str, at: int, tid: int) -> None:
        match = _RESUMED.match(line, at)
        if match is None:
            self._reject(line, "'<...' without 'resumed>'")
            return
        name = match.group(1)
        pending = self._pending.get(tid)
        if pending is None:
            self._reject(line, f"{name[:40]} resumes, but thread {tid} is in no call")
            return
        if pending.name != name and name != "???" and pending.name != "???":
            self._reject(line, f"{name[:40]} resumes, but thread {tid} is in {pending.name[:40]}")
            return
        del self._pending[tid]
        self._pending_size -= pending.cost()
        rest = line[match.end() :]
        if pending.name != name:
            # The name became known late, or was lost: the argument text begins behind it.
            pending.text = name + pending.text[len(pending.name) :]
        if rest.endswith((UNFINISHED, DETACHED)):
            pending.text += rest.removesuffix(UNFINISHED).removesuffix(DETACHED)
            self._wait(tid, pending, line)
            return
        text = pending.text + rest
        usual = _USUAL.match(text)
        if usual is None or not self._usual(usual, tid, pending.time, pending.entry_line):
            self._complete(tid, name, text, pending.entry_line, pending.time, line)

    def _complete(
        self, tid: int, name: str, text: str, entry_line: int, time: float, line: str
    ) -> None:
        """A call with its result: `name(arguments) = result`."""
        call = Call(tid, intern(name), line=self.lines, entry_line=entry_line, time=time)
        call.abi = self._threads.abi(tid, name)
        try:
            read_call(call, text)
        except SymbolProblem as symbol:
            self._reject(line, f"the constant {symbol} of {name[:40]} is not known")
            return
        except SyntaxProblem as problem:
            self._reject(line, f"{name[:40]}: {problem}")
            return
        self._last = call
        if call.row.family & FORKS:
            self._threads.forked(call)
        self._events.append(call)
