# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls of 32-bit x86 programs: their numbers, and how their arguments differ.

The source is the table of arch/x86/entry/syscalls for 32 bits. A call is turned into what strace
prints of it: offsets in bytes, halves joined, what is behind `ipc` and `socketcall` by its name.
"""

import struct
from typing import Final

from vmalab.calls.call import U64_MAX
from vmalab.calls.table import commands_match, row_of, sets_credentials
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.recording.tracer.memory import Pointees

NAMES: Final[dict[int, str]] = {
    1: "exit",
    2: "fork",
    5: "open",
    6: "close",
    8: "creat",
    10: "unlink",
    11: "execve",
    23: "setuid",
    41: "dup",
    42: "pipe",
    45: "brk",
    46: "setgid",
    54: "ioctl",
    55: "fcntl",
    63: "dup2",
    70: "setreuid",
    71: "setregid",
    75: "setrlimit",
    90: "old_mmap",
    91: "munmap",
    92: "truncate",
    93: "ftruncate",
    102: "socketcall",
    117: "ipc",
    120: "clone",
    125: "mprotect",
    136: "personality",
    138: "setfsuid",
    139: "setfsgid",
    144: "msync",
    150: "mlock",
    151: "munlock",
    152: "mlockall",
    153: "munlockall",
    163: "mremap",
    164: "setresuid",
    170: "setresgid",
    172: "prctl",
    185: "capset",
    190: "vfork",
    192: "mmap2",
    193: "truncate64",
    194: "ftruncate64",
    203: "setreuid32",
    204: "setregid32",
    206: "setgroups32",
    208: "setresuid32",
    210: "setresgid32",
    213: "setuid32",
    214: "setgid32",
    215: "setfsuid32",
    216: "setfsgid32",
    218: "mincore",
    219: "madvise",
    221: "fcntl64",
    245: "io_setup",
    246: "io_destroy",
    252: "exit_group",
    254: "epoll_create",
    257: "remap_file_pages",
    274: "mbind",
    275: "get_mempolicy",
    276: "set_mempolicy",
    277: "mq_open",
    291: "inotify_init",
    294: "migrate_pages",
    295: "openat",
    301: "unlinkat",
    310: "unshare",
    317: "move_pages",
    321: "signalfd",
    322: "timerfd_create",
    323: "eventfd",
    324: "fallocate",
    327: "signalfd4",
    328: "eventfd2",
    329: "epoll_create1",
    330: "dup3",
    331: "pipe2",
    332: "inotify_init1",
    336: "perf_event_open",
    338: "fanotify_init",
    340: "prlimit64",
    342: "open_by_handle_at",
    346: "setns",
    354: "seccomp",
    356: "memfd_create",
    357: "bpf",
    358: "execveat",
    359: "socket",
    360: "socketpair",
    364: "accept4",
    374: "userfaultfd",
    376: "mlock2",
    380: "pkey_mprotect",
    381: "pkey_alloc",
    382: "pkey_free",
    384: "arch_prctl",
    395: "shmget",
    396: "shmctl",
    397: "shmat",
    398: "shmdt",
    425: "io_uring_setup",
    428: "open_tree",
    430: "fsopen",
    434: "pidfd_open",
    435: "clone3",
    436: "close_range",
    437: "openat2",
    438: "pidfd_getfd",
    440: "process_madvise",
    444: "landlock_create_ruleset",
    447: "memfd_secret",
    450: "set_mempolicy_home_node",
    453: "map_shadow_stack",
    462: "mseal",
}
# Calls that take ids of 16 bits.
_SHORT_IDS: Final = frozenset(
    (
        "setfsgid",
        "setfsuid",
        "setgid",
        "setregid",
        "setresgid",
        "setresuid",
        "setreuid",
        "setuid",
    )
)
# What socketcall's and ipc's first argument stands for.
_SOCKETCALLS: Final = {1: "socket", 5: "accept", 8: "socketpair", 18: "accept4"}
_IPCS: Final = {21: "shmat", 22: "shmdt", 23: "shmget", 24: "shmctl"}


def call_of(
    number: int, args: tuple[int, ...], memory: Pointees
) -> tuple[str, tuple[int, ...]] | None:
    """Return the name and the arguments of a call; None when it is of no interest."""
    name = NAMES.get(number)
    if name is None:
        return None
    args = tuple(arg & 0xFFFFFFFF for arg in args)
    if not (commands_match(row_of(name).name, args) or sets_credentials(name, args)):
        return None
    if name == "socketcall":
        known = _SOCKETCALLS.get(args[0])
        return None if known is None else (known, _words(memory, args[1], 4))
    if name == "ipc":
        return _ipc(args)
    if name == "old_mmap":
        return name, _words(memory, args[0], 6)
    return name, _joined(name, args)


def _joined(name: str, args: tuple[int, ...]) -> tuple[int, ...]:
    """Return the arguments in the order and the units of 64 bits."""
    if name == "mmap2":
        return (*args[:5], args[5] << PAGE_SHIFT)
    if name in ("truncate64", "ftruncate64"):
        return (args[0], args[2] << 32 | args[1])
    if name == "fallocate":
        return (*args[:2], args[3] << 32 | args[2], args[5] << 32 | args[4])
    if name in _SHORT_IDS:
        return tuple(U64_MAX if arg & 0xFFFF == 0xFFFF else arg & 0xFFFF for arg in args)
    if name == "clone":
        # TLS comes before the place of the child's number.
        return (*args[:3], args[4], args[3])
    return args


def _ipc(args: tuple[int, ...]) -> tuple[str, tuple[int, ...]] | None:
    """Return the call behind ipc(call, first, second, third, ptr)."""
    name = _IPCS.get(args[0] & 0xFFFF)
    if name == "shmat":
        # Where its address goes is not one of its arguments; see `result_of`.
        return name, (args[1], args[4], args[2], 0, 0, args[3])
    if name == "shmdt":
        return name, (args[4],)
    if name == "shmget":
        return name, args[1:4]
    return (name, (args[1], args[2], args[4])) if name is not None else None


def _words(memory: Pointees, address: int, count: int) -> tuple[int, ...]:
    raw = memory.read(address, 4 * count).ljust(4 * count, b"\0")
    return struct.unpack(f"<{count}I", raw[: 4 * count])


def result_of(number: int, args: tuple[int, ...], result: int, memory: Pointees) -> int:
    """What a call has answered: an address without its sign, or the one that ipc has stored."""
    if -4095 <= result < 0:
        return result
    if NAMES.get(number) == "ipc" and args[0] & 0xFFFF == 21:
        return _words(memory, args[3] & 0xFFFFFFFF, 1)[0]
    return result & 0xFFFFFFFF
