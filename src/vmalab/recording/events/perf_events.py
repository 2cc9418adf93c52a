# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns what perf events have written into the records of our BPF programs, to be sorted."""

import mmap
import struct
from typing import Final, final

from vmalab.recording.events import layout, rawfile
from vmalab.recording.events.assembling import Assembling, EventTime
from vmalab.recording.events.looks import note_facts
from vmalab.recording.events.tracepoints import WANTED, Tracepoint

# The note that tells what the tracepoints are, before all records.
FORMATS: Final = "formats"
# Process, thread, time, bytes of the tracepoint's own.
_SAMPLE: Final = struct.Struct("<IIQI")
# How many bits registers have, the registers, and room for the stack; behind it how much is there.
_REGS: Final = struct.Struct(f"<Q{len(layout.STACK_REG_NAMES)}QQ")
_ABI_64: Final = 2
_MOST_STACK: Final = 1 << 16
# Process, thread, address, length, offset, device, inode, generation, protection, flags; then the
# name. At the end of it process, thread, time.
_MMAP2: Final = struct.Struct("<2I3Q2I2Q2I")
_SAMPLE_ID: Final = struct.Struct("<2IQ")
_MOST_FIELD: Final = 4096
_TOP: Final = 1 << 62
_U64: Final = (1 << 64) - 1


def formats_note(tracepoints: dict[str, Tracepoint]) -> dict[str, object]:
    """Return tracepoints as the recorder notes them."""
    return note_facts(FORMATS, 0, facts=dict(tracepoints))


def assembled(view: "mmap.mmap | bytes") -> "mmap.mmap | bytes":
    """Return the file of a recording as our BPF programs would have written it."""
    for facts, _ in rawfile.notes(view):
        if facts.get("note") == FORMATS:
            return _Assembly(view, facts.get("facts")).raw
    return view


@final
class _Assembly:
    """One file. raw: what comes of it."""

    def __init__(self, view: "mmap.mmap | bytes", formats: object) -> None:
        self._view = view
        self._purposes: dict[int, str] = {}
        self._fields: dict[str, dict[str, tuple[int, int]]] = {}
        for purpose, wanted in WANTED.items():
            self._format(purpose, wanted[1], formats)
        self._calls = Assembling()
        for facts, smaps in rawfile.notes(view):
            self._calls.note(facts, smaps)
        found: list[tuple[int, int, int]] = []
        for kind, offset, size in rawfile.bodies(view):
            if kind == rawfile.PERF_RECORD_SAMPLE and size >= _SAMPLE.size:
                when = _SAMPLE.unpack_from(view, offset)[2]
                if when < _TOP:
                    found.append((when, offset, size))
            elif kind == rawfile.PERF_RECORD_MMAP2 and size >= _MMAP2.size + _SAMPLE_ID.size:
                # Negative sizes tell them from samples.
                when = _SAMPLE_ID.unpack_from(view, offset + size - _SAMPLE_ID.size)[2]
                found.append((when, offset, -size))
        found.sort()
        for when, offset, size in found:
            if size < 0:
                self._mapped(when, offset, offset - size)
            else:
                self._take(offset, offset + size)
        self.raw = bytes(self._calls.raw)

    def _format(self, purpose: str, wanted: tuple[str, ...], formats: object) -> None:
        """Learn where the fields of a tracepoint are; what makes no sense is left out."""
        one = formats.get(purpose) if isinstance(formats, dict) else None
        if not isinstance(one, list) or len(one) != 2 or not isinstance(one[1], dict):
            return
        fields: dict[str, tuple[int, int]] = {}
        for name in wanted:
            place = one[1].get(name)
            if (
                isinstance(place, list)
                and len(place) == 2
                and all(isinstance(each, int) and 0 <= each < _MOST_FIELD for each in place)
            ):
                fields[name] = place[0], place[1]
        if isinstance(one[0], int) and len(fields) == len(wanted):
            self._purposes[one[0]] = purpose
            self._fields[purpose] = fields

    def _take(self, offset: int, end: int) -> None:
        """Hand on one event."""
        pid, tid, when, size = _SAMPLE.unpack_from(self._view, offset)
        raw = self._view[offset + _SAMPLE.size : offset + _SAMPLE.size + min(size, _MOST_FIELD)]
        purpose = self._purposes.get(int.from_bytes(raw[:2], "little"), "")
        calls, at = self._calls, EventTime(when, pid, tid)
        fields = self._fields.get(purpose, {})
        if any(start + length > len(raw) for start, length in fields.values()):
            return

        def number(name: str) -> int:
            start, length = fields[name]
            return int.from_bytes(raw[start : start + length], "little")

        match purpose:
            case "entry":
                start = fields["args"][0]
                args = struct.unpack("<6Q", raw[start : start + 48].ljust(48, b"\0"))
                calls.entered(at, number("id") & 0xFFFFFFFF, args)
                self._stack(at, offset + _SAMPLE.size + size, end)
            case "exit":
                calls.left(at, number("id") & 0xFFFFFFFF, _signed(number("ret")))
            case "lock":
                calls.locked(at)
            case "fault" | "kernel fault":
                calls.faulted(at, number("address") & _U64)
            case "page":
                calls.own_page(at)
            case "task":
                calls.made(at, number("pid") & 0xFFFFFFFF, number("clone_flags") & _U64)
            case "program":
                place = number("filename") & 0xFFFF
                name = raw[place:].split(b"\0")[0].decode("utf-8", "surrogateescape")
                calls.became(at, number("old_pid") & 0xFFFFFFFF, name)
            case "end":
                calls.ended(at)

    def _mapped(self, when: int, offset: int, end: int) -> None:
        """Hand on a mapping of a file."""
        pid, tid, _, _, _, major, minor, inode, _, _, _ = _MMAP2.unpack_from(self._view, offset)
        name = bytes(self._view[offset + _MMAP2.size : end - _SAMPLE_ID.size]).split(b"\0")[0]
        dev = (major & 0xFFF) << 20 | minor & 0xFFFFF
        if inode:
            at = EventTime(when, pid, tid)
            self._calls.mapped(at, dev, inode, name.decode("utf-8", "surrogateescape"))

    def _stack(self, at: EventTime, begin: int, end: int) -> None:
        """Hand on the registers and the stack behind an event, if they are there."""
        data = begin + _REGS.size
        if data > end:
            return
        abi, *regs, room = _REGS.unpack_from(self._view, begin)
        if abi != _ABI_64 or room > _MOST_STACK or data + room + 8 > end:
            return
        size = int.from_bytes(self._view[data + room : data + room + 8], "little")
        if size <= room:
            self._calls.stack(at, tuple(regs), bytes(self._view[data : data + size]))


def _signed(word: int) -> int:
    word &= _U64
    return word - (1 << 64) if word >> 63 else word
