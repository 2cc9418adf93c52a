# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns the registers and the memory of a held thread into a call, and a call into strace's text.

Only what a replay needs is read from memory: paths and names, the few structures, node masks.
"""

import os
import struct
from typing import Final, final

from vmalab.calls.call import (
    NO_ARGS,
    Call,
    TruncatedList,
    TruncatedStr,
    UnknownSymbol,
    is_pointer_unknown,
)
from vmalab.calls.format import escaped, format_call, format_result
from vmalab.calls.symbols import SYSCALL_OF_NUMBER
from vmalab.linux.include.uapi import prctl, userfaultfd
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.recording.tracer.maps import open_flags

MAX_STRING: Final = 4096
MAX_ARRAY: Final = 32
MAX_IOVEC: Final = 1024
MAX_PAGES: Final = 1024
# A number that no program uses.
_STAND_IN: Final = 0x5A5A17C3E96B4D00
# Where strace puts the `=`.
_RESULT_COLUMN: Final = 40

# Call -> the argument that is a string.
_STRINGS: Final = {
    "open": 0,
    "creat": 0,
    "truncate": 0,
    "unlink": 0,
    "memfd_create": 0,
    "openat": 1,
    "openat2": 1,
    "unlinkat": 1,
    "execve": 0,
    "execveat": 1,
}
_ARGV: Final = {"execve": 1, "execveat": 2}
# Call -> the arguments that are node masks, and the one that holds their length in bits plus one.
_MASKS: Final = {"mbind": ((3,), 4), "set_mempolicy": ((1,), 2), "migrate_pages": ((2, 3), 1)}
# Names of 64-bit fields in the order of the structure.
_CLONE_ARGS: Final = (
    "flags",
    "pidfd",
    "child_tid",
    "parent_tid",
    "exit_signal",
    "stack",
    "stack_size",
    "tls",
    "set_tid",
    "set_tid_size",
    "cgroup",
)
_OPEN_HOW: Final = ("flags", "mode", "resolve")
_RLIMIT: Final = ("rlim_cur", "rlim_max")
_RANGE: Final = ("start", "len")
_UFFD: Final[dict[int, tuple[str, ...]]] = {
    userfaultfd.UFFDIO_API: ("api", "features"),
    userfaultfd.UFFDIO_REGISTER: ("range", "range", "mode"),
    userfaultfd.UFFDIO_UNREGISTER: _RANGE,
    userfaultfd.UFFDIO_WAKE: _RANGE,
    userfaultfd.UFFDIO_COPY: ("dst", "src", "len", "mode"),
    userfaultfd.UFFDIO_MOVE: ("dst", "src", "len", "mode"),
    userfaultfd.UFFDIO_ZEROPAGE: ("range", "range", "mode"),
    userfaultfd.UFFDIO_WRITEPROTECT: ("range", "range", "mode"),
    userfaultfd.UFFDIO_CONTINUE: ("range", "range", "mode"),
    userfaultfd.UFFDIO_POISON: ("range", "range", "mode"),
    userfaultfd.UFFDIO_RWPROTECT: ("range", "range", "mode"),
}
_MM_MAP: Final = (
    "start_code",
    "end_code",
    "start_data",
    "end_data",
    "start_brk",
    "brk",
    "start_stack",
    "arg_start",
    "arg_end",
    "env_start",
    "env_end",
)
# Arguments that are `int`: a register may hold only 32 bits of a negative one.
MMAPS: Final = frozenset(("mmap", "mmap2", "old_mmap"))
_INTS: Final = {
    "mmap": 4,
    "mmap2": 4,
    "old_mmap": 4,
    "openat": 0,
    "openat2": 0,
    "unlinkat": 0,
    "execveat": 0,
    "pkey_mprotect": 3,
    "close": 0,
    "fcntl": 0,
    "fcntl64": 0,
    "ioctl": 0,
    "exit": 0,
    "exit_group": 0,
    "shmat": 0,
    "shmctl": 0,
    "process_madvise": 0,
}
# Where names are links to what is open, mapped or run.
_LINKS: Final = ("/proc/", "/dev/fd/")
PAIRS: Final = {"pipe": 0, "pipe2": 0, "socketpair": 3}

# Results that only a tracer sees: the call is made anew, or ends with EINTR.
_RESTARTS: Final = {
    -512: "? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    -513: "? ERESTARTNOINTR (To be restarted)",
    -514: "? ERESTARTNOHAND (To be restarted if no handler)",
    -516: "? ERESTART_RESTARTBLOCK (Interrupted by signal)",
}


@final
class Memory:
    """The memory of a process, read through /proc/PID/mem."""

    def __init__(self, pid: int) -> None:
        """Errors: OSError."""
        self._fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """The address space is gone."""
        os.close(self._fd)

    def read(self, address: int, size: int) -> bytes:
        """At most `size` bytes; fewer where memory ends or cannot be read."""
        if not 0 < address < 1 << 62:
            return b""
        try:
            raw = os.pread(self._fd, size, address)
        except OSError:
            raw = b""
        page_rest = 4096 - address % 4096
        if not raw and size > page_rest:
            # A read that begins well and runs into a hole may fail as a whole.
            return self.read(address, page_rest)
        return raw

    def words(self, address: int, count: int, wide: bool = True) -> list[int]:
        """At most `count` words of 64 bits; of 32 if not wide."""
        size, letter = (8, "Q") if wide else (4, "I")
        raw = self.read(address, size * count)
        found = len(raw) // size
        return list(struct.unpack(f"<{found}{letter}", raw[: found * size]))

    def string(self, address: int, limit: int = MAX_STRING) -> str | None:
        """The string at an address: cut to `limit` bytes, None when it cannot be read."""
        raw = b""
        while b"\0" not in raw and len(raw) <= limit:
            at = address + len(raw)
            more = self.read(at, 4096 - at % 4096)
            if not more:
                return None
            raw += more
        text, end, _ = raw.partition(b"\0")
        if not end or len(text) > limit:
            return TruncatedStr(text[:limit].decode("utf-8", "surrogateescape"))
        return text.decode("utf-8", "surrogateescape")


def _struct(memory: Memory, address: int, names: tuple[str, ...]) -> dict[str, object] | None:
    """A structure of 64-bit fields; "range" twice in a row is one of two fields."""
    words = memory.words(address, len(names))
    if len(words) < len(names):
        return None
    if names[0] == "range":
        inner: dict[str, object] = {"start": words[0], "len": words[1]}
        return {"range": inner} | dict(zip(names[2:], words[2:], strict=True))
    return dict(zip(names, words, strict=True))


def _clone_args(memory: Memory, address: int, size: int) -> dict[str, object] | None:
    count = min(size // 8, len(_CLONE_ARGS))
    return _struct(memory, address, _CLONE_ARGS[:count]) if count else None


def _rlimit(memory: Memory, address: int, wide: bool) -> dict[str, object] | None:
    words = memory.words(address, 2, wide)
    return dict(zip(_RLIMIT, words, strict=True)) if len(words) == 2 else None


def _argv(memory: Memory, address: int, wide: bool) -> list[object] | None:
    """The strings of an argument list, long ones and long lists cut."""
    found: list[object] = []
    for word in memory.words(address, MAX_ARRAY + 1, wide):
        if word == 0:
            return found
        text = memory.string(word, 256)
        if text is None:
            return None
        found.append(text)
    return TruncatedList(found[:MAX_ARRAY]) if found else None


def _iovec(memory: Memory, address: int, count: int, wide: bool) -> list[object] | None:
    if count > MAX_IOVEC:
        return None
    words = memory.words(address, 2 * count, wide)
    if len(words) < 2 * count:
        return None
    pairs = zip(words[::2], words[1::2], strict=True)
    return [{"iov_base": base, "iov_len": length} for base, length in pairs]


def _nodes(memory: Memory, address: int, count: int) -> list[object] | None:
    """Node numbers of 32 bits."""
    raw = memory.read(address, 4 * min(count, MAX_PAGES))
    found: list[object] = list(struct.unpack(f"<{len(raw) // 4}i", raw[: len(raw) // 4 * 4]))
    return TruncatedList(found) if count > len(found) else found


def _pointed_at(name: str, args: tuple[int, ...], memory: Memory, wide: bool) -> dict[int, object]:
    """What the arguments of a call point to, by the argument's index, as far as it is needed."""
    found: dict[int, object | None] = {}
    if name in _STRINGS:
        index = _STRINGS[name]
        found[index] = memory.string(args[index])
    if name in _ARGV:
        found[_ARGV[name]] = _argv(memory, args[_ARGV[name]], wide)
    elif name in _MASKS:
        pointers, bits = _MASKS[name]
        count = (max(args[bits], 1) + 62) // 64
        for pointer in pointers:
            if args[pointer] and 0 < count <= 64:
                found[pointer] = list(memory.words(args[pointer], count))
    elif name == "clone3":
        found[0] = _clone_args(memory, args[0], args[1])
    elif name == "openat2":
        found[2] = _open_how(memory, args[2])
    elif name == "prlimit64" and args[2]:
        found[2] = _struct(memory, args[2], _RLIMIT)
    elif name == "setrlimit":
        found[1] = _rlimit(memory, args[1], wide)
    elif name == "ioctl":
        fields = _UFFD.get(args[1])
        found[2] = _struct(memory, args[2], fields) if fields else None
    elif name == "process_madvise":
        found[1] = _iovec(memory, args[1], args[2], wide)
    elif name == "move_pages" and args[3]:
        found[3] = _nodes(memory, args[3], args[1])
    elif name == "io_uring_setup":
        found[1] = _uring_params(memory, args[1])
    elif name == "prctl":
        found |= _prctl(args, memory)
    return {index: value for index, value in found.items() if value is not None}


