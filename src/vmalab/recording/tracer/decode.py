# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns the registers and the memory of a held thread into a call, and a call into strace's text.

Only what a replay needs is read from memory: paths and names, the few structures, node masks.
"""

import os
import stat
import struct
from contextlib import suppress
from typing import Final

from vmalab.calls.call import NO_ARGS, Call, TruncatedList, UnknownSymbol
from vmalab.calls.format import escaped, format_call, format_result
from vmalab.calls.structs import STRUCTS, UFFDIO
from vmalab.calls.symbols import SYSCALL_OF_NUMBER
from vmalab.calls.table import CALLS, OPENS, Syscall, row_of
from vmalab.linux.include.page import is_pointer_unknown
from vmalab.linux.include.uapi import prctl
from vmalab.linux.include.uapi.capability import _LINUX_CAPABILITY_VERSION_1
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.linux.include.uapi.shm import IPC_64, IPC_SET
from vmalab.recording.tracer.memory import Pointees
from vmalab.recording.tracer.mounts import of_mount
from vmalab.recording.tracer.proc_files import device_of, open_facts

MAX_ARRAY: Final = 32
MAX_IOVEC: Final = 1024
MAX_PAGES: Final = 1024
# A number that no program uses.
_STAND_IN: Final = 0x5A5A17C3E96B4D00
# Where strace puts the `=`.
_RESULT_COLUMN: Final = 40
# Where names are links to what is open, mapped or run.
_LINKS: Final = ("/proc/", "/dev/fd/")
# Calls that write a pair of descriptors -> where.
PAIRS: Final = {name: at for name, row in CALLS.items() if (at := row.index("&fds")) >= 0}

# Results that only a tracer sees: the call is made anew, or ends with EINTR.
_RESTARTS: Final = {
    -512: "? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    -513: "? ERESTARTNOINTR (To be restarted)",
    -514: "? ERESTARTNOHAND (To be restarted if no handler)",
    -516: "? ERESTART_RESTARTBLOCK (Interrupted by signal)",
}


def _struct(memory: Pointees, address: int, names: tuple[str, ...]) -> dict[str, object] | None:
    """Return a structure of 64-bit fields; "range" stands for two."""
    ranged = names[0] == "range"
    count = len(names) + ranged
    words = memory.words(address, count)
    if len(words) < count:
        return None
    if ranged:
        inner: dict[str, object] = {"start": words[0], "len": words[1]}
        return {"range": inner} | dict(zip(names[1:], words[2:], strict=True))
    return dict(zip(names, words, strict=True))


def _clone_args(memory: Pointees, address: int, size: int) -> dict[str, object] | None:
    names = STRUCTS["&clone_args"][: size // 8]
    return _struct(memory, address, names) if names else None


def _rlimit(memory: Pointees, address: int, wide: bool) -> dict[str, object] | None:
    words = memory.words(address, 2, wide)
    return dict(zip(STRUCTS["&rlimit"], words, strict=True)) if len(words) == 2 else None


def _node_mask(memory: Pointees, address: int, maxnode: int) -> list[object] | None:
    """Return a mask of nodes: maxnode is its length in bits, and one."""
    count = (max(maxnode, 1) + 62) // 64
    words = list(memory.words(address, count)) if count <= 64 else []
    # One that ends too early is none: the kernel could not read it either.
    return [*words] if len(words) == count else None


def _argv(memory: Pointees, address: int, wide: bool) -> list[object] | None:
    """Return the strings of an argument list, long ones and long lists cut."""
    found: list[object] = []
    for word in memory.words(address, MAX_ARRAY + 1, wide):
        if word == 0:
            return found
        text = memory.string(word, 256)
        if text is None:
            return None
        found.append(text)
    return TruncatedList(found[:MAX_ARRAY]) if found else None


def _iovec(memory: Pointees, address: int, count: int, wide: bool) -> list[object] | None:
    if count > MAX_IOVEC:
        return None
    words = memory.words(address, 2 * count, wide)
    if len(words) < 2 * count:
        return None
    pairs = zip(words[::2], words[1::2], strict=True)
    return [{"iov_base": base, "iov_len": length} for base, length in pairs]


def _nodes(memory: Pointees, address: int, count: int) -> list[object] | None:
    """Return node numbers of 32 bits."""
    raw = memory.read(address, 4 * min(count, MAX_PAGES))
    found: list[object] = list(struct.unpack(f"<{len(raw) // 4}i", raw[: len(raw) // 4 * 4]))
    return TruncatedList(found) if count > len(found) else found


def _pointed_at(
    row: Syscall, args: tuple[int, ...], memory: Pointees, wide: bool
) -> dict[int, object]:
    """What the arguments of a call point to, by the argument's index, as far as it is needed."""
    found: dict[int, object | None] = {
        index: _pointee(row, index, args, memory, wide)
        for index, kind in enumerate(row.kinds or ())
        if kind[0] == "&" and args[index]
    }
    if row.name == "prctl":
        found |= _prctl(args, memory)
    if row.name == "shmctl" and args[1] & ~IPC_64 == IPC_SET:
        found[2] = _shm_perm(memory, args[2])
    return {index: value for index, value in found.items() if value is not None}


