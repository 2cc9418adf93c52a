# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of calls: what this package knows of a system call, in one row each.

Who asks what kind of call it is asks its row, and lists no names. Calls without a row concern
neither memory nor anything that memory calls depend on.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.uapi import fcntl, prctl, unistd

# Families: bits of what a call does.
# It creates, changes or inspects an address space, whatever its arguments are.
MEMORY: Final = 1 << 0
# It does so with some of its commands only.
SOMETIMES_MEMORY: Final = 1 << 1
# It answers the address of memory that it has mapped.
MAPS: Final = 1 << 2
# It takes memory away when it succeeds.
UNMAPS: Final = 1 << 3
# Its first two arguments are the one range that it works on: address and length in bytes.
RANGED: Final = 1 << 4
# It gives a range another property, and maps and unmaps nothing.
CHANGES_RANGE: Final = 1 << 5
# It may change memory at places that its arguments do not name.
ANYWHERE: Final = 1 << 6
# It is a memory call, and leaves every VMA as it is.
KEEPS_VMAS: Final = 1 << 7
# It may change where the code of files is mapped.
MOVES_CODE: Final = 1 << 8
# It changes nothing, and only answers.
LOOKS: Final = 1 << 9
# It makes a task; it begins a program; it ends a task.
FORKS: Final = 1 << 10
EXECS: Final = 1 << 11
ENDS: Final = 1 << 12
# It answers the lowest free descriptor.
MAKES_FD: Final = 1 << 13
# It opens a file by its path.
OPENS: Final = 1 << 14
# It copies a descriptor.
DUPS: Final = 1 << 15
# It frees numbers of descriptors, be it to take them.
CLOSES: Final = 1 << 16
# It has effects on descriptors, files or limits that memory calls depend on.
FOLLOWED: Final = 1 << 17
# What it does is decided by a command among its arguments.
COMMANDS: Final = 1 << 18
# It is answered with an address.
ADDRESS: Final = 1 << 19
# What it does depends on the process that makes it: no other can make it in its place.
PERSONAL: Final = 1 << 20
# It sets who a task is, what it may do, or how its calls are filtered.
CREDENTIALS: Final = 1 << 21
# It makes, or changes, memory outside of address spaces, which limits and rights may refuse.
OUTSIDE: Final = 1 << 22
# It is a memory call, and its registers say all of it.
BY_REGISTERS: Final = 1 << 23

# Bits of arguments: all; none. And of a call whose arguments nobody needs: no line is bad for them.
ALL: Final = 0b111111
NONE: Final = 0
LENIENT: Final = -1

# Kinds of arguments that say what a call is to do.
COMMAND_KINDS: Final = (
    "advice",
    "fcntl_cmd",
    "ioctl",
    "mmap",
    "mremap",
    "prctl_option",
    "shm_cmd",
)


@final
@mypyc_attr(native_class=True, acyclic=True)
class Syscall:
    """One system call.

    name: the kernel's. kinds: of its arguments, in order; None: not known. A kind is a family of
    `symbols`, or addr, size, offset, fd, dirfd, int (signed), uint, maxnode, hex, octal, key,
    fdflags, arg (what depends on a command), or `&NAME`, a pointer to such a thing. strict: bits of
    the arguments whose number decides what the call does to memory or to descriptors: an unknown
    constant in one of these makes a line unreadable, elsewhere its name is kept. family: bits, see
    above. aliases: names by which 32-bit programs make it; tracers print the same arguments with
    them. makes: what its descriptor stands for. number: NR_*, -1 for none. string, prot: indices of
    the arguments that are its first string, and its protection, -1 for none.
    """

    __slots__ = (
        "_first",
        "aliases",
        "family",
        "kinds",
        "makes",
        "name",
        "number",
        "prot",
        "strict",
        "string",
    )

    def __init__(
        self,
        name: str,
        arguments: str | None,
        strict: int,
        family: int = 0,
        aliases: str = "",
        makes: str = "",
    ) -> None:
        self.name = name
        self.number: i64 = getattr(unistd, f"NR_{name}", -1)
        self.kinds: tuple[str, ...] | None = None
        self._first: dict[str, int] = {}
        self.string = -1
        self.prot = -1
        self.strict = strict
        self.family = family
        self.aliases: tuple[str, ...] = tuple(aliases.split())
        self.makes = makes
        if arguments is not None:
            self.kinds = tuple(arguments.split())
            for at, kind in enumerate(self.kinds):
                self._first.setdefault(kind, at)
            self.string = self.index("&string")
            self.prot = self.index("prot")

    def index(self, kind: str) -> int:
        """Return index of the first argument of a kind, -1 when there is none."""
        return self._first.get(kind, -1)

    def indices(self, *kinds: str) -> tuple[int, ...]:
        """Return indices of all arguments of some kinds."""
        return tuple([at for at, kind in enumerate(self.kinds or ()) if kind in kinds])


