# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts calls together from single events, and writes them as our BPF programs do.

What comes from elsewhere (bpftrace, perf events) has an event for the entry of a call, for its
lock and for its exit. Events have to be given in the order of their times.
"""

import json
import os
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple, final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.calls.table import CLOSES, named
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS, MAP_PRIVATE, MAP_TYPE
from vmalab.linux.include.uapi.sched import CLONE_THREAD
from vmalab.recording.events import layout, rawfile
from vmalab.recording.tracer.stops import is_traced

_MMAP: Final = NUMBER_OF_SYSCALL["mmap"]
_CLOSE: Final = NUMBER_OF_SYSCALL["close"]
_CLOSES: Final = frozenset(NUMBER_OF_SYSCALL[name] for name in named(CLOSES))
# Calls that open a file, and which argument says how.
_OPENS: Final = {NUMBER_OF_SYSCALL["open"]: 1, NUMBER_OF_SYSCALL["openat"]: 2}
# Calls that may be under way at a time.
_MOST_PENDING: Final = 1 << 16


class EventTime(NamedTuple):
    """When an event happened, in nanoseconds, and to whom."""

    when: int
    pid: int
    tid: int


@dataclass(slots=True)
class _Call:
    """A call that is under way. locked: when it got its lock, 0: not yet."""

    number: int
    args: tuple[int, ...]
    entered: int
    locked: int = 0


@final
class Assembling:
    """Records in the making. raw: what events.raw would have."""

    def __init__(self) -> None:
        self.raw = bytearray()
        self._calls: dict[int, _Call] = {}
        # Calls that opened files, by process and descriptor.
        self._opened: dict[tuple[int, int], tuple[EventTime, _Call]] = {}
        # Where a thread's last page fault was, until it is known what came of it.
        self._faults: dict[int, int] = {}

    def note(self, facts: dict[str, object], smaps: bytes = b"") -> None:
        """Add what a recorder has to say."""
        self.raw += rawfile.note_chunk(json.dumps(facts).encode() + b"\n" + smaps)

    def _add(self, raw: bytes) -> None:
        self.raw += rawfile.record_chunk(raw)

    def entered(self, at: EventTime, number: int, args: tuple[int, ...]) -> None:
        """A thread has entered a call, with six arguments."""
        self._faults.pop(at.tid, None)
        if len(self._calls) < _MOST_PENDING and is_traced(number, args):
            self._calls[at.tid] = _Call(number, args, at.when)

    def locked(self, at: EventTime) -> None:
        """A thread may change an address space from now on."""
        call = self._calls.get(at.tid)
        if call is not None:
            call.locked = at.when
        elif at.tid in self._faults:
            self.touched(at, layout.GROWN, self._faults[at.tid])

    def string(self, at: EventTime, address: int, text: str) -> None:
        """A string was at an address, for the call that the thread is in."""
        if at.tid in self._calls:
            self._string(at, address, text)

    def _string(self, at: EventTime, address: int, text: str) -> None:
        raw = text.encode("utf-8", "surrogateescape")[: layout.MAX_DATA - 1] + b"\0"
        head = layout.head.pack(layout.CONTENTS, at.tid, at.pid, len(raw), at.when)
        self._add(head + struct.pack("<Q", address) + raw)

    def stack(self, at: EventTime, regs: tuple[int, ...], memory: bytes) -> None:
        """The registers and the stack of a thread, for the call that it is in."""
        if at.tid in self._calls:
            memory = memory[: layout.STACK_MOST]
            head = (layout.STACK, at.tid, at.pid, len(memory), at.when)
            raw = layout.stack.pack(*head, *regs, 0)
            self._add(raw.ljust(layout.STACK_DATA, b"\0") + memory)

    def left(self, at: EventTime, number: int, result: int) -> None:
        """A thread has left a call."""
        call = self._calls.pop(at.tid, None)
        if call is not None and call.number == number:
            self._call(call, at, layout.CALL, result)
            if number in _CLOSES:
                self._closed(at.pid, call)
            elif number in _OPENS and result >= 0 and len(self._opened) < _MOST_PENDING:
                self._opened[at.pid, result] = EventTime(call.entered, at.pid, at.tid), call

    def _closed(self, pid: int, call: _Call) -> None:
        """Descriptors of a process may be those of other files from now on."""
        if call.number == _CLOSE:
            self._opened.pop((pid, call.args[0] & 0xFFFFFFFF), None)
        else:
            for key in [key for key in self._opened if key[0] == pid]:
                del self._opened[key]

    def mapped(self, at: EventTime, dev: int, inode: int, name: str) -> None:
        """What a thread maps by the call that it is in is this file."""
        call = self._calls.get(at.tid)
        if call is None or call.number != _MMAP or call.args[3] & MAP_ANONYMOUS:
            return
        opened = self._opened.get((at.pid, call.args[4] & 0xFFFFFFFF))
        flags = os.O_RDONLY
        if opened is not None:
            # The name that it was opened by was not seen; this one leads there too.
            index = _OPENS[opened[1].number]
            flags = opened[1].args[index] & 0xFFFFFFFF
            self._string(opened[0], opened[1].args[index - 1], name)
        elif call.args[3] & MAP_TYPE != MAP_PRIVATE:
            # What it may be protected to depends on how the file was opened.
            return
        text = name.encode("utf-8", "surrogateescape")
        if len(text) >= layout.NAME_SIZE:
            text = os.path.basename(text)[: layout.NAME_SIZE - 1]
        head = (layout.FILE, at.tid, at.pid, flags, at.when, dev, inode, 0, 0, 0)
        self._add(layout.file.pack(*head) + text.ljust(layout.NAME_SIZE, b"\0"))

    def _call(self, call: _Call, at: EventTime, kind: int, result: int) -> None:
        head = layout.call.pack(
            *(kind, at.tid, at.pid, call.number, at.when),
            *(call.entered, call.locked, result, 1, layout.MOST_ARGS),
        )
        self._add(head + struct.pack(f"<{layout.MOST_ARGS}Q", *call.args))

    def faulted(self, at: EventTime, address: int) -> None:
        """A page fault of a thread begins."""
        if not address >> 56 and len(self._faults) < _MOST_PENDING:
            self._faults[at.tid] = address

    def own_page(self, at: EventTime) -> None:
        """A process has got a page of its own; by a fault of its thread, if there is one."""
        address = self._faults.pop(at.tid, None)
        if address is not None:
            self.touched(at, layout.WRITTEN, address)

    def touched(self, at: EventTime, kind: int, address: int) -> None:
        """A page fault at an address has made a page (WRITTEN), or let a stack grow (GROWN)."""
        self._add(layout.fault.pack(kind, at.tid, at.pid, 0, at.when, address))

    def made(self, at: EventTime, child: int, flags: int) -> None:
        """A thread has made another."""
        call = self._calls.get(at.tid)
        tgid = at.pid if flags & CLONE_THREAD else child
        self._add(
            layout.task.pack(
                *(layout.TASK, at.tid, at.pid, child, at.when),
                *(tgid, 0, flags, call.locked if call is not None else 0),
            )
        )

    def became(self, at: EventTime, former: int, name: str) -> None:
        """A process has become another program, by a call of the thread that had a number."""
        call = self._calls.pop(former, None)
        args = call.args if call is not None else (0,) * layout.MOST_ARGS
        raw = bytearray(layout.EXEC_SIZE)
        layout.head.pack_into(raw, 0, layout.EXEC, at.tid, at.pid, former, at.when)
        struct.pack_into(f"<{layout.MOST_ARGS}Q", raw, layout.EXEC_ARGS, *args)
        text = name.encode("utf-8", "surrogateescape")[:255]
        raw[layout.EXEC_NAME : layout.EXEC_NAME + len(text)] = text
        self._add(bytes(raw))

    def ended(self, at: EventTime) -> None:
        """A thread has ended, perhaps in a call. How is not known."""
        self._faults.pop(at.tid, None)
        call = self._calls.pop(at.tid, None)
        if call is not None:
            self._call(call, at, layout.KILLED, 0)
        self._add(layout.exit.pack(layout.EXIT, at.tid, at.pid, 0, at.when, 0, 0))
