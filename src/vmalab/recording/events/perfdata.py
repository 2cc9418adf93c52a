# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads perf.data, what `perf record` writes of system calls: as text of the kernel's events.

Mirrors: tools/perf/Documentation/perf.data-file-format.txt. The calls come in the order in which
they took effect, as far as events of mmap_lock tell it.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.calls.symbols import SYSCALL_OF_NUMBER
from vmalab.calls.table import CLOSES, ENDS, row_of

# Magic, sizes of header and attribute, places of attributes, data and types; bits of features.
_HEADER: Final = struct.Struct("<8sQQ6Q32s")
_PLACE: Final = struct.Struct("<QQ")
_RECORD: Final = struct.Struct("<IHH")
_TRACEPOINT: Final = 2
_TRACING_DATA: Final = 1
_SAMPLE: Final = 9
_COMPRESSED: Final = 81
_AUXTRACE: Final = 71

# Bits of sample_type, in the order in which their fields come; all have 8 bytes.
_IDENTIFIER: Final = 1 << 16
_TID: Final = 1 << 1
_TIME: Final = 1 << 2
_ORDER: Final = (_IDENTIFIER, 1 << 0, _TID, _TIME, 1 << 3, 1 << 6, 1 << 9, 1 << 7, 1 << 8)
_READ: Final = 1 << 4
_CALLCHAIN: Final = 1 << 5
_RAW: Final = 1 << 10

_FORMAT: Final = re.compile(
    rb"name: (\w{1,64})\nID: (\d{1,6})\nformat:\n(.{0,4096}?)\nprint", re.DOTALL
)
_WRITE: Final = re.compile(rb"field:\w+ write;\toffset:(\d{1,4});\tsize:1;")
_ADVICE: Final = "record raw_syscalls:sys_enter and raw_syscalls:sys_exit"
# Calls that may be under way at a time.
_MOST_PENDING: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class PerfSample:
    """One event: nanoseconds, the thread, and the tracepoint's own bytes."""

    when: int
    tid: int
    raw: bytes


@dataclass(slots=True)
class _Pending:
    number: int
    args: tuple[int, ...]
    entered: int
    locked: int = 0