_CHANGES: Final = MEMORY | RANGED | CHANGES_RANGE
_SETS: Final = _CHANGES | BY_REGISTERS
_SOMETIMES: Final = SOMETIMES_MEMORY | COMMANDS
_KEEPS: Final = MEMORY | KEEPS_VMAS
_ANYWHERE: Final = MEMORY | ANYWHERE
_OPENS: Final = MAKES_FD | OPENS
_MAPS: Final = MEMORY | MAPS | ADDRESS

_ROWS: Final = [
    # Memory.
    Syscall(
        "mmap",
        "addr size prot mmap fd offset",
        ALL,
        _MAPS | RANGED | MOVES_CODE | BY_REGISTERS,
        "mmap2 old_mmap",
    ),
    Syscall("munmap", "addr size", ALL, MEMORY | RANGED | UNMAPS | MOVES_CODE | BY_REGISTERS),
    Syscall("mprotect", "addr size prot", ALL, _SETS | MOVES_CODE),
    Syscall("pkey_mprotect", "addr size prot int", ALL, _SETS | MOVES_CODE),
    Syscall("pkey_alloc", "hex pkey", ALL, _KEEPS),
    Syscall("pkey_free", "int", ALL, _KEEPS),
    Syscall("brk", "addr", ALL, MEMORY | UNMAPS | ADDRESS | BY_REGISTERS),
    Syscall("mremap", "addr size size mremap addr", ALL, _MAPS | MOVES_CODE | BY_REGISTERS),
    Syscall("madvise", "addr size advice", ALL, _SETS | COMMANDS),
    Syscall("process_madvise", "fd &iovec size advice hex", ALL, _ANYWHERE | COMMANDS),
    Syscall("mlock", "addr size", ALL, _SETS),
    Syscall("mlock2", "addr size mlock", ALL, _SETS),
    Syscall("munlock", "addr size", ALL, _SETS),
    Syscall("mlockall", "mcl", ALL, _ANYWHERE),
    Syscall("munlockall", "", ALL, _ANYWHERE),
    Syscall("msync", "addr size msync", ALL, MEMORY | RANGED | BY_REGISTERS),
    Syscall("mincore", "addr size addr", 0b011, MEMORY | RANGED | LOOKS),
    Syscall("mseal", "addr size hex", ALL, _SETS),
    Syscall("remap_file_pages", "addr size prot size mmap", ALL, MEMORY | RANGED),
    Syscall("map_shadow_stack", "addr size hex", ALL, _MAPS),
    Syscall("shmget", "key size shmflg", 0b111, OUTSIDE),
    Syscall("shmat", "int addr shmat", 0b111, _MAPS),
    Syscall("shmdt", "addr", 0b1, _ANYWHERE | UNMAPS),
    Syscall("shmctl", "int shm_cmd addr", 0b1, FOLLOWED | OUTSIDE),
    Syscall("io_setup", "uint addr", NONE, _ANYWHERE | PERSONAL),
    Syscall("io_destroy", "addr", 0b1, _ANYWHERE | UNMAPS),
    Syscall(
        "prctl", "prctl_option arg arg arg arg", 0b1, SOMETIMES_MEMORY | CHANGES_RANGE | COMMANDS
    ),
    Syscall("arch_prctl", "arch_option addr", 0b1, _SOMETIMES | ANYWHERE),
    Syscall("personality", "hex", NONE, FOLLOWED),
    # The nodes that memory is on.
    Syscall("mbind", "addr size policy &nodes maxnode mbind", ALL, _CHANGES),
    Syscall("set_mempolicy", "policy &nodes maxnode", ALL, _KEEPS),
    Syscall("get_mempolicy", "addr addr maxnode addr hex", 0b010100, _KEEPS | LOOKS | PERSONAL),
    Syscall("set_mempolicy_home_node", "addr size uint hex", ALL, _CHANGES),
    Syscall("migrate_pages", "int maxnode &nodes &nodes", 0b11, _KEEPS),
    Syscall("move_pages", "int size addr &numbers addr hex", 0b11, _KEEPS),
    # Tasks.
    Syscall("clone", "clone addr addr addr addr", ALL, MEMORY | FORKS),
    Syscall("clone3", "&clone_args size", ALL, MEMORY | FORKS | PERSONAL),
    Syscall("fork", "", NONE, MEMORY | FORKS),
    Syscall("vfork", "", NONE, MEMORY | FORKS | PERSONAL),
    Syscall("unshare", "clone", NONE, FOLLOWED),
    Syscall("execve", "&string &argv addr", NONE, EXECS | PERSONAL),
    Syscall("execveat", "dirfd &string &argv addr hex", 0b1, EXECS | PERSONAL),
    Syscall("exit", "int", NONE, ENDS | PERSONAL),
    Syscall("exit_group", "int", NONE, ENDS | PERSONAL),
    # Limits.
    Syscall("prlimit64", "int resource &rlimit64 addr", 0b11, FOLLOWED),
    Syscall("setrlimit", "resource &rlimit", 0b1, FOLLOWED),
    Syscall("getrlimit", "resource addr", 0b1, LOOKS | PERSONAL, "ugetrlimit"),
    # Who a task is, what it may do, and which of its calls are filtered.
    Syscall("setuid", "int", ALL, CREDENTIALS, "setuid32"),
    Syscall("setgid", "int", ALL, CREDENTIALS, "setgid32"),
    Syscall("setreuid", "int int", ALL, CREDENTIALS, "setreuid32"),
    Syscall("setregid", "int int", ALL, CREDENTIALS, "setregid32"),
    Syscall("setresuid", "int int int", ALL, CREDENTIALS, "setresuid32"),
    Syscall("setresgid", "int int int", ALL, CREDENTIALS, "setresgid32"),
    Syscall("setfsuid", "int", ALL, CREDENTIALS, "setfsuid32"),
    Syscall("setfsgid", "int", ALL, CREDENTIALS, "setfsgid32"),
    Syscall("setgroups", "uint &gids", 0b1, CREDENTIALS, "setgroups32"),
    Syscall("capset", "&cap_header &cap_data", NONE, CREDENTIALS),
    Syscall("setns", "fd clone", 0b11, CREDENTIALS),
    Syscall("seccomp", "uint hex addr", 0b1, CREDENTIALS),
    # Descriptors of what can be mapped.
    Syscall("open", "&string open octal", NONE, _OPENS, makes="file"),
    Syscall("openat", "dirfd &string open octal", 0b1, _OPENS, makes="file"),
    Syscall("openat2", "dirfd &string &open_how size", 0b1, _OPENS, makes="file"),
    Syscall("creat", "&string octal", NONE, _OPENS, makes="file"),
    Syscall("memfd_create", "&string memfd", 0b10, MAKES_FD | OUTSIDE, makes="memfd"),
    Syscall("memfd_secret", "hex", 0b1, MAKES_FD | OUTSIDE, makes="secret"),
    Syscall("userfaultfd", "fdflags", 0b1, MAKES_FD | OUTSIDE, makes="uffd"),
    Syscall("io_uring_setup", "uint &uring_params", NONE, MAKES_FD | OUTSIDE),
    # What becomes of descriptors and files.
    Syscall("close", "fd", 0b1, FOLLOWED | CLOSES),
    Syscall("close_range", "fd uint hex", 0b111, FOLLOWED | CLOSES),
    Syscall("dup", "fd", 0b1, MAKES_FD | DUPS),
    Syscall("dup2", "fd fd", 0b11, DUPS | CLOSES),
    Syscall("dup3", "fd fd fdflags", 0b11, DUPS | CLOSES),
    Syscall("fcntl", "fd fcntl_cmd arg", 0b1, FOLLOWED | COMMANDS, "fcntl64"),
    Syscall("ioctl", "fd ioctl &request", 0b1, _SOMETIMES),
    Syscall("pipe", "&fds", NONE),
    Syscall("pipe2", "&fds fdflags", NONE),
    Syscall("truncate", "&string size", 0b10, FOLLOWED, "truncate64"),
    Syscall("ftruncate", "fd size", 0b11, FOLLOWED, "ftruncate64"),
    Syscall("fallocate", "fd hex size size", 0b1111, FOLLOWED),
    Syscall("cachestat", "fd &cachestat_range &cachestat hex", LENIENT),
    Syscall("chdir", "&string", LENIENT, FOLLOWED),
    Syscall("fchdir", "fd", LENIENT, FOLLOWED),
    Syscall("rename", "&string &string", LENIENT, FOLLOWED),
    Syscall("renameat", "dirfd &string dirfd &string", LENIENT, FOLLOWED),
    Syscall("renameat2", "dirfd &string dirfd &string hex", LENIENT, FOLLOWED),
    Syscall("link", "&string &string", LENIENT, FOLLOWED),
    Syscall("linkat", "dirfd &string dirfd &string hex", LENIENT, FOLLOWED),
    Syscall("unlink", "&string", NONE, FOLLOWED),
    Syscall("unlinkat", "dirfd &string hex", 0b1, FOLLOWED),
    # Descriptors of what no memory call needs to know more of.
    # To clear_refs; nothing else that is written concerns memory.
    Syscall("write", None, LENIENT),
    Syscall("accept", None, LENIENT, MAKES_FD),
    Syscall("accept4", None, LENIENT, MAKES_FD),
    Syscall("bpf", None, LENIENT, MAKES_FD | COMMANDS),
    Syscall("epoll_create", None, LENIENT, MAKES_FD),
    Syscall("epoll_create1", None, LENIENT, MAKES_FD),
    Syscall("eventfd", None, LENIENT, MAKES_FD),
    Syscall("eventfd2", None, LENIENT, MAKES_FD),
    Syscall("fanotify_init", None, LENIENT, MAKES_FD),
    Syscall("fsopen", None, LENIENT, MAKES_FD),
    Syscall("inotify_init", None, LENIENT, MAKES_FD),
    Syscall("inotify_init1", None, LENIENT, MAKES_FD),
    Syscall("landlock_create_ruleset", None, LENIENT, MAKES_FD),
    Syscall("mq_open", None, LENIENT, MAKES_FD),
    Syscall("open_by_handle_at", None, LENIENT, MAKES_FD),
    Syscall("open_tree", None, LENIENT, MAKES_FD),
    Syscall("perf_event_open", None, LENIENT, MAKES_FD),
    Syscall("pidfd_getfd", None, LENIENT, MAKES_FD),
    Syscall("pidfd_open", None, LENIENT, MAKES_FD),
    Syscall("signalfd", None, LENIENT, MAKES_FD),
    Syscall("signalfd4", None, LENIENT, MAKES_FD),
    Syscall("socket", None, LENIENT, MAKES_FD),
    Syscall("socketpair", "int int int &fds", LENIENT),
    Syscall("timerfd_create", None, LENIENT, MAKES_FD),
]
# Every other call.
OTHER: Final = Syscall("", None, LENIENT)