def _pointee(
    row: Syscall, index: int, args: tuple[int, ...], memory: Pointees, wide: bool
) -> object | None:
    """Return what one argument points to; None when nothing needs it, or it cannot be read."""
    assert row.kinds is not None
    at = args[index]
    match row.kinds[index]:
        case "&string":
            return memory.string(at)
        case "&argv":
            return _argv(memory, at, wide)
        case "&nodes":
            return _node_mask(memory, at, args[row.index("maxnode")])
        case "&clone_args":
            return _clone_args(memory, at, args[index + 1])
        case "&open_how":
            return _open_how(memory, at)
        case "&rlimit64":
            return _struct(memory, at, STRUCTS["&rlimit64"])
        case "&rlimit":
            return _rlimit(memory, at, wide)
        case "&request":
            return _struct(memory, at, UFFDIO[args[1]]) if args[1] in UFFDIO else None
        case "&iovec":
            return _iovec(memory, at, args[index + 1], wide)
        case "&gids":
            return _nodes(memory, at, args[0])
        case "&cap_header":
            return _cap_header(memory, at)
        case "&cap_data":
            return _cap_data(memory, at, args[0])
        case "&numbers":
            return _nodes(memory, at, args[1])
        case "&uring_params":
            return _uring_params(memory, at)
    return None


def _open_how(memory: Pointees, address: int) -> dict[str, object] | None:
    names = STRUCTS["&open_how"]
    words = memory.words(address, len(names))
    if len(words) < len(names):
        return None
    # As numbers: the printer would take flags of that name for those of clone.
    return {name: UnknownSymbol(f"{word:#x}") for name, word in zip(names, words, strict=True)}


def _cap_header(memory: Pointees, address: int) -> dict[str, object] | None:
    """Return the header of capset: which version, and whose capabilities."""
    words = memory.words(address, 2, wide=False)
    return {"version": words[0], "pid": words[1]} if len(words) == 2 else None


def _cap_data(memory: Pointees, address: int, header: int) -> dict[str, object] | None:
    """Return the sets of capset: of 32 bits in version 1, else of 64 in two halves."""
    count = 3 if memory.words(header, 1, wide=False) == [_LINUX_CAPABILITY_VERSION_1] else 6
    words = memory.words(address, count, wide=False)
    if len(words) < count:
        return None
    words += [0] * (6 - count)
    names = ("effective", "permitted", "inheritable")
    return {name: words[at] | words[at + 3] << 32 for at, name in enumerate(names)}


def _shm_perm(memory: Pointees, address: int) -> dict[str, object] | None:
    """Return what IPC_SET takes of struct shmid_ds."""
    words = memory.words(address, 6, wide=False)
    if len(words) < 6:
        return None
    return {"shm_perm": {"uid": words[1], "gid": words[2], "mode": words[5]}}


def _uring_params(memory: Pointees, address: int) -> dict[str, object] | None:
    raw = memory.read(address, 12)
    if len(raw) < 12:
        return None
    _, cq_entries, flags = struct.unpack("<3I", raw)
    return {"cq_entries": cq_entries, "flags": UnknownSymbol(f"{flags:#x}")}


def _prctl(args: tuple[int, ...], memory: Pointees) -> dict[int, object | None]:
    if args[0] == prctl.PR_SET_VMA and args[4]:
        return {4: memory.string(args[4], 255)}
    if args[0] == prctl.PR_SET_MM and args[1] == prctl.PR_SET_MM_MAP:
        return {2: _struct(memory, args[2], prctl.PRCTL_MM_MAP_ADDRESSES)}
    return {}


