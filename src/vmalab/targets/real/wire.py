# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls as words of 64 bits, as the executor reads them.

A call is a head word (number, which arguments follow, how many items of memory, which thread makes
it), its arguments, and for each item the argument that points to it, its length and its bytes.
`executor.c` has the rest.
"""

import struct
from array import array
from collections.abc import Sequence
from typing import Final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.errors import VmalabError
from vmalab.calls.structs import STRUCTS
from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.calls.table import row_of
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE
from vmalab.linux.include.uapi.sched import CLONE_THREAD
from vmalab.recording.tracer.abi32 import NAMES
from vmalab.targets.real.config_probes import TID

OP_SNAPSHOT: Final = 0xF000
# Only a tree's program knows it.
OP_COUNTS: Final = 0xF001
# An instruction instead of a call, and what streams call it.
OP_WRPKRU: Final = 0xF003
WRPKRU: Final = "wrpkru"
# What the executor answers for a call that it will not make.
DENIED: Final = -(1 << 63)
# And for one that might take more memory than the stream may have, and all that follow.
OVER_BOUND: Final = DENIED + 1
_ALL_ARGS: Final = 0x3F0000
_ONE_ITEM: Final = 1 << 24
_ONE_ARG: Final = 0x10000
# From this bit on: which thread.
_THREAD: Final = 32
_U32_MAX: Final = 0xFFFFFFFF
# Content of an item is not sent, only room for it is made.
_ROOM: Final = 0x80

_HEAD: Final[dict[str, int]] = {
    name: number | _ALL_ARGS for name, number in (*NUMBER_OF_SYSCALL.items(), (WRPKRU, OP_WRPKRU))
}


# Calls that can come by int 0x80, with their numbers there; mmap is mmap2.
BY_INT_0X80: Final = 0x4000
_NUMBER_32: Final = {row_of(name).name: number for number, name in NAMES.items()}


class CannotEncode(VmalabError):
    """A call whose memory no form is known of, or that this architecture does not have."""


def snapshot_words() -> list[int]:
    """Return the request to show the map at this place of the stream."""
    return [OP_SNAPSHOT]


def counts_words() -> list[int]:
    """Return the request for two results: how many VMAs there are, and pages in them."""
    return [OP_COUNTS]


def thread_of(call: Call) -> int:
    """Return the number of the thread that makes a call: 0, or one that its process has started.

    A thread gets the lowest number that is free; calls of one that there is not are thread 0's.
    """
    return call.tid - TID


def begins_process(call: Call) -> bool:
    """Return whether a call forks; else `clone` starts a thread."""
    return call.name in ("clone", "fork") and call.args[0] & CLONE_THREAD == 0


def ends_process(call: Call) -> bool:
    """Return whether a call ends its process; else `exit` ends a thread."""
    return call.name == "exit" and call.tid == TID


def add_call(words: list[int], call: Call) -> None:
    """Append a call. Errors: CannotEncode."""
    if call.abi != "x86_64":
        _add_call_32(words, call)
        return
    head = _HEAD.get(call.name)
    if head is None:
        raise CannotEncode(f"no such call: {call.name}")
    head |= thread_of(call) << _THREAD
    if call.mem is None:
        words.append(head)
        words.extend(call.args)
        return
    items = memory_items(call)
    words.append(head + len(items) * _ONE_ITEM)
    words.extend(call.args)
    for index, content in items:
        words.append(index | len(content) << 8)
        words.extend(_words(content))


def _add_call_32(words: list[int], call: Call) -> None:
    """Append a call by int 0x80: without memory behind its arguments, which have 32 bits."""
    number = _NUMBER_32.get(call.name)
    if number is None or call.mem is not None:
        raise CannotEncode(f"no such call of i386: {call.name}")
    args = [arg & _U32_MAX for arg in call.args]
    if call.name == "mmap":
        args[5] = call.args[5] >> PAGE_SHIFT & _U32_MAX
    words.append(BY_INT_0X80 | number | _ALL_ARGS | thread_of(call) << _THREAD)
    words.extend(args)


def pack(words: Sequence[int]) -> bytes:
    """Return words as bytes."""
    return array("Q", words).tobytes()


def _words(content: bytes) -> tuple[int, ...]:
    count = (len(content) + 7) // 8
    return struct.unpack(f"<{count}Q", content.ljust(count * 8, b"\0"))


def memory_items(call: Call) -> list[tuple[int, bytes]]:
    """Return the memory behind a call's pointers, by argument.

    NULL stays NULL. Errors: CannotEncode.
    """
    items: list[tuple[int, bytes]] = []
    for index, value in (call.mem or {}).items():
        content = _content(call, index, value)
        if content is not None:
            items.append((index, content))
    return items


def _content(call: Call, index: int, value: object) -> bytes | None:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape") + b"\0"
    if isinstance(value, dict):
        return _struct(call, index, value)
    if isinstance(value, list) and index in call.row.indices("&nodes"):
        return _numbers(call, list(value))
    if isinstance(value, list) and call.name == "mincore":
        # It is written by the kernel, a byte a page.
        return bytes(min((call.args[1] + PAGE_SIZE - 1) // PAGE_SIZE + 8, 1 << 15))
    if isinstance(value, list) and index in call.row.indices("&fds"):
        return bytes(8)
    raise CannotEncode(f"{call.name}: no form for argument {index}")


def _numbers(call: Call, values: list[object]) -> bytes:
    numbers = [value & U64_MAX for value in values if isinstance(value, int)]
    if len(numbers) != len(values):
        raise CannotEncode(f"{call.name}: not all of {values!r:.60} are numbers")
    return struct.pack(f"<{len(numbers)}Q", *numbers)


# The forms that structures may have, by the name that kinds of arguments have for them: the members
# in their order, each of 64 bits. Last members that the kernel writes (what it could do, or how far
# it came) are there for their room.
_FORMS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "&rlimit": (STRUCTS["&rlimit"],),
    "&rlimit64": (STRUCTS["&rlimit64"],),
    "&cachestat_range": (("off", "len"),),
    "&cachestat": (("nr_cache", "nr_dirty", "nr_writeback", "evicted", "recent"),),
    "&request": (
        ("api", "features", "ioctls"),
        ("start", "len"),
        ("range", "mode", "ioctls"),
        ("dst", "src", "len", "mode", "copy"),
        ("enable", "disable"),
    ),
}


def _capabilities(call: Call, index: int, fields: dict[str, object]) -> bytes:
    """Return capset's header, or its two rows of sets, the lower 32 bits of all first."""
    names = ("version", "pid") if index == 0 else ("effective", "permitted", "inheritable")
    sets = [value for value in map(fields.get, names) if isinstance(value, int)]
    if len(sets) != len(names) or index > 1:
        raise CannotEncode(f"{call.name}: no form for argument {index}")
    words = [value & _U32_MAX for value in sets]
    if index == 1:
        words += [value >> 32 & _U32_MAX for value in sets]
    return struct.pack(f"<{len(words)}I", *words)


def _struct(call: Call, index: int, fields: dict[str, object]) -> bytes:
    kinds = call.row.kinds or ()
    if call.name == "capset":
        return _capabilities(call, index, fields)
    for names in _FORMS.get(kinds[index], ()) if index < len(kinds) else ():
        if names[0] in fields:
            values: list[object] = []
            for name in names:
                value = fields.get(name, 0)
                if isinstance(value, dict):
                    values += [value.get("start", 0), value.get("len", 0)]
                else:
                    values.append(value)
            return _numbers(call, values)
    raise CannotEncode(f"{call.name}: no form for a structure of {', '.join(fields)[:60]}")