# The rows by the names of their calls; and by all names.
CALLS: Final[dict[str, Syscall]] = {row.name: row for row in _ROWS}
ROWS: Final[dict[str, Syscall]] = CALLS | {name: row for row in _ROWS for name in row.aliases}

# Of these only some commands concern memory, or the descriptors and seals that memory calls depend
# on: by name, the argument that is the command, the bits of it that decide, and their values.
BY_COMMAND: Final[dict[str, tuple[int, int, frozenset[int]]]] = {
    "arch_prctl": (
        0,
        0xFFFFFFFF,
        frozenset((prctl.ARCH_MAP_VDSO_X32, prctl.ARCH_MAP_VDSO_32, prctl.ARCH_MAP_VDSO_64)),
    ),
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

# Those of prctl that set credentials, or filter calls.
CRED_COMMANDS: Final = frozenset(
    (
        prctl.PR_SET_KEEPCAPS,
        prctl.PR_CAPBSET_DROP,
        prctl.PR_SET_SECUREBITS,
        prctl.PR_CAP_AMBIENT,
        prctl.PR_SET_SECCOMP,
    )
)

# Calls that only a 32-bit x86 program makes: evidence of its ABI.
I386_ONLY: Final = frozenset(ROWS.keys() - CALLS.keys()) | frozenset(
    (
        "stat64",
        "lstat64",
        "fstat64",
        "fstatat64",
        "set_thread_area",
        "get_thread_area",
        "_llseek",
        "getuid32",
        "geteuid32",
        "getgid32",
        "getegid32",
        "clock_gettime64",
        "waitpid",
        "socketcall",
        "ipc",
        "sigreturn",
    )
)


def commands_match(name: str, args: tuple[int, ...]) -> bool:
    """Return whether a call's command is one of those in `BY_COMMAND`.

    True for a call without them.
    """
    checked = BY_COMMAND.get(name)
    if checked is None:
        return True
    index, mask, values = checked
    return args[index] & mask in values


def sets_credentials(name: str, args: tuple[int, ...]) -> bool:
    """Return whether a call sets credentials, or filters calls."""
    if name == "prctl":
        return args[0] & 0xFFFFFFFF in CRED_COMMANDS
    return row_of(name).family & CREDENTIALS != 0


def named(family: int) -> frozenset[str]:
    """Return the names of all calls of a family."""
    return frozenset(name for name, row in CALLS.items() if row.family & family)


def row_of(name: str) -> Syscall:
    """Return what is known of a call, by any of its names."""
    return ROWS.get(name, OTHER)