@final
class PerfData:
    """One file, as a whole."""

    def __init__(self, raw: bytes, path: str) -> None:
        """Errors: ReadError when it is damaged, or holds no calls."""
        self._raw = raw
        self._path = path
        if len(raw) < _HEADER.size:
            raise self._wrong("it ends in its header")
        _, _, self._attr_size, *places, features = _HEADER.unpack_from(raw)
        self._attrs, self._data = (places[0], places[1]), (places[2], places[3])
        self._features = int.from_bytes(features, "little")
        self._sample_type = self._common_sample_type()
        # Numbers of tracepoints, by what they tell; where `write` is in that of the lock.
        self._enters: set[int] = set()
        self._exits: set[int] = set()
        self._locks: dict[int, int] = {}
        self._find_formats()

    def _wrong(self, why: str) -> ReadError:
        return ReadError(self._path, 0, f"perf.data: {why}")

    def _common_sample_type(self) -> int:
        """Return what samples hold, which must be the same for all tracepoints."""
        offset, size = self._attrs
        if not 64 <= self._attr_size <= 4096 or offset + size > len(self._raw):
            raise self._wrong("its attributes are not where it says")
        types: set[int] = set()
        for at in range(offset, offset + size - self._attr_size + 1, self._attr_size):
            if struct.unpack_from("<I", self._raw, at)[0] == _TRACEPOINT:
                types.add(struct.unpack_from("<Q", self._raw, at + 24)[0])
        if len(types) != 1:
            why = "no tracepoints" if not types else "tracepoints with different fields"
            raise self._wrong(f"{why}; {_ADVICE}")
        found = types.pop()
        if found & _READ or not found & _RAW or not found & _TID or not found & _TIME:
            raise self._wrong(f"its samples lack thread, time or data; {_ADVICE}")
        return found

    def _find_formats(self) -> None:
        """Learn which tracepoint has which number, from what perf kept of tracefs."""
        if not self._features >> _TRACING_DATA & 1:
            raise self._wrong(f"no formats of tracepoints in it; {_ADVICE}")
        at = sum(self._data) + _PLACE.size * (self._features & (1 << _TRACING_DATA) - 1).bit_count()
        if at + _PLACE.size > len(self._raw):
            raise self._wrong("it ends before its features")
        offset, size = _PLACE.unpack_from(self._raw, at)
        if offset + size > len(self._raw):
            raise self._wrong("it ends in the formats of its tracepoints")
        for found in _FORMAT.finditer(self._raw[offset : offset + size]):
            name, number = found.group(1), int(found.group(2))
            write = _WRITE.search(found.group(3))
            if name.startswith(b"sys_enter"):
                self._enters.add(number)
            elif name.startswith(b"sys_exit"):
                self._exits.add(number)
            elif name == b"mmap_lock_acquire_returned" and write is not None:
                self._locks[number] = int(write.group(1))
        if not self._enters or not self._exits:
            raise self._wrong(f"entries and exits of calls must both be in it; {_ADVICE}")

    def samples(self) -> Iterator[PerfSample]:
        """Yield the events of tracepoints, in the order of the file. Errors: ReadError."""
        at, end = self._data[0], min(sum(self._data), len(self._raw))
        while at + _RECORD.size <= end:
            kind, _, size = _RECORD.unpack_from(self._raw, at)
            if size < _RECORD.size or at + size > end:
                raise self._wrong(f"a record at {at:#x} goes beyond its end")
            if kind in (_COMPRESSED, _AUXTRACE):
                raise self._wrong(
                    "compressed, or with traces of hardware: record without -z and AUX"
                )
            if kind == _SAMPLE:
                sample = self._sample(at + _RECORD.size, at + size)
                if sample is not None:
                    yield sample
            at += size

    def _sample(self, at: int, end: int) -> PerfSample | None:
        when = tid = 0
        for bit in _ORDER:
            if self._sample_type & bit and at + 8 <= end:
                if bit == _TID:
                    tid = struct.unpack_from("<I", self._raw, at + 4)[0]
                elif bit == _TIME:
                    when = struct.unpack_from("<Q", self._raw, at)[0]
                at += 8
        if self._sample_type & _CALLCHAIN and at + 8 <= end:
            at += 8 + 8 * struct.unpack_from("<Q", self._raw, at)[0]
        if at + 4 > end:
            return None
        size = struct.unpack_from("<I", self._raw, at)[0]
        raw = self._raw[at + 4 : min(at + 4 + size, end)]
        return PerfSample(when, tid, raw) if len(raw) >= 24 else None

    def lines(self) -> Iterator[str]:
        """Yield the calls as the text of events, in the order in which they took effect.

        Errors: ReadError.
        """
        pending: dict[int, _Pending] = {}
        calls: list[tuple[int, int, str]] = []
        for sample in sorted(self.samples(), key=lambda sample: sample.when):
            number = int.from_bytes(sample.raw[:2], "little")
            call = pending.get(sample.tid)
            if number in self._enters:
                if len(pending) >= _MOST_PENDING:
                    raise self._wrong(f"more than {_MOST_PENDING} calls at a time")
                entered = _entered(sample)
                pending[sample.tid] = entered
                if row_of(SYSCALL_OF_NUMBER.get(entered.number, "")).family & ENDS:
                    calls.append(
                        (sample.when, len(calls), _entry(sample.tid, entered, sample.when))
                    )
            elif call is None:
                continue
            elif number in self._exits:
                del pending[sample.tid]
                result = int.from_bytes(sample.raw[16:24], "little")
                when, text = _call(sample, call, result)
                calls.append((when, len(calls), text))
            elif number in self._locks and sample.raw[self._locks[number] :][:1] == b"\1":
                call.locked = sample.when
        for _, _, text in sorted(calls):
            yield text


def _entered(sample: PerfSample) -> _Pending:
    number = int.from_bytes(sample.raw[8:12], "little")
    words = sample.raw[16:64].ljust(48, b"\0")
    return _Pending(number, struct.unpack("<6Q", words), sample.when)


def _entry(tid: int, call: _Pending, when: int) -> str:
    """Return the line of an entry, as tracefs has it."""
    name = SYSCALL_OF_NUMBER.get(call.number, f"nr{call.number}")
    kinds = row_of(name).kinds
    shown = ", ".join(
        f"{'fd' if kind in ('fd', 'dirfd', 'int') else f'a{at}'}: {value:#x}"
        for at, (kind, value) in enumerate(
            zip(kinds if kinds is not None else ("",) * 6, call.args, strict=False)
        )
    )
    return f"perf-{tid} [000] ..... {when / 1e9:.9f}: sys_{name}({shown})\n"


def _call(sample: PerfSample, call: _Pending, result: int) -> tuple[int, str]:
    """Return when a call took effect, and its lines."""
    name = SYSCALL_OF_NUMBER.get(call.number, f"nr{call.number}")
    when = call.locked or (call.entered if row_of(name).family & CLOSES else sample.when)
    head = f"perf-{sample.tid} [000] ..... {sample.when / 1e9:.9f}: sys_{name} -> {result:#x}\n"
    return when, _entry(sample.tid, call, call.entered) + head