def decode_number(tid: int, number: int, args: tuple[int, ...], memory: Pointees) -> Call:
    """Return the call of a 64-bit program that a thread is about to make."""
    return decode_call(tid, SYSCALL_OF_NUMBER[number], args, memory)


def decode_call(
    tid: int, name: str, args: tuple[int, ...], memory: Pointees, *, wide: bool = True
) -> Call:
    """Return the call a thread is about to make: six arguments, and what they point to.

    wide: pointers and words have 64 bits.
    """
    row = row_of(name)
    values = [*args, *NO_ARGS][:6]
    for index in row.indices("fd", "dirfd", "int"):
        # A register may hold only 32 bits of a negative `int`.
        low = values[index] & 0xFFFFFFFF
        values[index] = low | 0xFFFFFFFF00000000 if low >> 31 else low
    six = tuple(values)
    return Call(tid, name, six, _pointed_at(row, six, memory, wide) or None)


def entry_text(call: Call) -> str:
    """Return a call as strace prints it, up to its closing parenthesis, and which file it maps."""
    if call.name != "mmap" or call.args[3] & MAP_ANONYMOUS:
        return call_text(call)
    return noted(call_text(call), _note(call.tid, call.args[4] & 0xFFFFFFFF, detailed=True))


def noted(text: str, note: str) -> str:
    """Return the text of an mmap with a note behind its descriptor."""
    head, comma, offset = text.rpartition(", ")
    return head + note + comma + offset


def call_text(call: Call) -> str:
    """Return a call as strace prints it, up to its closing parenthesis."""
    strange = [value for value in call.args if is_pointer_unknown(value)]
    if not strange:
        return format_call(call)[:-1]
    # Real numbers that would be taken for pointers whose value is not known.
    stands_for = {_STAND_IN + i: value for i, value in enumerate(strange)}
    names = {value: name for name, value in stands_for.items()}
    args = tuple(names.get(value, value) for value in call.args)
    text = format_call(Call(call.tid, call.spelling, args, call.mem))[:-1]
    for name, value in stands_for.items():
        text = text.replace(f"{name:#x}", f"{value:#x}").replace(str(name), f"{value:#x}")
    return text


def _note(tid: int, fd: int, *, detailed: bool = False) -> str:
    """`<path>` of a descriptor, as strace -y prints it; "" when it is not open.

    detailed: `<path<dev inode flags>>`, and for regular files `<path<dev inode flags size fs>>`.
    """
    link = f"/proc/{tid}/fd/{fd}"
    try:
        found = os.readlink(link.encode())
        status = os.stat(link) if detailed else None
    except OSError:
        return ""
    if status is None:
        return f"<{escaped(found, b'<>', b'')}>"
    flags, mount = open_facts(tid, fd)
    more = ""
    if stat.S_ISREG(status.st_mode):
        with suppress(OSError):
            more = f" {status.st_size} {of_mount(tid, mount, link)}"
    return file_note(found, device_of(status.st_dev), status.st_ino, flags, more)


def file_note(path: bytes, dev: str, inode: int, flags: int, more: str = "") -> str:
    """Return `<path<dev inode flags>>`, for a file that may have come from another process.

    more: its size and file system, where they are known.
    """
    return f"<{escaped(path, b'<>', b'')}<{dev} {inode} 0{flags:o}{more}>>"


def result_text(call: Call, result: int) -> str:
    """What is behind a call's `=`: "0x7f0000000000", "-1 ENOMEM (Cannot allocate memory)"."""
    return _RESTARTS.get(result) or format_result(call.name, result)


def opened_note(call: Call, result: int) -> str:
    """`<path>` of a descriptor that was opened through a link of /proc; "" for any other."""
    path = (call.mem or {}).get(call.row.string) if call.row.family & OPENS else None
    if result < 0 or not isinstance(path, str) or not path.startswith(_LINKS):
        return ""
    return _note(call.tid, result)


def answers(call: Call, result: int, memory: Pointees) -> None:
    """Add to a call what the kernel has written for it: a pair of descriptors."""
    index = PAIRS.get(call.name)
    if index is None or result < 0:
        return
    raw = memory.read(call.args[index], 8)
    if len(raw) == 8:
        call.mem = (call.mem or {}) | {index: list(struct.unpack("<2i", raw))}


def whole_call(text: str, result: str) -> str:
    """Return a call and its result, as strace puts them on a line."""
    return f"{text + ')':{_RESULT_COLUMN - 1}} = {result}"
