# SPDX-License-Identifier: GPL-2.0-or-later
"""Which system calls a recorder stops at, by number, and what it does about each.

What is traced is what a replay follows: calls on memory, on descriptors, on tasks and on limits.
"""

from typing import Final

from vmalab.calls.symbols import SYSCALL_OF_NUMBER
from vmalab.calls.table import CALLS
from vmalab.linux.include.uapi import fcntl, prctl

# Calls that answer a descriptor of something no memory call needs to know more of.
_MAKERS: Final = frozenset(
    (
        "accept",
        "accept4",
        "bpf",
        "epoll_create",
        "epoll_create1",
        "eventfd",
        "eventfd2",
        "fanotify_init",
        "fsopen",
        "inotify_init",
        "inotify_init1",
        "landlock_create_ruleset",
        "mq_open",
        "open_by_handle_at",
        "open_tree",
        "perf_event_open",
        "pidfd_getfd",
        "pidfd_open",
        "signalfd",
        "signalfd4",
        "socket",
        "socketpair",
        "timerfd_create",
    )
)
# Modelled calls that only look at limits, which happens often and changes nothing.
_LOOKS: Final = frozenset(("getrlimit", "ugetrlimit"))

TRACED: Final = frozenset(name for name, row in CALLS.items() if row.strict >= 0) - _LOOKS | _MAKERS
TRACED_NUMBERS: Final = frozenset(
    number for number, name in SYSCALL_OF_NUMBER.items() if name in TRACED
)

NUMBER_OF: Final = {name: number for number, name in SYSCALL_OF_NUMBER.items()}

# Of these only some commands are traced: number -> (argument, mask, values).
BY_COMMAND: Final[dict[str, tuple[int, int, frozenset[int]]]] = {
    # The ioctls of userfaultfds: the type byte.
    "ioctl": (1, 0xFF00, frozenset((0xAA00,))),
    "fcntl": (
        1,
        0xFFFFFFFF,
        frozenset((fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC, fcntl.F_SETFD, fcntl.F_ADD_SEALS)),
    ),
    "prctl": (
        0,
        0xFFFFFFFF,
        frozenset(
            (
                prctl.PR_SET_MM,
                prctl.PR_SET_VMA,
                prctl.PR_SET_THP_DISABLE,
                prctl.PR_GET_THP_DISABLE,
                prctl.PR_SET_MDWE,
                prctl.PR_GET_MDWE,
                prctl.PR_SET_MEMORY_MERGE,
                prctl.PR_GET_MEMORY_MERGE,
            )
        ),
    ),
}
FILTERED_ARGUMENTS: Final = {
    number: BY_COMMAND[name] for number, name in SYSCALL_OF_NUMBER.items() if name in BY_COMMAND
}

# Calls that change an address space, or copy it: of the threads that share one, one at a time.
# Those that only look are here too, so that what they see is what the log says came before.
ORDERED: Final = frozenset(
    (
        "mmap",
        "munmap",
        "mprotect",
        "pkey_mprotect",
        "brk",
        "mremap",
        "madvise",
        "process_madvise",
        "mlock",
        "mlock2",
        "munlock",
        "mlockall",
        "munlockall",
        "msync",
        "mincore",
        "mseal",
        "remap_file_pages",
        "map_shadow_stack",
        "mbind",
        "set_mempolicy_home_node",
        "shmat",
        "shmdt",
        "mmap2",
        "old_mmap",
        "io_setup",
        "io_destroy",
        "clone",
        "clone3",
        "fork",
        "vfork",
        "execve",
        "execveat",
        "prctl",
        "ioctl",
        "close",
        "close_range",
        "dup2",
        "dup3",
    )
)
FORKS: Final = frozenset(("clone", "clone3", "fork", "vfork"))
EXECS: Final = frozenset(("execve", "execveat"))
ENDS: Final = frozenset(("exit", "exit_group"))
CLOSERS: Final = frozenset(("close", "close_range", "dup2", "dup3"))


def is_traced(number: int, args: tuple[int, ...]) -> bool:
    """Whether a call is of interest."""
    if number not in TRACED_NUMBERS:
        return False
    checked = FILTERED_ARGUMENTS.get(number)
    if checked is None:
        return True
    index, mask, values = checked
    return args[index] & mask in values
