# SPDX-License-Identifier: GPL-2.0-or-later
"""Signals: as strace prints them, and the sets of them that a thread has."""

from typing import Final

from vmalab.calls.symbols import VALUE_FAMILIES
from vmalab.linux.include.uapi.signal import SIGRTMIN
from vmalab.recording.tracer.proc_files import read_proc

# Signals that a fault raises: si_addr is where.
_FAULTS: Final = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP"}
_CODES: Final = {0: "SI_USER", 0x80: "SI_KERNEL", -1: "SI_QUEUE", -2: "SI_TIMER", -6: "SI_TKILL"}
_SEGV_CODES: Final = {
    1: "SEGV_MAPERR",
    2: "SEGV_ACCERR",
    3: "SEGV_BNDERR",
    4: "SEGV_PKUERR",
}
_SETS: Final = frozenset((b"SigPnd", b"ShdPnd", b"SigBlk", b"SigIgn", b"SigCgt"))
_SIGSYS: Final = 1 << 30
_BUS_CODES: Final = {1: "BUS_ADRALN", 2: "BUS_ADRERR", 3: "BUS_OBJERR"}


def signal_name(number: int) -> str:
    """ "SIGSEGV", "SIGRT_1"."""
    known = VALUE_FAMILIES["signal"].get(number)
    return known or f"SIGRT_{number - SIGRTMIN}"


def signal_line(number: int, code: int, word: int) -> str:
    """Return what a log says of a signal; word: the address of a fault, or who sent it."""
    name = signal_name(number)
    specific = {"SIGSEGV": _SEGV_CODES, "SIGBUS": _BUS_CODES}.get(name, {})
    shown = _CODES.get(code) or specific.get(code) or str(code)
    fields = [f"si_signo={name}", f"si_code={shown}"]
    if code > 0 and name in _FAULTS and code != 0x80:
        fields.append(f"si_addr={word:#x}" if word else "si_addr=NULL")
    elif code in (0, -1, -6):
        fields.append(f"si_pid={word & 0xFFFFFFFF}")
    return f"--- {name} {{{', '.join(fields)}}} ---"


def signal_sets(tid: int) -> dict[bytes, int]:
    """Return the sets of signals of /proc/TID/status by name; empty when the thread is gone."""
    found: dict[bytes, int] = {}
    for line in read_proc(tid, "status").split(b"\n"):
        name, _, value = line.partition(b":")
        if name in _SETS:
            found[name] = int(value, 16)
    return found if len(found) == len(_SETS) else {}


def is_trapped(tid: int) -> bool:
    """Return whether a SIGSYS of its own awaits a thread: a seccomp filter has refused its call."""
    return signal_sets(tid).get(b"SigPnd", 0) & _SIGSYS != 0
