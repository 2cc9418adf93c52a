# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the text of `perf trace`.

     0.196 ( 0.028 ms): thr/30089 mmap(len: 8192, prot: READ, flags: PRIVATE|ANONYMOUS) = 0x7f356d53
     0.892 ( 0.181 ms): thr/30089 clone3(uargs: 0x7ffc0658f590, size: 88)               = 30090
         ? (         ): thr/30090  ... [continued]: clone3())                           = 0

Arguments have the kernel's names, and those that are 0 are left out. As in other texts of events
there are no structures, and paths only where perf could read them.
"""

import re
from collections.abc import Sequence
from sys import intern
from typing import Final, final

from vmalab.calls.call import NO_ARGS, U64_MAX, Call, Exit
from vmalab.calls.symbols import ERRNO_OF, SYMBOLS
from vmalab.calls.table import ENDS, EXECS, FORKS, MEMORY, Syscall
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.linux.include.uapi.sched import CLONE_VM
from vmalab.patterns import pattern
from vmalab.recording.readers.arguments import unescape
from vmalab.recording.readers.event_text import LOOKED_AT, MAX_PENDING, EventText, plain_event
from vmalab.recording.readers.line_source import lines_in

# The longest line that is an event.
_MAX_EVENT: Final = 1 << 14

# What a log daemon or a page puts before a line may stand before it.
_LINE = pattern(
    r'[^("]{0,256}?(?<![\w.])'
    r"(\d{1,15}\.\d{1,6}|\?) \( *(?:\d+\.\d+ ms)? *\): +"
    r"(?:(?:\S.*?/)?(\d{1,10})(?:\s*\([^)]*\))? +)?"
    r"(\.\.\. \[continued\]: )?(\w{1,40})\((.*)$",
    re.ASCII,
)
_RESULT = pattern(
    r"\)\s*= (-?(?:0x[0-9a-f]{1,16}|\d{1,20}))(?: (E[A-Z0-9]+)\b.*)?(?: \(.*\))?$", re.ASCII
)
_ARGUMENT = pattern(r'\s*(\w+): ("(?:[^"\\]|\\.)*"|\{[^}]*\}|[^,"]*?)(?:<[^>]*>)?(?:,|$)', re.ASCII)
# The kinds that an argument of a name can have, and which among those of such kinds it is.
_PLACES: Final[dict[str, tuple[tuple[str, ...], int]]] = {
    "addr": (("addr",), 0),
    "start": (("addr",), 0),
    "brk": (("addr",), 0),
    "newsp": (("addr",), 0),
    "new_addr": (("addr",), 1),
    "vec": (("addr",), 1),
    "len": (("size",), 0),
    "len_in": (("size",), 0),
    "old_len": (("size",), 0),
    "new_len": (("size",), 1),
    "length": (("size", "offset"), 0),
    "prot": (("prot",), 0),
    "behavior": (("advice",), 0),
    "clone_flags": (("clone",), 0),
    "pkey": (("int",), 0),
    "error_code": (("int",), 0),
    "fd": (("fd",), 0),
    "fildes": (("fd",), 0),
    "oldfd": (("fd",), 0),
    "newfd": (("fd",), 1),
    "dfd": (("dirfd",), 0),
    "off": (("offset",), 0),
    "filename": (("&string",), 0),
    "uname": (("&string",), 0),
}
# Arguments of clone that say nothing of the map.
_OF_NO_MAP: Final = ("parent_tidptr", "child_tidptr", "tls")
# Of these kinds are no flags.
_NO_FLAGS: Final = frozenset(kind for kinds, _ in _PLACES.values() for kind in kinds)
_PREFIXES: Final = ("", "PROT_", "MAP_", "MREMAP_", "MADV_", "MCL_", "MS_", "O_", "CLONE_")
_BY_ARGUMENT: Final = {
    "prot": "PROT_",
    "behavior": "MADV_",
    "clone_flags": "CLONE_",
}


def is_perf_trace_text(first: Sequence[str]) -> bool:
    """Return whether a file that begins with these lines is such a text."""
    return any(_LINE().match(plain_event(line)) for line in first[:LOOKED_AT] if len(line) < 4096)


def _flags(row: Syscall) -> tuple[int, ...]:
    """Return which arguments of a call are flags."""
    return tuple(at for at, kind in enumerate(row.kinds or ()) if kind not in _NO_FLAGS)


def _value(text: str, name: str) -> int | None:
    """Return the number of an argument; None when it is none that is known."""
    value = 0
    for word in text.strip().split("|"):
        try:
            value |= int(word, 0) & U64_MAX
            continue
        except ValueError:
            pass
        prefixes = (_BY_ARGUMENT[name],) if name in _BY_ARGUMENT else _PREFIXES
        known = (SYMBOLS.get(prefix + word) for prefix in ("", *prefixes))
        number = next((found for found in known if found is not None), None)
        if number is None:
            return None
        value |= number
    return value


@final
class PerfTraceReader(EventText):
    """Reads calls with their results, and calls that return later."""

    def feed_block(self, block: bytes) -> None:
        """Whole lines, as the log has them, each with its newline."""
        for line in lines_in(block):
            self.feed(line)

    def feed(self, line: str) -> None:
        """One line, without its newline."""
        self.lines += 1
        line = plain_event(line) if len(line) <= _MAX_EVENT else ""
        match = _LINE().match(line)
        if match is None:
            self.notes += 1
            return
        clock, thread, continued, name, rest = match.groups()
        tid = int(thread or 0)
        result = _RESULT().search(rest)
        if continued:
            self._resumed(tid, name, result, line)
            return
        when = 0.0 if clock == "?" else float(clock) / 1000
        call = Call(tid, intern(name), NO_ARGS, None, None, self.lines, self.lines, when)
        end = result.start() if result is not None else max(rest.rfind(")"), 0)
        why = self._arguments(call, rest[:end])
        if why:
            self._reject(line, f"{name}: {why}")
        elif result is not None:
            self._answer(call, result, line)
        elif call.row.family & ENDS:
            self._events.append(call)
            self._events.append(Exit(tid, self.lines, call.args[0] & 0xFF, None, 0, when))
        elif len(self._pending) < MAX_PENDING:
            self._begin(call)
        else:
            self._reject(line, f"more than {MAX_PENDING} calls at a time")

    def _begin(self, call: Call) -> None:
        """A call returns later. The one that its thread is in never did, or that was lost."""
        before = self._pending.pop(call.tid, None)
        if before is not None:
            self._events.append(before)
        self._pending[call.tid] = call

    def _arguments(self, call: Call, text: str) -> str:
        """Read the arguments into a call. Returns: why they cannot be, or nothing."""
        row = call.row
        if call.name == "clone3":
            # As all C libraries make threads with it.
            call.mem = {0: {"flags": CLONE_VM}}
            return ""
        values = [0] * 6
        mem: dict[int, object] = {}
        at = 0
        while at < len(text):
            match = _ARGUMENT().match(text, at)
            if match is None or match.end() == at:
                return f"', ' expected before {text[at : at + 20]!r}"
            name, shown = match.groups()
            at = match.end()
            if name in _OF_NO_MAP and row.family & FORKS:
                continue
            kinds, number = _PLACES.get(name, ((), 0))
            slots = _flags(row) if name == "flags" else row.indices(*kinds)
            if number >= len(slots):
                if row.family & MEMORY:
                    return f"{name} is no argument that is known"
                continue
            slot = slots[number]
            if shown[:1] == '"':
                mem[slot] = unescape(shown[1:-1])
                continue
            value = _value(shown, name)
            if value is None:
                if row.family & MEMORY:
                    return f"{name} is no number: {shown[:40]!r}"
                continue
            values[slot] = value
        if call.name == "mmap" and values[3] & MAP_ANONYMOUS and "fd: " not in text:
            values[4] = U64_MAX
        call.args = tuple(values)
        call.mem = mem or None
        call.lenient = row.string >= 0 and row.string not in mem and not row.family & EXECS
        return ""

    def _resumed(self, tid: int, name: str, result: re.Match[str] | None, line: str) -> None:
        call = self._pending.pop(tid, None)
        if call is None or call.spelling != name or result is None:
            # It was under way when the log began; or it is the other side of a fork.
            self.notes += 1
            return
        self._answer(call, result, line)

    def _answer(self, call: Call, result: re.Match[str], line: str) -> None:
        text, errno = result.groups()
        value = int(text, 16 if "x" in text else 10)
        if errno is not None and value < 0:
            number = ERRNO_OF.get(errno)
            if number is None:
                self._reject(line, f"{call.spelling}: the error {errno} is not known")
                return
            value, text = -number, f"-1 {errno}"
        call.line = self.lines
        call.ret, call.ret_text = value, text
        self._events.append(call)
