# SPDX-License-Identifier: GPL-2.0-or-later
"""What our BPF programs are to note of each call, as rows of a map that they look it up in."""

import struct
from typing import Final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.calls.table import BY_COMMAND, CALLS, CLOSES, FORKS, Syscall, row_of
from vmalab.linux.include.uapi import prctl
from vmalab.recording.events import layout as at
from vmalab.recording.tracer.abi32 import NAMES
from vmalab.recording.tracer.stops import TRACED

# Numbers of calls go up to this; those of 32-bit programs come behind it.
COMPAT_BASE: Final = 512
# Arguments of a call that point to something, at most.
SLOTS: Final = 2

# How the size of what an argument points to is known: a string; so many bytes; so many bytes for
# each of as many things as another argument says; as many bits; as an ioctl's command says.
STRING: Final = 1
FIXED: Final = 2
COUNTED: Final = 3
BITS: Final = 4
COMMAND: Final = 5

# Of these calls only some commands are recorded: number -> (argument, mask, values).
COMMANDS: Final = {NUMBER_OF_SYSCALL[name]: row for name, row in BY_COMMAND.items()}

# Argument counted from 1, how, at exit only, argument of the size counted from 1, size, low bits of
# the command that it is for (0: any).
_SLOT: Final = struct.Struct("<4BHH")
# How many arguments, counted from 1 (0: the call is not recorded); whether its times count, and
# not only when it got its lock; whether something is to be read at its exit; whether nothing else
# is to be done at its entry.
_ROW: Final = struct.Struct("<4B4x")
ROW_NR_ARGS: Final = 0
ROW_TIMED: Final = 1
ROW_AT_EXIT: Final = 2
ROW_PLAIN: Final = 3
ROW_SIZE: Final = _ROW.size + SLOTS * _SLOT.size


def _slot(row: Syscall, index: int) -> bytes:
    """Return what is to be read for an argument, b"" for nothing."""
    kind = (row.kinds or ())[index]
    following = index + 2
    match kind:
        case "&string":
            return _SLOT.pack(index + 1, STRING, 0, 0, 0, 0)
        case "&nodes":
            return _SLOT.pack(index + 1, BITS, 0, row.index("maxnode") + 1, 0, 0)
        case "&clone_args":
            return _SLOT.pack(index + 1, COUNTED, 0, following, 1, 0)
        case "&open_how":
            return _SLOT.pack(index + 1, FIXED, 0, 0, 24, 0)
        case "&rlimit64" | "&rlimit":
            return _SLOT.pack(index + 1, FIXED, 0, 0, 16, 0)
        case "&request":
            return _SLOT.pack(index + 1, COMMAND, 0, 2, 0, 0)
        case "&iovec":
            return _SLOT.pack(index + 1, COUNTED, 0, following, 16, 0)
        case "&numbers":
            return _SLOT.pack(index + 1, COUNTED, 0, 2, 4, 0)
        case "&uring_params":
            return _SLOT.pack(index + 1, FIXED, 0, 0, 12, 0)
        case "&fds":
            return _SLOT.pack(index + 1, FIXED, 1, 0, 8, 0)
    return b""


def _slots(row: Syscall) -> list[bytes]:
    if row.name == "prctl":
        mm_map = _SLOT.pack(3, FIXED, 0, 0, 88, prctl.PR_SET_MM & 0xFFFF)
        return [_SLOT.pack(5, STRING, 0, 0, 0, prctl.PR_SET_VMA & 0xFFFF), mm_map]
    found = [_slot(row, index) for index in range(len(row.kinds or ()))]
    return [slot for slot in found if slot][:SLOTS]


# What 32-bit programs point to besides: the arguments of old_mmap and socketcall, and where ipc
# puts an address.
_NARROW: Final = {
    "old_mmap": _SLOT.pack(1, FIXED, 0, 0, 24, 0),
    "socketcall": _SLOT.pack(2, FIXED, 0, 0, 16, 0),
    "ipc": _SLOT.pack(4, FIXED, 1, 0, 4, 0),
}


def _row(call: Syscall, slots: list[bytes], count: int, *, timed: bool) -> bytes:
    at_exit = any(slot[2] for slot in slots)
    timed = timed or bool(slots) or call.family & (CLOSES | FORKS) != 0
    plain = not timed and call.name not in BY_COMMAND and call.name != "mmap"
    return (_ROW.pack(count + 1, timed, at_exit, plain) + b"".join(slots)).ljust(ROW_SIZE, b"\0")


def rows(*, stacks: bool = False) -> dict[int, bytes]:
    """Return a row for each number of a call that is recorded, perhaps with its stack."""
    found: dict[int, bytes] = {}
    for name in TRACED:
        call = CALLS[name]
        count = at.MOST_ARGS if call.kinds is None else len(call.kinds)
        found[NUMBER_OF_SYSCALL[name]] = _row(call, _slots(call), count, timed=stacks)
    for number, name in NAMES.items():
        slots = [_NARROW[name]] if name in _NARROW else _slots(row_of(name))
        found[COMPAT_BASE + number] = _row(row_of(name), slots, at.MOST_ARGS, timed=False)
    return found


def strings() -> dict[int, int]:
    """Return which argument of a call, counted from 1, is a string, by number."""
    return {
        NUMBER_OF_SYSCALL[name]: slot[0]
        for name in TRACED
        for slot in _slots(CALLS[name])
        if slot[1] == STRING
    }


ROWS: Final = 2 * COMPAT_BASE
assert at.MAX_DATA & (at.MAX_DATA - 1) == 0
