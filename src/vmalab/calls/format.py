# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints a call and its result as strace would, for people to read."""

import os
from collections.abc import Callable
from typing import Final

from vmalab.calls.call import U64_MAX, Call, FdPath, TruncatedList, TruncatedStr, UnknownSymbol
from vmalab.calls.symbols import (
    CLONE_FLAGS,
    ERRNO_NAME,
    FLAG_FAMILIES,
    MMAP_FLAGS,
    MMAP_TYPES,
    MPOL_MODE_FLAGS,
    MPOL_MODES,
    OPEN_FLAGS,
    SHMGET_FLAGS,
    VALUE_FAMILIES,
)
from vmalab.calls.table import ADDRESS, row_of
from vmalab.linux.include.page import is_pointer_unknown
from vmalab.linux.include.uapi.fcntl import (
    AT_FDCWD,
    F_ADD_SEALS,
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_SETFD,
    F_SETFL,
    O_ACCMODE,
    O_RDWR,
    O_WRONLY,
)
from vmalab.linux.include.uapi.mman import (
    MAP_HUGE_MASK,
    MAP_HUGE_SHIFT,
    MAP_TYPE,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.include.uapi.prctl import PR_SET_VMA
from vmalab.linux.include.uapi.resource import RLIM64_INFINITY
from vmalab.linux.include.uapi.sched import CSIGNAL

# The kinds of fcntl's last argument, by its command.
_FCNTL_KINDS: Final = {
    F_ADD_SEALS: "seal",
    F_DUPFD: "fd",
    F_DUPFD_CLOEXEC: "fd",
    F_SETFD: "fd",
    F_SETFL: "open",
}
# With these a last argument is printed.
_O_CREAT_OR_TMPFILE: Final = 0o20000100
_MAYMOVE_FIXED: Final = MREMAP_MAYMOVE | MREMAP_FIXED

# Kinds of arguments that differ from call to call.
_PLACES: Final = frozenset(
    ("addr", "size", "offset", "fd", "dirfd", "int", "uint", "maxnode", "hex", "arg", "key")
)
# What strace prints of clone, by the order it does: name, argument.
_CLONE: Final = (("parent_tid", 2), ("tls", 4), ("child_tidptr", 3))
# Fields of structures that are no plain numbers.
_FIELD_KINDS: Final = {
    "rlim_cur": "rlim",
    "rlim_max": "rlim",
    "len": "hex",
    "start": "hex",
    "flags": "clone",
    "exit_signal": "clone",
    "stack_size": "hex",
    "api": "hex",
}


def _bits(value: int, table: tuple[tuple[int, str], ...], prefix: str) -> str:
    """Names joined by `|`; what has no name as one hexadecimal number behind them."""
    if value == 0:
        return "0"
    names = []
    rest = value
    for bits, name in table:
        if bits and rest & bits == bits:
            names.append(name)
            rest &= ~bits
    if not names:
        return f"{value:#x} /* {prefix}_??? */"
    if rest:
        names.append(f"{rest:#x}")
    return "|".join(names)


def _mmap_flags(value: int) -> str:
    kind = value & MAP_TYPE
    rest = value & ~MAP_TYPE
    names = [MMAP_TYPES.get(kind, f"{kind:#x} /* MAP_??? */")]
    shift = rest >> MAP_HUGE_SHIFT & MAP_HUGE_MASK
    rest &= ~(MAP_HUGE_MASK << MAP_HUGE_SHIFT)
    for bits, name in MMAP_FLAGS:
        if rest & bits:
            names.append(name)
            rest &= ~bits
    if rest:
        names.append(f"{rest:#x}")
    if shift:
        names.append(f"{shift}<<MAP_HUGE_SHIFT")
    return "|".join(names)


def _open_flags(value: int) -> str:
    access = {O_WRONLY: "O_WRONLY", O_RDWR: "O_RDWR", O_ACCMODE: "O_ACCMODE"}
    names = [access.get(value & O_ACCMODE, "O_RDONLY")]
    if value & ~O_ACCMODE:
        names.append(_bits(value & ~O_ACCMODE, OPEN_FLAGS, "O"))
    return "|".join(names)


def _policy(value: int) -> str:
    rest = value
    names = []
    for bits, name in MPOL_MODE_FLAGS:
        if rest & bits:
            names.append(name)
            rest &= ~bits
    return "|".join([MPOL_MODES.get(rest, f"{rest:#x} /* MPOL_??? */"), *names])


def _clone_flags(value: int) -> str:
    signal = value & CSIGNAL
    names = [] if value == signal else [_bits(value & ~CSIGNAL, CLONE_FLAGS, "CLONE")]
    if signal:
        names.append(VALUE_FAMILIES["signal"].get(signal, str(signal)))
    return "|".join(names) or "0"


def _prot(value: int) -> str:
    table, prefix = FLAG_FAMILIES["prot"]
    return _bits(value, table, prefix) if value else "PROT_NONE"


def _fd_flags(value: int) -> str:
    return _bits(value, OPEN_FLAGS, "O")


def _shm_flags(value: int) -> str:
    names = [name for bits, name in SHMGET_FLAGS if value & bits]
    rest = value & ~sum(bits for bits, _ in SHMGET_FLAGS)
    return "|".join([*names, f"{rest:#05o}".replace("0o", "0", 1)])


def _shm_key(value: int) -> str:
    return f"{value:#x}" if value else "IPC_PRIVATE"


def _limit(value: int) -> str:
    if value == RLIM64_INFINITY:
        return "RLIM64_INFINITY"
    return f"{value >> 10}*1024" if value > 1024 and value % 1024 == 0 else str(value)


_SPECIAL: Final[dict[str, Callable[[int], str]]] = {
    "mmap": _mmap_flags,
    "open": _open_flags,
    "policy": _policy,
    "clone": _clone_flags,
    "prot": _prot,
    "fdflags": _fd_flags,
    "shmflg": _shm_flags,
    "key": _shm_key,
    "rlim": _limit,
}


def _is_pointer(kind: str) -> bool:
    return kind == "addr" or kind[0] == "&"


def _number(value: int, kind: str) -> str:
    """Return one number of that kind."""
    if _is_pointer(kind):
        return f"{value:#x}" if value else "NULL"
    if kind in ("hex", "offset", "arg"):
        return f"{value:#x}" if value else "0"
    if kind in ("size", "uint", "maxnode"):
        return str(value)
    if kind == "octal":
        return f"0{value:o}" if value else "000"
    if kind in ("fd", "dirfd"):
        # The kernel looks at 32 bits of a descriptor.
        descriptor = (value + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
        return "AT_FDCWD" if kind == "dirfd" and descriptor == AT_FDCWD else str(descriptor)
    signed = value - U64_MAX - 1 if value > U64_MAX >> 1 else value
    if kind == "int":
        return str(signed)
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(value)
    if kind in VALUE_FAMILIES:
        return VALUE_FAMILIES[kind].get(value, f"{value:#x}")
    table, prefix = FLAG_FAMILIES[kind]
    return _bits(value, table, prefix)


def escaped(raw: bytes, octal: bytes = b"", quote: bytes = b'"') -> str:
    """Return bytes as strace prints them: what does not print in ASCII, and `octal`, by its number.

    Three digits where a digit follows, else as few as there are. quote: gets a backslash, as the
    backslash does.
    """
    escapes = {9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 92: "\\\\"}
    escapes |= {byte: f"\\{chr(byte)}" for byte in quote}
    parts = []
    for byte, after in zip(raw, raw[1:] + b" ", strict=False):
        if byte in escapes:
            parts.append(escapes[byte])
        elif 32 <= byte < 127 and byte not in octal:
            parts.append(chr(byte))
        else:
            parts.append(f"\\{byte:03o}" if 48 <= after < 58 else f"\\{byte:o}")
    return "".join(parts)


def _quoted(text: str) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    return f'"{escaped(raw)}"' + ("..." if isinstance(text, TruncatedStr) else "")


def _memory(value: object) -> str:
    """User memory, as far as a plain value tells its form (numbers: decimal or hexadecimal)."""
    if isinstance(value, UnknownSymbol):
        return str(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "..."
    if isinstance(value, int):
        return f"{value:#x}" if value > 0xFFFF else str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(_field(name, item) for name, item in value.items()) + "}"
    if isinstance(value, list):
        more = ["..."] if isinstance(value, TruncatedList) else []
        return "[" + ", ".join([_memory(item) for item in value] + more) + "]"
    return str(value)


def _field(name: str, value: object) -> str:
    if name == "...":
        return name
    kind = _FIELD_KINDS.get(name)
    if kind is not None and isinstance(value, int):
        return f"{name}={_number(value, kind)}"
    return _memory(value) if name.isdecimal() else f"{name}={_memory(value)}"


def _kinds(call: Call) -> tuple[str, ...]:
    """Return the kinds of the arguments that are printed."""
    args = call.args
    kinds = call.row.kinds
    if kinds is None:
        kinds = ("arg",) * len(args)
    if call.name == "mremap":
        # With MREMAP_DONTUNMAP the kernel takes what is in the register for a hint.
        hinted = args[3] & MREMAP_DONTUNMAP and args[4]
        return kinds if hinted or args[3] & _MAYMOVE_FIXED == _MAYMOVE_FIXED else kinds[:-1]
    if call.name == "prctl" and args[0] == PR_SET_VMA:
        return ("prctl_option", "vma_option", "addr", "size", "addr")
    if call.name == "fcntl" and args[1] in _FCNTL_KINDS:
        return (*kinds[:-1], _FCNTL_KINDS[args[1]])
    if "open" in kinds:
        return kinds if args[kinds.index("open")] & _O_CREAT_OR_TMPFILE else kinds[:-1]
    end = len(kinds)
    while end and kinds[end - 1] == "arg" and args[end - 1] == 0:
        end -= 1
    return kinds[:end]


def format_call(call: Call) -> str:
    """Return the call with its arguments: "munmap(0x7f0000000000, 4096)".

    Lenient calls: "name(...)".
    """
    if call.lenient:
        return f"{call.spelling}(...)"
    mem = call.mem or {}
    if call.name == "clone":
        return _clone(call, mem)
    parts = []
    for index, kind in enumerate(_kinds(call)):
        value = call.args[index]
        memory = mem.get(index)
        if memory is not None and not isinstance(memory, FdPath):
            parts.append(_memory(memory))
        elif is_pointer_unknown(value) and _is_pointer(kind):
            parts.append("...")
        else:
            parts.append(_number(value, kind))
    return f"{call.spelling}({', '.join(parts)})"


def call_shape(call: Call) -> str:
    """Return what kind of call it is: "mprotect(PROT_NONE)".

    Numbers that say where or how much are out.

    Calls made at one place of a program have one shape, however many there are.
    """
    if call.name == "clone" or call.lenient:
        return call.spelling
    words = [
        _number(call.args[index], kind)
        for index, kind in enumerate(_kinds(call))
        if kind not in _PLACES and not _is_pointer(kind)
    ]
    return f"{call.spelling}({', '.join(words)})" if words else call.spelling


def _clone(call: Call, mem: dict[int, object]) -> str:
    parts = [f"child_stack={_number(call.args[1], 'addr')}", f"flags={_clone_flags(call.args[0])}"]
    for name, index in _CLONE:
        if index in mem:
            parts.append(f"{name}={_memory(mem[index])}")
        elif call.args[index]:
            parts.append(f"{name}={call.args[index]:#x}")
    return f"clone({', '.join(parts)})"


def format_result(name: str, result: int | None) -> str:
    """A result: "0x7f0000000000", "3", "-1 ENOMEM (Cannot allocate memory)", "?" for None."""
    if result is None:
        return "?"
    if result < 0:
        known = ERRNO_NAME.get(-result)
        if known is None:
            return f"-1 (errno {-result})"
        return f"-1 {known} ({os.strerror(-result)})"
    if result and row_of(name).family & ADDRESS:
        return f"{result:#x}"
    return str(result)
