# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the text that `strace -f` writes into calls, signals, exits and unreadable lines.

Understood: default output and -X raw, abbrev, verbose; process numbers as `1234 ` or `[pid 1234] `;
-t, -tt, -ttt, -r, -T, -i, -n, -y, -yy, -Y, -k, -z, -C; unfinished and resumed calls, restarts,
messages of strace on lines of their own or amid a call; the same pasted, with what surrounds it.
A line becomes exactly one of: an event, a part of a call (`<unfinished ...>`, a frame of -k), a
note (`strace: ...`, a code fence), or `Unparsed` with the reason. Nothing is dropped.
"""

import re
from sys import intern
from typing import Final, final

from vmalab.calls.call import Call, Event, Exit, Signal, Thread, Unparsed
from vmalab.calls.table import FORKS
from vmalab.patterns import pattern
from vmalab.recording.readers.arguments import SymbolProblem, SyntaxProblem
from vmalab.recording.readers.broken_lines import BrokenLine, is_count_table, message_in
from vmalab.recording.readers.callline import (
    DETACHED,
    UNFINISHED,
    read_begun,
    read_call,
)
from vmalab.recording.readers.clock import Clock
from vmalab.recording.readers.ends import end_in, signal_in
from vmalab.recording.readers.line_source import MAX_LINE
from vmalab.recording.readers.line_start import HEAD, PREFIX, STARTS
from vmalab.recording.readers.paste import ELIDED, is_frame, restore, retyped, unwrap, why_unread
from vmalab.recording.readers.scanner import Scanner, bytes_of
from vmalab.recording.readers.threads import Threads
from vmalab.recording.readers.unfinished import Pending, PendingCalls
from vmalab.recording.readers.usual_line import NAMELESS, UsualLines

# Frames kept of one call's stack (strace -k prints at most 256).
MAX_FRAMES: Final = 1024

# The end of a line of whose result nothing is missing: an error's words, an address of a page, how
# long the call took.
_COMPLETE = pattern(
    r"\) *= (?:-1 E[A-Z0-9]+ \([^()]*\)|0x[0-9a-f]{9}000|.* <\d+\.\d{6,9}>)$", re.ASCII
)
_RESUMED = pattern(r"<\.\.\. ([\w?]+) resumed>")
_PERSONALITY = pattern(r"\[ Process PID=(\d+) runs in (\S+) (?:bit )?mode\. \]$", re.ASCII)


@final
class StraceReader:
    """Takes lines, gives events.

    feed() each line in order, or feed_block() many, finish() at the end; take() hands over what
    has come so far. A frame of -k is added to its call, also to one already taken. Counters: lines;
    unparsed; notes (lines that say nothing about calls).
    """

    def __init__(self) -> None:
        self.lines = 0
        self.unparsed = 0
        self.notes = 0
        self._events: list[Event] = []
        self._pending = PendingCalls()
        self._last: Event | None = None
        self._threads = Threads()
        self._clock = Clock()
        self._usual = UsualLines(self._clock)
        # A line that the next ones go on with.
        self._broken: BrokenLine | None = None

    def take(self) -> list[Event]:
        """Return the events since the last call of take()."""
        events = self._events
        self._events = []
        return events

    def feed_block(self, block: bytes) -> None:
        """Whole lines, as the log has them, each with its newline."""
        scanner = Scanner(block)
        while scanner.at < scanner.size:
            self.lines += 1
            if not self._read_next(scanner):
                self._unusual(scanner.line())

    def feed(self, line: str) -> None:
        """One line, without its newline."""
        self.lines += 1
        raw = bytes_of(line)
        if not raw or not self._read_next(Scanner(raw)):
            self._unusual(line)

    def _read_next(self, scanner: Scanner) -> bool:
        """Pass the next line, if it tells a usual call: whether it does."""
        if self._broken is not None:
            return False
        start = scanner.at
        call = self._usual.read(scanner)
        if call is None:
            return False
        if scanner.at - start > MAX_LINE:
            scanner.at = start
            return False
        if call.tid == NAMELESS:
            call.tid = self._threads.unnamed()
        self._add(call, self.lines)
        return True

    def cut(self, line: str) -> None:
        """The last line of a log that ends without a newline: it may be cut anywhere."""
        if line.endswith((" +++", " ---")) or _COMPLETE().search(line):
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
        self._give_up_broken()
        for tid in self._pending.tids():
            self._abandon(tid)

    def _read_usual(self, text: str, at: int, tid: int, time: float, entry_line: int) -> bool:
        """Read a usual call, whose name begins at `at`: whether it is one."""
        raw = bytes_of(text[at:])
        call = self._usual.read(Scanner(raw)) if raw else None
        if call is None:
            return False
        call.tid = tid
        call.time = time
        self._add(call, entry_line)
        return True

    def _add(self, call: Call, entry_line: int) -> None:
        """Add a call whose line has been understood."""
        tid = call.tid
        if self._pending.calls and tid in self._pending.calls:
            self._abandon(tid)
        call.line = self.lines
        call.entry_line = entry_line
        i386 = self._threads.i386
        if len(i386) > 0 and tid in i386:
            call.abi = "i386"
        self._last = call
        if call.row.family & FORKS:
            self._threads.forked(call)
        self._events.append(call)

    def _unusual(self, line: str) -> None:
        """One line that is not usual, or that goes on with a broken one."""
        if len(line) > MAX_LINE:
            self._reject(line, f"longer than {MAX_LINE} characters")
            return
        line = retyped(restore(line)).rstrip(" \t\r")
        message = message_in(line)
        if message is not None:
            self._message(line, message)
            return
        if line.endswith(" \\") and "(" in line:
            self._broken = BrokenLine(line[:-1], self.lines, by_message=True)
            return
        broken = self._broken
        if broken is not None and line and broken.goes_on(line):
            self._broken = None
            line = broken.text + line
        if not self._read(line):
            self._pasted(line)

    def _read(self, line: str) -> bool:
        """Read a line that is whole: whether it is of strace's making."""
        if line.startswith(" > "):
            self._frame(line)
            return True
        if not line or line.isspace():
            self.notes += 1
            return True
        prefix = PREFIX().match(line)
        assert prefix is not None
        at = prefix.end()
        if not (line.startswith(STARTS, at) or HEAD().match(line, at)):
            return False
        self._give_up_broken()
        bracketed, bare, clock, delta = prefix.groups()
        pid = bracketed or bare
        if pid is not None and len(pid) > 10:
            self._reject(line, "a process number beyond 32 bits")
            return True
        time = self._clock.seconds(clock, delta) if clock else 0.0
        tid = self._caller(int(pid), bracketed is not None) if pid else self._threads.unnamed()
        if line.startswith("+++ ", at):
            self._exit(line, at, tid, time)
        elif line.startswith("--- ", at):
            self._signal(line, at, tid, time)
        elif line.startswith("<... ", at):
            self._resumed(line, at, tid)
        elif line.startswith(("strace: ", "[ Process PID="), at):
            self._note(line, at)
        else:
            led = clock or bracketed
            if not led or not self._read_usual(line, at, tid, time, self.lines):
                self._entered(line, at, tid, time)
        return True

    def _caller(self, pid: int, bracketed: bool) -> int:
        """Return the thread of a numbered line; say whose it is where the log began with it."""
        tid = self._threads.named(pid, bracketed)
        leader = self._threads.leader_of(tid)
        if leader >= 0:
            self._events.append(Thread(tid, self.lines, leader))
        return tid

    def _pasted(self, line: str) -> None:
        """Read a line that is not of strace's making: what it is without what surrounds it."""
        interrupted = self._pending.last() if line.startswith(")") else None
        if interrupted is not None:
            # strace -z names nobody where the result comes at once.
            tid, pending = interrupted
            self._go_on(tid, pending, pending.name, line, line)
            return
        plain = unwrap(line)
        if plain[:2] == "> " and plain[-1:] == "]" and ") [0x" in plain[-24:]:
            self._frame(" " + plain)
            return
        if plain != line and self._read(plain):
            return
        why = why_unread(plain, self._last.why if isinstance(self._last, Unparsed) else "")
        passes = is_frame(plain) or is_count_table(plain)
        if why != ELIDED and (passes or (self._broken and self._broken.passes())):
            self.notes += 1
        else:
            self._reject(line, why)

    def _message(self, line: str, message: re.Match[str]) -> None:
        """strace says something of a process, on its own line or amid a call's."""
        pid, what, count = message.groups()
        if what == "attached":
            begun = bool(self._events or self._pending.calls or self._last)
            self._threads.attached(int(pid), int(count or 1), begun=begun)
        before = line[: message.start()].removesuffix("^C")
        if "(" in before or "<... " in before:
            held = "" if self._broken is None else self._broken.text
            self._broken = BrokenLine(held + before, self.lines, by_message=True)
        else:
            self.notes += 1

    def _give_up_broken(self) -> None:
        """A broken line did not go on: it cannot be understood."""
        broken, self._broken = self._broken, None
        if broken is not None:
            self._reject(broken.text, "the line is broken off, and no later line goes on with it")

    # Lines that are no calls.

    def _reject(self, line: str, why: str) -> None:
        self.unparsed += 1
        event = Unparsed(self.lines, line, why)
        self._last = event
        self._events.append(event)

    def _frame(self, line: str) -> None:
        last = self._last
        if last is None:
            self._reject(line, "a stack frame that follows no call and no signal")
            return
        if not isinstance(last, Call | Signal):
            # Of a thread that ended, or of a line that is reported already.
            self.notes += 1
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
        mode = _PERSONALITY().search(line, at)
        if mode is not None and len(mode.group(1)) <= 10:
            self._threads.personality(int(mode.group(1)), mode.group(2))

    def _exit(self, line: str, at: int, tid: int, time: float) -> None:
        end = end_in(line, at)
        if end is None:
            self._reject(line, "'+++' without a known end of a thread")
            return
        status, signal, heir = end
        successor = 0
        if heir:
            # The leader's number goes to the thread that called execve, with its unfinished call.
            successor = tid
            self._abandon(tid)
            self._pending.hand_on(heir, tid)
            tid = heir
        self._abandon(tid)
        self._threads.ended(tid)
        event = Exit(tid, self.lines, status, signal, successor, time)
        self._last = event
        self._events.append(event)

    def _signal(self, line: str, at: int, tid: int, time: float) -> None:
        found = signal_in(line, at)
        if found is None:
            self._reject(line, "'---' without a known signal")
            return
        name, addr, text = found
        signal = Signal(tid, self.lines, intern(name), addr, text, time)
        self._last = signal
        self._events.append(signal)

    # Calls.

    def _abandon(self, tid: int) -> None:
        """The call that tid is in, if any, never returns."""
        pending = self._pending.take(tid)
        if pending is None:
            return
        call = Call(tid, intern(pending.name), line=pending.entry_line, time=pending.time)
        call.entry_line = pending.entry_line
        call.abi = self._threads.abi(tid, pending.name)
        read_begun(call, pending.text)
        self._events.append(call)

    def _entered(self, line: str, at: int, tid: int, time: float) -> None:
        head = HEAD().match(line, at)
        assert head is not None
        name = head.group(1)
        self._abandon(tid)
        text = line[at:] if at else line
        if text.endswith((UNFINISHED, DETACHED)):
            kept = text.removesuffix(UNFINISHED).removesuffix(DETACHED)
            # An entry has no result: frames behind it belong to no call that is known yet.
            self._last = None
            self._wait(tid, Pending(name, kept, self.lines, time), line)
            return
        self._broken = BrokenLine.begun(line, self.lines)
        if self._broken is None:
            self._complete(tid, name, text, self.lines, time, line)

    def _wait(self, tid: int, pending: Pending, line: str) -> None:
        """Keep a call until it resumes."""
        if not self._pending.add(tid, pending):
            self._reject(line, "too much text in unfinished calls")

    def _resumed(self, line: str, at: int, tid: int) -> None:
        match = _RESUMED().match(line, at)
        if match is None:
            self._reject(line, "'<...' without 'resumed>'")
            return
        name = match.group(1)
        pending = self._pending.calls.get(tid)
        if pending is None:
            self._reject(line, f"{name[:40]} resumes, but thread {tid} is in no call")
            return
        if pending.name != name and name != "???" and pending.name != "???":
            self._reject(line, f"{name[:40]} resumes, but thread {tid} is in {pending.name[:40]}")
            return
        self._go_on(tid, pending, name, line[match.end() :], line)

    def _go_on(self, tid: int, pending: Pending, name: str, rest: str, line: str) -> None:
        """Add the rest of a call to what was printed of it."""
        self._pending.take(tid)
        if pending.name != name:
            # The name became known late, or was lost: the argument text begins behind it.
            pending.text = name + pending.text[len(pending.name) :]
        if rest.endswith((UNFINISHED, DETACHED)):
            pending.text += rest.removesuffix(UNFINISHED).removesuffix(DETACHED)
            self._wait(tid, pending, line)
            return
        text = pending.text + rest
        entry_line, time = pending.entry_line, pending.time
        if not self._read_usual(text, 0, tid, time, entry_line):
            self._complete(tid, name, text, entry_line, time, line)

    def _complete(
        self, tid: int, name: str, text: str, entry_line: int, time: float, line: str
    ) -> None:
        """A call with its result: `name(arguments) = result`."""
        call = Call(tid, intern(name), line=self.lines, entry_line=entry_line, time=time)
        call.abi = self._threads.abi(tid, name)
        try:
            read_call(call, text)
        except (SymbolProblem, SyntaxProblem) as problem:
            why = str(problem)
            if isinstance(problem, SymbolProblem):
                why = "the line is cut off" if " = " not in text else f"{why} is no known constant"
            self._reject(line, f"{name[:40]}: {why}")
            return
        self._last = call
        if call.row.family & FORKS:
            self._threads.forked(call)
        self._events.append(call)
