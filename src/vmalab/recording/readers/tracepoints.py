# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the text of the kernel's system call events: `perf script`, and tracefs's `trace`.

    st 22358 [000] 15997.920379: syscalls:sys_enter_mmap: addr: 0x00000000, len: 0x00010000, ...
    st-22475 [000] ..... 16000.317270: sys_mmap(addr: 0, len: 0x10000, prot: 3, flags: 0x22, ...)

Such a log has numbers only: no paths, no structures. What an open answered is then not known to be
anything, and clone3 is taken to share memory, as all that C libraries make with it does.
"""

import re
from collections.abc import Sequence
from sys import intern
from typing import Final, final

from vmalab.calls.call import NO_ARGS, U64_MAX, Call, Exit, Thread
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.calls.table import ADDRESS, ENDS, EXECS
from vmalab.linux.include.uapi.sched import CLONE_VM
from vmalab.patterns import pattern
from vmalab.recording.readers.arguments import unescape
from vmalab.recording.readers.event_text import LOOKED_AT, MAX_PENDING, EventText, plain_event
from vmalab.recording.readers.line_source import MAX_LINE, lines_in
from vmalab.recording.readers.margins import margin_of, without_margin

# Lines that are looked at to tell what stands before frames.
_MARGINS: Final = 1024
# Frames that are kept of one stack.
MAX_FRAMES: Final = 1024

_HEAD = pattern(
    r"\s*\S.*?[ -](?:(\d{1,10})/)?(\d{1,10})\s+(?:\([ \d-]+\)\s+)?\[\d+\]\s+(?:\S{4,8}\s+)?"
    r"(\d{1,12}\.\d{1,9}):\s+(?=(?:syscalls:)?sys_)",
    re.ASCII,
)
_PERF = pattern(r"syscalls:sys_(enter|exit)_(\w{1,40}):\s*(.*)$", re.ASCII)
_FTRACE = pattern(r"sys_(\w{1,40})(?:\((.*)\)| -> (-?\w{1,20}))$", re.ASCII)
_ARGUMENT = pattern(
    r'\s*(\w+): (-?(?:0x)?[0-9a-fA-F]{1,16})(?: "((?:[^"\\]|\\.)*)"(?:\.\.\.)?)?(?:,|$)', re.ASCII
)
# A frame, whose indentation may be lost; and what stands before it.
_FRAME = pattern(
    r"(?:\s+|(?=[0-9a-f]{1,16} (?:\[unknown\]|\S.*\+0x[0-9a-f]+) \())"
    r"([0-9a-f]{1,16}) (.*?) \((.*)\)$",
    re.ASCII,
)
_BEFORE_FRAME = pattern(
    r"(.{0,256}?)\s{1,32}[0-9a-f]{1,16} (?:\[unknown\]|[^ (]+) \([^)]*\)+$", re.ASCII
)

# Names of arguments that are `int`: a negative one shows 32 bits of it.
_INTS: Final = frozenset(("fd", "dfd", "oldfd", "newfd", "fildes"))


def is_tracepoint_text(first: Sequence[str]) -> bool:
    """Return whether a file that begins with these lines is such a log."""
    return any(_HEAD().match(plain_event(line)) for line in first[:LOOKED_AT] if len(line) < 4096)


def frame_margin(first: Sequence[str]) -> re.Pattern[str] | None:
    """Return what stands before the frames of a log that begins with these lines, None for nothing.

    Where an event begins is known whatever stands before it.
    """
    plain = [plain_event(line) for line in first[:_MARGINS] if len(line) < 4096]
    found = [
        frame for line in plain if not _HEAD().match(line) if (frame := _BEFORE_FRAME().match(line))
    ]
    return margin_of([frame.group(1) for frame in found], plain)


@final
class TracepointReader(EventText):
    """Reads entries and exits of system calls, with the stacks below them."""

    def __init__(self, margin: re.Pattern[str] | None = None) -> None:
        """margin: what stands before the frames of stacks."""
        super().__init__()
        self._margin = margin
        # Threads whose process the log has named.
        self._threads: set[int] = set()
        # Whose frames the lines that follow are.
        self._last: Call | None = None

    def feed_block(self, block: bytes) -> None:
        """Whole lines, as the log has them, each with its newline."""
        for line in lines_in(block):
            self.feed(line)

    def feed(self, line: str) -> None:
        """One line, without its newline."""
        self.lines += 1
        if len(line) > MAX_LINE:
            self._reject(line, f"longer than {MAX_LINE} characters")
            return
        line = plain_event(line)
        head = _HEAD().match(line)
        if head is None:
            self._other(line)
            return
        self._last = None
        pid, thread, clock = head.groups()
        tid, when = int(thread), float(clock)
        if pid is not None and pid != thread and tid not in self._threads:
            self._threads.add(tid)
            self._events.append(Thread(tid, self.lines, int(pid)))
        perf = _PERF().match(line, head.end())
        ftrace = _FTRACE().match(line, head.end()) if perf is None else None
        if perf is not None:
            kind, name, rest = perf.groups()
            if kind == "enter":
                self._enter(tid, name, rest, when, line)
            else:
                self._exit(tid, name, rest, line)
        elif ftrace is not None:
            name, args, result = ftrace.groups()
            if result is None:
                self._enter(tid, name, args, when, line)
            else:
                self._exit(tid, name, result, line)
        else:
            self._reject(line, "an event of a system call, neither its entry nor its exit")

    def _reject(self, line: str, why: str) -> None:
        self._last = None
        super()._reject(line, why)

    def _other(self, line: str) -> None:
        """A comment, another event, or a frame of a stack."""
        frame = _FRAME().match(without_margin(line, self._margin))
        if frame is None or self._last is None:
            self.notes += 1
            return
        if self._last.stack is None:
            self._last.stack = []
        if len(self._last.stack) < MAX_FRAMES:
            address, symbol, path = frame.groups()
            name = "" if symbol == "[unknown]" else symbol
            self._last.stack.append(f"{path}({name}) [0x{address}]")

    def _enter(self, tid: int, name: str, text: str, when: float, line: str) -> None:
        pending = self._pending.pop(tid, None)
        if pending is not None:
            # Its exit was lost, or it never returned.
            self._events.append(pending)
        values: list[int] = []
        mem: dict[int, object] = {}
        at = 0
        while at < len(text):
            match = _ARGUMENT().match(text, at)
            if match is None or len(values) == len(NO_ARGS):
                self._reject(line, f"{name}: an argument that is no number")
                return
            value = int(match.group(2), 16) & U64_MAX
            if match.group(1) in _INTS and value >> 31 == 1:
                value |= U64_MAX ^ 0xFFFFFFFF
            if match.group(3) is not None:
                mem[len(values)] = unescape(match.group(3))
            values.append(value)
            at = match.end()
        args = (*values, *NO_ARGS)[:6]
        call = Call(tid, intern(name), args, None, None, self.lines, self.lines, when)
        if name == "clone3":
            mem[0] = {"flags": CLONE_VM}
        elif name == "memfd_create":
            # Its name shows in maps, and decides nothing.
            mem.setdefault(0, "")
        call.mem = mem or None
        # Without the path, nothing is known of what it opens or removes.
        row = call.row
        call.lenient = row.string >= 0 and row.string not in mem and not row.family & EXECS
        self._last = call
        if row.family & ENDS:
            self._events.append(call)
            self._events.append(Exit(tid, self.lines, args[0] & 0xFF, None, 0, when))
        elif len(self._pending) < MAX_PENDING:
            self._pending[tid] = call
        else:
            self._reject(line, f"more than {MAX_PENDING} calls at a time")

    def _exit(self, tid: int, name: str, text: str, line: str) -> None:
        call = self._pending.get(tid)
        if call is None or call.spelling != name:
            # It was under way when the log began; or it is the other side of a fork.
            self.notes += 1
            return
        try:
            result = int(text, 16)
        except ValueError:
            self._reject(line, f"{name}: a result that is no number")
            return
        del self._pending[tid]
        if not -U64_MAX <= result <= U64_MAX:
            self._reject(line, f"{name}: a result beyond 64 bits")
            return
        call.line = self.lines
        call.ret = result - U64_MAX - 1 if result > U64_MAX >> 1 else result
        call.ret_text = _shown(call, call.ret)
        if -516 <= call.ret <= -512:
            call.ret, call.ret_text = None, "? ERESTARTSYS"
        self._events.append(call)


def _shown(call: Call, result: int) -> str:
    """Return a result as a log would show it."""
    if result < 0:
        return f"-1 {ERRNO_NAME.get(-result, f'(errno {-result})')}"
    return f"{result:#x}" if call.row.family & ADDRESS else str(result)