def _open_how(memory: Memory, address: int) -> dict[str, object] | None:
    words = memory.words(address, len(_OPEN_HOW))
    if len(words) < len(_OPEN_HOW):
        return None
    # As numbers: the printer would take flags of that name for those of clone.
    return {name: UnknownSymbol(f"{word:#x}") for name, word in zip(_OPEN_HOW, words, strict=True)}


def _uring_params(memory: Memory, address: int) -> dict[str, object] | None:
    raw = memory.read(address, 12)
    if len(raw) < 12:
        return None
    _, cq_entries, flags = struct.unpack("<3I", raw)
    return {"cq_entries": cq_entries, "flags": UnknownSymbol(f"{flags:#x}")}


def _prctl(args: tuple[int, ...], memory: Memory) -> dict[int, object | None]:
    if args[0] == prctl.PR_SET_VMA and args[4]:
        return {4: memory.string(args[4], 255)}
    if args[0] == prctl.PR_SET_MM and args[1] == prctl.PR_SET_MM_MAP:
        return {2: _struct(memory, args[2], _MM_MAP)}
    return {}


def decode_number(tid: int, number: int, args: tuple[int, ...], memory: Memory) -> Call:
    """The call of a 64-bit program that a thread is about to make."""
    return decode_call(tid, SYSCALL_OF_NUMBER[number], args, memory)


