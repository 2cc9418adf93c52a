# SPDX-License-Identifier: GPL-2.0-or-later
"""Follows children that are made with CLONE_UNTRACED: the flag is taken out while the call runs.

The call finds its flags without it; before the parent and the child go on, both have them back as
the program gave them. Where the flag cannot be taken out, the child runs unrecorded.
"""

import ctypes
import os
import struct
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.linux.include.uapi.sched import CLONE_UNTRACED, CLONE_VM
from vmalab.recording.tracer.ptrace import RBX, RDI, set_register

_WORD: Final = struct.Struct("<Q")

_write = ctypes.CDLL(None, use_errno=True).process_vm_writev
_write.restype = ctypes.c_ssize_t
_write.argtypes = [
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_ulong,
]


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


@final
class Untraced:
    """A call whose flags are changed. flags: as the program gave them.

    register: the one that holds them, -1 when they are in memory, at address.
    """

    __slots__ = ("address", "flags", "register")

    def __init__(self, flags: int, register: int, address: int) -> None:
        self.flags = flags
        self.register = register
        self.address = address

    def put(self, tid: int, flags: int) -> bool:
        """Give a held thread these flags. Returns: False when they cannot be written."""
        if self.register < 0:
            return _store(tid, self.address, flags)
        set_register(tid, self.register, flags)
        return True

    def restore(self, tid: int) -> None:
        """Give the maker its flags back, after the call."""
        self.put(tid, self.flags)

    def restore_child(self, tid: int) -> None:
        """Give the new task, which has not run yet, its copy of the flags back."""
        if self.register >= 0 or not self.flags & CLONE_VM:
            self.put(tid, self.flags)


def take_out(tid: int, call: Call, *, narrow: bool) -> Untraced | None:
    """Take CLONE_UNTRACED out of a call that a held thread is about to make.

    narrow: it is a 32-bit program's. Returns: what is to be restored, None if nothing was changed.
    Errors: OSError.
    """
    if call.name == "clone":
        found = Untraced(call.args[0], RBX if narrow else RDI, 0)
    elif call.name == "clone3":
        request = (call.mem or {}).get(0)
        flags = request.get("flags") if isinstance(request, dict) else None
        found = Untraced(flags if isinstance(flags, int) else 0, -1, call.args[0])
    else:
        return None
    if not found.flags & CLONE_UNTRACED:
        return None
    return found if found.put(tid, found.flags & ~CLONE_UNTRACED) else None


def _store(tid: int, address: int, word: int) -> bool:
    """Write a word into a process's memory, where the process itself could write."""
    raw = ctypes.create_string_buffer(_WORD.pack(word), _WORD.size)
    here = _Vector(ctypes.addressof(raw), _WORD.size)
    there = _Vector(address, _WORD.size)
    at = (ctypes.addressof(here), 1, ctypes.addressof(there), 1, 0)
    if _write(tid, *at) == _WORD.size:
        return True
    if ctypes.get_errno() == 3:
        raise ProcessLookupError(3, os.strerror(3))
    return False
