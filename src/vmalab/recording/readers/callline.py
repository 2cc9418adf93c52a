# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads one whole call of strace's text, `name(arguments) = result`, into a `Call`."""

import re
from sys import intern
from typing import Final

from vmalab.calls.call import NO_ARGS, U64_MAX, Call, FdPath
from vmalab.calls.symbols import ERRNO_OF, SYSCALL_OF_NUMBER
from vmalab.linux.include.page import POINTER_UNKNOWN
from vmalab.patterns import pattern
from vmalab.recording.readers.arguments import (
    ArgumentParser,
    Described,
    SymbolProblem,
    SyntaxProblem,
    descriptor_end,
    number,
    unescape,
)

_RESULT = pattern(r"\)?\s*= ")
_RESULTS = pattern(r"\) *= ")
_VALUE = pattern(r"(-?\d+|0x[0-9a-f]+)(?=$|[ <(])", re.ASCII)
_ERRNO = pattern(r" (E[A-Z0-9_]+)(?=$| \()| \(errno (\d+)\)", re.ASCII)
_DURATION = pattern(r" <\d+\.\d+>$", re.ASCII)
_UNKNOWN_CALL = pattern(r"syscall_0x([0-9a-f]{1,8})$", re.ASCII)

# How an entry ends that has no result yet, or never will.
UNFINISHED: Final = " <unfinished ...>"
DETACHED: Final = " <detached ...>"

# Where an argument that is printed with a name stands among the kernel's (x86-64's clone).
_CLONE_SLOTS: Final = {
    "flags": 0,
    "child_stack": 1,
    "parent_tid": 2,
    "parent_tidptr": 2,
    "child_tid": 3,
    "child_tidptr": 3,
    "tls": 4,
}


def read_call(call: Call, text: str) -> None:
    """Read arguments and result into the call; text begins with the call's name.

    Errors: SyntaxProblem, SymbolProblem, for a call that matters to memory.
    """
    start = len(call.spelling) + 1
    if call.name.startswith("syscall_0x"):
        _rename_unknown(call)
    if text.endswith((UNFINISHED + ") = ?", DETACHED + ") = ?")):
        # Killed in the call: strace closes what it had left open.
        text = text[: text.rindex(" <")].rstrip(", ") + ") = ?"
    try:
        end = read_arguments(call, text, start)
        result = _RESULT().match(text, end)
        if result is None:
            raise SyntaxProblem("no result after the arguments")
        _result(call, text, result.end())
    except (SyntaxProblem, SymbolProblem):
        if call.row.strict >= 0 and not _harmless(call.name, text):
            raise
        _lenient(call, text)


def read_begun(call: Call, text: str) -> None:
    """Read the arguments of a call that never returned, as far as they were printed."""
    try:
        read_arguments(call, text.rstrip(", ") + ")", len(call.spelling) + 1)
    except (SyntaxProblem, SymbolProblem):
        call.lenient = True


def read_arguments(call: Call, text: str, start: int) -> int:
    """Read the arguments, which begin at `start`, into the call; returns where they end.

    The end is behind the closing parenthesis. Errors: SyntaxProblem, SymbolProblem.
    """
    parser = ArgumentParser(text, start)
    found = parser.arguments(max(call.row.strict, 0))
    values = [0, 0, 0, 0, 0, 0]
    mem: dict[int, object] = {}
    for index, (name, value) in enumerate(found):
        slot = _CLONE_SLOTS.get(name, index) if name else index
        if isinstance(value, Described):
            mem[slot] = value.note
            value = value.value
        if isinstance(value, int):
            values[slot] = value
        else:
            values[slot] = POINTER_UNKNOWN | slot
            mem[slot] = value
    call.args = tuple(values)
    call.mem = mem or None
    call.out = parser.out
    return parser.pos


def _rename_unknown(call: Call) -> None:
    """strace did not know the call: `syscall_0x1ce(..)` is mseal."""
    match = _UNKNOWN_CALL().match(call.name)
    if match is not None and call.abi == "x86_64":
        known = SYSCALL_OF_NUMBER.get(int(match.group(1), 16))
        if known is not None:
            call.rename(intern(known))


def _harmless(name: str, text: str) -> bool:
    """Return whether a modelled call that cannot be read is one that cannot touch memory."""
    if name == "ioctl":
        return "UFFDIO_" not in text
    return name == "fcntl" and "F_ADD_SEALS" not in text


def _result(call: Call, text: str, at: int) -> None:
    """Read the result, which begins at `at`, into the call."""
    duration = _DURATION().search(text, at)
    end = duration.start() if duration is not None else len(text)
    call.ret_text = text[at:end]
    if text.startswith("?", at):
        call.ret = None
        return
    match = _VALUE().match(text, at, end)
    if match is None:
        raise SyntaxProblem(f"a result that is no number: {text[at : at + 20]!r}")
    try:
        value = number(match.group(1))
    except ValueError:
        raise SyntaxProblem(f"a result that is no number: {text[at : at + 20]!r}") from None
    rest = match.end()
    if value > U64_MAX >> 1 and match.group(1)[:1] == "-":
        value -= U64_MAX + 1
        errno = _ERRNO().match(text, rest, end)
        if errno is not None and value == -1:
            value = -_errno(errno)
            rest = errno.end()
    call.ret = value
    _behind_result(call, text[rest:end])


def _errno(match: re.Match[str]) -> int:
    name, digits = match.groups()
    if digits is not None:
        if len(digits) > 5:
            raise SyntaxProblem(f"the error number {digits[:20]}")
        return int(digits)
    known = ERRNO_OF.get(name)
    if known is None:
        raise SymbolProblem(name)
    return known


def _behind_result(call: Call, text: str) -> None:
    """What stands behind a result: a descriptor's note, or text in parentheses."""
    if text[:1] == "<":
        end = descriptor_end(text, 0)
        if end < 0:
            raise SyntaxProblem("a descriptor's note that does not end")
        call.ret_mem = FdPath(unescape(text[1 : end - 1]))
    elif text[:2] == " (" and call.ret is not None and call.ret >= 0:
        call.ret_mem = text[2:].rstrip(")")


def _lenient(call: Call, text: str) -> None:
    """The name and the result of a call whose arguments are beyond us, or SyntaxProblem."""
    call.args = NO_ARGS
    call.mem = None
    call.out = None
    call.lenient = True
    at = -1
    for result in _RESULTS().finditer(text):
        at = result.end()
    if at < 0:
        raise SyntaxProblem("no result")
    _result(call, text, at)
