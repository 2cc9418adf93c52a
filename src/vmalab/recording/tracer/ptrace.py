# SPDX-License-Identifier: GPL-2.0-or-later
"""ptrace(2) on x86-64: the requests that a recorder needs, as functions of the C library.

All of them must be called by the one thread that traces.
"""

import ctypes
import errno
import os
import signal
import struct
from typing import Final, final

# Requests.
PTRACE_POKEUSER: Final = 6
PTRACE_CONT: Final = 7
PTRACE_GETREGS: Final = 12
PTRACE_SETREGS: Final = 13
PTRACE_DETACH: Final = 17
PTRACE_SYSCALL: Final = 24
PTRACE_GETEVENTMSG: Final = 0x4201
PTRACE_GETSIGINFO: Final = 0x4202
PTRACE_SEIZE: Final = 0x4206
PTRACE_INTERRUPT: Final = 0x4207
PTRACE_LISTEN: Final = 0x4208
PTRACE_GET_SYSCALL_INFO: Final = 0x420E

# Options.
PTRACE_O_TRACESYSGOOD: Final = 0x01
PTRACE_O_TRACEFORK: Final = 0x02
PTRACE_O_TRACEVFORK: Final = 0x04
PTRACE_O_TRACECLONE: Final = 0x08
PTRACE_O_TRACEEXEC: Final = 0x10
PTRACE_O_TRACEEXIT: Final = 0x40

# What a stop is for, in the third byte of the wait status.
PTRACE_EVENT_FORK: Final = 1
PTRACE_EVENT_VFORK: Final = 2
PTRACE_EVENT_CLONE: Final = 3
PTRACE_EVENT_EXEC: Final = 4
PTRACE_EVENT_EXIT: Final = 6
PTRACE_EVENT_STOP: Final = 128
FORK_EVENTS: Final = frozenset((PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK, PTRACE_EVENT_CLONE))
# Signals that stop a process for job control.
STOPPING: Final = frozenset((signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))

# What PTRACE_GET_SYSCALL_INFO found.
AT_ENTRY: Final = 1
AT_EXIT: Final = 2

AUDIT_ARCH_X86_64: Final = 0xC000003E
AUDIT_ARCH_I386: Final = 0x40000003
WALL: Final = 0x40000000
# struct user_regs_struct: how many words, and which is which.
USER_REGS: Final = 27
RBX: Final = 5
R10: Final = 7
RAX: Final = 10
RDX: Final = 12
RDI: Final = 14
ORIG_RAX: Final = 15
RIP: Final = 16
CS: Final = 17

_libc = ctypes.CDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = [ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p]


class _SigInfo(ctypes.Structure):
    """The head of siginfo_t; `words` begins with the address of a fault, or the sender."""

    _fields_ = (
        ("si_signo", ctypes.c_int),
        ("si_errno", ctypes.c_int),
        ("si_code", ctypes.c_int),
        ("pad", ctypes.c_int),
        ("words", ctypes.c_uint64 * 14),
    )


@final
class Stop:
    """What a thread is about to do or has done: one answer of PTRACE_GET_SYSCALL_INFO.

    op: AT_ENTRY, AT_EXIT or 0. words: number and six arguments, or (result, error).
    """

    __slots__ = ("arch", "op", "words")

    def __init__(self, op: int, arch: int, words: tuple[int, ...]) -> None:
        self.op = op
        self.arch = arch
        self.words = words


# struct ptrace_syscall_info: op, arch, two pointers, and then the number and six arguments; or, at
# an exit, the result and whether it is an error.
_INFO_SIZE: Final = 88
_ENTRY: Final = struct.Struct("<BxxxI16x7Q")
_EXIT: Final = struct.Struct("<BxxxI16xqB")
_info = ctypes.create_string_buffer(_INFO_SIZE)
_info_address: Final = ctypes.addressof(_info)
_message = ctypes.c_ulong()
_siginfo = _SigInfo()
_registers = (ctypes.c_uint64 * USER_REGS)()


def ptrace(request: int, tid: int, addr: int = 0, data: int = 0) -> None:
    """One request. Errors: OSError (ESRCH: no such tracee, or it is not stopped any more)."""
    if _ptrace(request, tid, addr, data) == -1:
        number = ctypes.get_errno()
        if number == errno.EIO and request == PTRACE_LISTEN:
            # It has left its stop: it was killed.
            number = errno.ESRCH
        raise OSError(number, os.strerror(number))


def signal_at(status: int) -> int:
    """Return the signal that a thread was about to take when it stopped, by its wait status.

    0: none.
    """
    number = os.WSTOPSIG(status)
    return 0 if status >> 16 or number == signal.SIGTRAP | 0x80 else number


def is_job_stop(status: int) -> bool:
    """Return whether a wait status says that the process is stopped by a signal of job control."""
    return status >> 16 == PTRACE_EVENT_STOP and os.WSTOPSIG(status) in STOPPING


def get_syscall(tid: int) -> Stop:
    """Return the system call that a stopped thread is at. Errors: OSError."""
    ptrace(PTRACE_GET_SYSCALL_INFO, tid, _INFO_SIZE, _info_address)
    op, arch, *words = (_EXIT if _info[0] == b"\x02" else _ENTRY).unpack_from(_info)
    return Stop(op, arch, tuple(words))


def set_register(tid: int, index: int, value: int) -> None:
    """Set one word of struct user_regs_struct. Errors: OSError."""
    ptrace(PTRACE_POKEUSER, tid, 8 * index, value)


def get_result(tid: int) -> int:
    """What the register for results holds: of a thread that was killed in a call, -ENOSYS if it
    never entered it. Errors: OSError.
    """
    return ctypes.c_int64(get_registers(tid)[RAX]).value


def get_registers(tid: int) -> list[int]:
    """Return struct user_regs_struct of a stopped thread. Errors: OSError."""
    ptrace(PTRACE_GETREGS, tid, 0, ctypes.addressof(_registers))
    return list(_registers)


def set_registers(tid: int, words: list[int]) -> None:
    """Set struct user_regs_struct of a stopped thread. Errors: OSError."""
    for index, word in enumerate(words):
        _registers[index] = word
    ptrace(PTRACE_SETREGS, tid, 0, ctypes.addressof(_registers))


def get_message(tid: int) -> int:
    """Return the number that belongs to an event: a new task's, a former one's. Errors: OSError."""
    ptrace(PTRACE_GETEVENTMSG, tid, 0, ctypes.addressof(_message))
    return int(_message.value)


def get_signal(tid: int) -> tuple[int, int, int] | None:
    """(number, code, address or sender) of the signal that is being delivered, None when gone."""
    try:
        ptrace(PTRACE_GETSIGINFO, tid, 0, ctypes.addressof(_siginfo))
    except OSError:
        return None
    return int(_siginfo.si_signo), int(_siginfo.si_code), int(_siginfo.words[0])