def decode_call(
    tid: int, name: str, args: tuple[int, ...], memory: Memory, *, wide: bool = True
) -> Call:
    """The call a thread is about to make: six arguments, and what they point to.

    wide: pointers and words have 64 bits.
    """
    values = (*args, *NO_ARGS)[:6]
    index = _INTS.get(name)
    if index is not None:
        low = values[index] & 0xFFFFFFFF
        extended = low | 0xFFFFFFFF00000000 if low >> 31 else low
        values = (*values[:index], extended, *values[index + 1 :])
    return Call(tid, name, values, _pointed_at(name, values, memory, wide) or None)


def entry_text(call: Call) -> str:
    """A call as strace prints it, up to its closing parenthesis."""
    strange = [value for value in call.args if is_pointer_unknown(value)]
    if not strange:
        return _with_file(call, format_call(call)[:-1])
    # Real numbers that would be taken for pointers whose value is not known.
    stands_for = {_STAND_IN + i: value for i, value in enumerate(strange)}
    names = {value: name for name, value in stands_for.items()}
    args = tuple(names.get(value, value) for value in call.args)
    text = format_call(Call(call.tid, call.name, args, call.mem))[:-1]
    for name, value in stands_for.items():
        text = text.replace(f"{name:#x}", f"{value:#x}").replace(str(name), f"{value:#x}")
    return text


def _with_file(call: Call, text: str) -> str:
    """The text of a call, with the file's name behind the descriptor of an mmap."""
    if call.name not in MMAPS or call.args[3] & MAP_ANONYMOUS:
        return text
    note = _note(call.tid, call.args[4] & 0xFFFFFFFF, detailed=True)
    head, comma, offset = text.rpartition(", ")
    return head + note + comma + offset


def _note(tid: int, fd: int, *, detailed: bool = False) -> str:
    """`<path>` of a descriptor, as strace -y prints it; "" when it is not open.

    detailed: `<path<dev inode flags>>`, for a file that may have come from another process.
    """
    link = f"/proc/{tid}/fd/{fd}"
    try:
        found = os.readlink(link.encode())
        status = os.stat(link) if detailed else None
    except OSError:
        return ""
    path = escaped(found, b"<>", b"")
    if status is None:
        return f"<{path}>"
    dev = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    return f"<{path}<{dev} {status.st_ino} 0{open_flags(tid, fd):o}>>"


def result_text(call: Call, result: int) -> str:
    """What is behind a call's `=`: "0x7f0000000000", "-1 ENOMEM (Cannot allocate memory)"."""
    return _RESTARTS.get(result) or format_result(call.name, result)


def opened_note(call: Call, result: int) -> str:
    """`<path>` of a descriptor that was opened through a link of /proc; "" for any other."""
    index = _STRINGS.get(call.name)
    path = (call.mem or {}).get(index) if index is not None and "open" in call.name else None
    if result < 0 or not isinstance(path, str) or not path.startswith(_LINKS):
        return ""
    return _note(call.tid, result)


def answers(call: Call, result: int, memory: Memory) -> None:
    """Adds to a call what the kernel has written for it: a pair of descriptors."""
    index = PAIRS.get(call.name)
    if index is None or result < 0:
        return
    raw = memory.read(call.args[index], 8)
    if len(raw) == 8:
        call.mem = (call.mem or {}) | {index: list(struct.unpack("<2i", raw))}


def whole_call(text: str, result: str) -> str:
    """A call and its result, as strace puts them on a line."""
    return f"{text + ')':{_RESULT_COLUMN - 1}} = {result}"
