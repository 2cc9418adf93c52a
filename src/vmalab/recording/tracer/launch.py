# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts a program that is to be recorded: seized before its exec, with a filter where allowed.

The filter is seccomp's: it stops the program at the calls that matter and lets all others run at
full speed. It takes CAP_SYS_ADMIN; without it the program would have to give up gaining privileges
(no_new_privs), which would change what it does. Then it is stopped at every call instead.
"""

import ctypes
import os
import signal
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from vmalab.recording.tracer.ptrace import AUDIT_ARCH_X86_64
from vmalab.recording.tracer.syscalls import FILTERED_ARGUMENTS, TRACED_NUMBERS

_LD_WORD: Final = 0x20
_AND: Final = 0x54
_JEQ: Final = 0x15
_JGE: Final = 0x35
_RET: Final = 0x06
_RET_TRACE: Final = 0x7FF00000
_RET_ALLOW: Final = 0x7FFF0000
# Offsets in struct seccomp_data.
_NR: Final = 0
_ARCH: Final = 4
_ARGS: Final = 16
_X32_BIT: Final = 0x40000000

_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2
_CAP_SYS_ADMIN: Final = 21

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)


def filter_program() -> bytes:
    """The filter, in instructions of 8 bytes: trace what `syscalls` names, allow the rest.

    Calls of other ABIs (i386, x32) are all traced.
    """
    trace = _instruction(_RET, _RET_TRACE)
    allow = _instruction(_RET, _RET_ALLOW)
    program = [
        _instruction(_LD_WORD, _ARCH),
        _instruction(_JEQ, AUDIT_ARCH_X86_64, 1, 0),
        trace,
        _instruction(_LD_WORD, _NR),
        _instruction(_JGE, _X32_BIT, 0, 1),
        trace,
    ]
    for number in sorted(TRACED_NUMBERS):
        checked = FILTERED_ARGUMENTS.get(number)
        if checked is None:
            program += [_instruction(_JEQ, number, 0, 1), trace]
            continue
        index, mask, values = checked
        body = [
            _instruction(_LD_WORD, _ARGS + 8 * index),
            _instruction(_AND, mask),
        ]
        for value in sorted(values):
            body += [_instruction(_JEQ, value, 0, 1), trace]
        body.append(allow)
        program += [_instruction(_JEQ, number, 0, len(body)), *body]
    program.append(allow)
    return b"".join(program)


def may_filter() -> bool:
    """Whether this process may install a filter without no_new_privs (CAP_SYS_ADMIN)."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("CapEff:"):
                    return int(line.split()[1], 16) >> _CAP_SYS_ADMIN & 1 == 1
    except (OSError, ValueError):
        return False
    return False


def start_held(
    program: str, command: Sequence[str], filtered: bool, mask: Iterable[int]
) -> tuple[int, int]:
    """Forks a child that waits, then runs the program with its arguments: its pid, a descriptor.

    The child goes on when a byte is written to the descriptor, and gives up when it is closed. If
    its exec fails it says so and exits with 127 (not found) or 126, as a shell would. mask: the
    signals to be blocked in it.
    """
    rules = filter_program() if filtered else b""
    wait, go = os.pipe()
    child = os.fork()
    if child:
        os.close(wait)
        return child, go
    try:
        os.close(go)
        _become(program, command, wait, rules, mask)
    finally:
        os._exit(126)


def _become(
    program: str,
    command: Sequence[str],
    wait: int,
    rules: bytes,
    mask: Iterable[int],
) -> None:
    """The child's side: never returns when all goes well."""
    if not os.read(wait, 1):
        os._exit(126)
    os.close(wait)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores these from its start.
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    if rules:
        held = _Program(len(rules) // 8, rules)
        if _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(held), 0, 0) != 0:
            os._exit(125)
    try:
        os.execv(program, list(command))
    except OSError as error:
        os.write(2, f"vmalab: {program}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
