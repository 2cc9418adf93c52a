# SPDX-License-Identifier: GPL-2.0-or-later
"""ptrace(2) on x86-64: the requests that a recorder needs, as functions of the C library.

All of them must be called by the one thread that traces.
"""

import ctypes
import os
from typing import Final, final

# Requests.
PTRACE_CONT: Final = 7
PTRACE_GETREGS: Final = 12
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
PTRACE_O_TRACESECCOMP: Final = 0x80
PTRACE_O_EXITKILL: Final = 0x100000

# What a stop is for, in the third byte of the wait status.
PTRACE_EVENT_FORK: Final = 1
PTRACE_EVENT_VFORK: Final = 2
PTRACE_EVENT_CLONE: Final = 3
PTRACE_EVENT_EXEC: Final = 4
PTRACE_EVENT_EXIT: Final = 6
PTRACE_EVENT_SECCOMP: Final = 7
PTRACE_EVENT_STOP: Final = 128

# What PTRACE_GET_SYSCALL_INFO found.
AT_ENTRY: Final = 1
AT_EXIT: Final = 2
AT_SECCOMP: Final = 3

AUDIT_ARCH_X86_64: Final = 0xC000003E
AUDIT_ARCH_I386: Final = 0x40000003
WALL: Final = 0x40000000
# struct user_regs_struct: how many words, and which is rax.
USER_REGS: Final = 27
_RAX: Final = 10

_libc = ctypes.CDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = [ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p]


class _SyscallInfo(ctypes.Structure):
    """struct ptrace_syscall_info: at entry and seccomp stops `words` is the number and arguments,
    at an exit stop the result and whether it is an error.
    """

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction_pointer", ctypes.c_uint64),
        ("stack_pointer", ctypes.c_uint64),
        ("words", ctypes.c_uint64 * 8),
    )


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

    op: AT_ENTRY, AT_EXIT, AT_SECCOMP or 0. words: number and six arguments, or (result, error).
    """

    __slots__ = ("arch", "op", "words")

    def __init__(self, op: int, arch: int, words: tuple[int, ...]) -> None:
        self.op = op
        self.arch = arch
        self.words = words


_info = _SyscallInfo()
_message = ctypes.c_ulong()
_siginfo = _SigInfo()
_registers = (ctypes.c_uint64 * USER_REGS)()


def ptrace(request: int, tid: int, addr: int = 0, data: int = 0) -> None:
    """One request. Errors: OSError (ESRCH: no such tracee, or it is not stopped any more)."""
    if _ptrace(request, tid, addr, data) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def get_syscall(tid: int) -> Stop:
    """The system call that a stopped thread is at. Errors: OSError."""
    ptrace(PTRACE_GET_SYSCALL_INFO, tid, ctypes.sizeof(_SyscallInfo), ctypes.addressof(_info))
    op = int(_info.op)
    words: tuple[int, ...] = ()
    if op in (AT_ENTRY, AT_SECCOMP):
        words = tuple(_info.words[:7])
    elif op == AT_EXIT:
        words = (ctypes.c_int64(_info.words[0]).value, int(_info.words[1] & 0xFF))
    return Stop(op, int(_info.arch), words)


def get_result(tid: int) -> int:
    """What the register for results holds: of a thread that was killed in a call, -ENOSYS if it
    never entered it. Errors: OSError.
    """
    ptrace(PTRACE_GETREGS, tid, 0, ctypes.addressof(_registers))
    return ctypes.c_int64(_registers[_RAX]).value


def get_message(tid: int) -> int:
    """The number that belongs to an event: a new task's, a former one's. Errors: OSError."""
    ptrace(PTRACE_GETEVENTMSG, tid, 0, ctypes.addressof(_message))
    return int(_message.value)


def get_signal(tid: int) -> tuple[int, int, int] | None:
    """(number, code, address or sender) of the signal that is being delivered, None when gone."""
    try:
        ptrace(PTRACE_GETSIGINFO, tid, 0, ctypes.addressof(_siginfo))
    except OSError:
        return None
    return int(_siginfo.si_signo), int(_siginfo.si_code), int(_siginfo.words[0])
