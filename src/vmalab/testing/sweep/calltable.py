# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments for every call of the call table, and layouts to make the calls in.

A sweep or a random walk over "all calls" means these: a test holds that no call of the table is
left out.  Addresses are those of `LAYOUTS`, whose VMAs lie in pages 100 to 140.
"""

from dataclasses import dataclass, field
from typing import Final

from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE

BASE: Final = 0x100 << PAGE_SHIFT
MINUS_1: Final = 2**64 - 1
# Within one VMA, its first part, beyond its end, over several and holes, far away.
RANGES: Final = ((0x104, 0x10C), (0x100, 0x108), (0x10C, 0x118), (0x100, 0x140), (0x200, 0x208))

LAYOUTS: Final = {
    "one": """
  T = rw-p a1
  pages   100      110   120   130      140
  layout  |TTTTTTTTTTTTTTTTTTTTTTTTTTTTT|
""",
    "neighbours": """
  T = rw-p a1
  A = rw-p
  R = r--p
  D = rw-p a2
  pages   100      110   120   130      140
  layout  |TTTTTTTT|AAAAA|RRRRR|DDDDDDDD|
""",
    "holes": """
  T = rw-p a1
  U = rw-p a2
  pages   100      110   120   130      140
  layout  |TTTTTTTT|     |UUUUU|
""",
    "files": """
  F = rw-p file:lib a1
  S = rw-s file:shm
  C = r--p file:dev close
  pages   100      110   120   130      140
  layout  |FFFFFFFF|SSSSS|CCCCC|FFFFFFFF|
""",
    "special": """
  L = rw-p lo a1
  P = rw-p policy:bind0 a2
  U = rw-p um uffd:u a3
  N = rw-p name:arena a4
  pages   100      110   120   130      140
  layout  |LLLLLLLL|PPPPP|UUUUU|NNNNNNNN|
""",
    "child": """
  K = rw-p a2<a1
  T = rw-p a3
  pages   100      110   120   130      140
  layout  |KKKKKKKK|TTTTT|KKKKK|
""",
    "crowd": """
  T = rw-p a1
  A = rw-p
  pages   100      110   120   130      140
  layout  |TTTTTTTT|     |AAAAA|
""",
}
# More VMAs around a layout, so that the tree has to split its nodes.
CROWDS: Final = {"crowd": (31, 0x300)}


@dataclass(frozen=True, slots=True)
class Arguments:
    """Registers of one call and the memory behind them; `file`: descriptor 0 is an open file."""

    args: tuple[int, ...] = ()
    mem: dict[int, object] = field(default_factory=dict)
    file: bool = False


def over_ranges(*rest: int) -> list[Arguments]:
    """Return a start and a length, in bytes, and then the rest, for each of `RANGES`."""
    return [
        Arguments((start << PAGE_SHIFT, (end - start) << PAGE_SHIFT, *rest))
        for start, end in RANGES
    ]


def all_of(*several: list[Arguments]) -> list[Arguments]:
    """Several lists as one."""
    return [one for arguments in several for one in arguments]


def mremaps() -> list[Arguments]:
    """Growing, shrinking, moving to a free and to a taken place, leaving the source."""
    found = []
    for start, end in RANGES[:3]:
        length = (end - start) << PAGE_SHIFT
        found += [
            Arguments((start << PAGE_SHIFT, length, length + 0x4000, 1)),
            Arguments((start << PAGE_SHIFT, length, length - 0x2000, 0)),
            Arguments((start << PAGE_SHIFT, length, length, 3, 0x210 << PAGE_SHIFT)),
            Arguments((start << PAGE_SHIFT, length, length, 3, 0x124 << PAGE_SHIFT)),
            Arguments((start << PAGE_SHIFT, length, length, 7, 0x210 << PAGE_SHIFT)),
        ]
    return found


ANON: Final = 0x22
ARGUMENTS: Final[dict[str, list[Arguments]]] = {
    "arch_prctl": [Arguments((0x1002, BASE))],
    "brk": [Arguments((0,)), Arguments((0x400 << PAGE_SHIFT,))],
    "cachestat": [Arguments((0, 0, BASE, 0), {1: {"off": 0, "len": PAGE_SIZE}}, file=True)],
    "chdir": [Arguments((BASE,), {0: "/dev/shm"})],
    "capset": [
        Arguments(
            (BASE, BASE),
            {
                0: {"version": 0x20080522, "pid": 0},
                1: {"effective": 1, "permitted": 1, "inheritable": 0},
            },
        )
    ],
    "clone": [Arguments((0x11,)), Arguments((0x100 | 0x11,))],
    "clone3": [Arguments((BASE, 88), {0: {"flags": 0, "exit_signal": 17}})],
    "close": [Arguments((0,), file=True), Arguments((7,))],
    "close_range": [Arguments((0, 9, 0), file=True)],
    "creat": [Arguments((BASE, 0o600), {0: "/dev/shm/f"})],
    "dup": [Arguments((0,), file=True)],
    "dup2": [Arguments((0, 5), file=True)],
    "dup3": [Arguments((0, 5, 0), file=True)],
    "execve": [
        Arguments((BASE, BASE, 0), {0: path, 1: ["prog"]})
        for path in ("/bin/static", "/bin/dynamic")
    ],
    "execveat": [Arguments((MINUS_1 - 99, BASE, BASE, 0, 0), {1: "/bin/static", 2: ["prog"]})],
    "exit": [Arguments((0,))],
    "exit_group": [Arguments((0,))],
    "fallocate": [Arguments((0, 3, 0, 0x4000), file=True), Arguments((0, 0, 0, 0x4000), file=True)],
    "fchdir": [Arguments((0,))],
    "fcntl": [Arguments((0, 0, 3), file=True), Arguments((0, 1033, 8), file=True)],
    "fork": [Arguments()],
    "ftruncate": [Arguments((0, 0x2000), file=True), Arguments((0, 0x200000), file=True)],
    "get_mempolicy": [Arguments((0, 0, 0, BASE, 2)), Arguments((0, 0, 0, 0, 4))],
    "getrlimit": [Arguments((7, BASE))],
    "io_destroy": [Arguments((BASE,))],
    "io_setup": [Arguments((64, BASE))],
    "io_uring_setup": [Arguments((8, BASE), {1: {"flags": 0}})],
    "ioctl": [Arguments((0, 0xC018AA3F, BASE), {2: {"api": 0xAA, "features": 0}}, file=True)],
    "link": [Arguments((BASE, BASE), {0: "/dev/shm/f", 1: "/dev/shm/g"})],
    "linkat": [
        Arguments((MINUS_1 - 99, BASE, MINUS_1 - 99, BASE, 0), {1: "/dev/shm/f", 3: "/dev/shm/g"})
    ],
    "madvise": all_of(
        *(over_ranges(advice) for advice in (0, 4, 8, 9, 10, 12, 14, 15, 16, 18, 22, 23, 102, 103))
    ),
    "map_shadow_stack": [
        Arguments((0, PAGE_SIZE, 0)),
        Arguments((0x200 << PAGE_SHIFT, PAGE_SIZE, 1)),
    ],
    "mbind": all_of(
        [
            Arguments((start << PAGE_SHIFT, (end - start) << PAGE_SHIFT, mode, 0, 64, 0), {3: [1]})
            for start, end in RANGES
            for mode in (0, 1, 2)
        ]
    ),
    "memfd_create": [Arguments((BASE, 0), {0: "m"})],
    "memfd_secret": [Arguments((0,))],
    "migrate_pages": [Arguments((0, 64, 0, 0), {2: [1], 3: [1]})],
    "mincore": over_ranges(0x110 << PAGE_SHIFT),
    "mlock": over_ranges(),
    "mlock2": over_ranges(1),
    "mlockall": [Arguments((1,)), Arguments((2,)), Arguments((3,)), Arguments((5,))],
    "mmap": all_of(
        over_ranges(3, ANON | 0x10, MINUS_1, 0),
        over_ranges(1, ANON | 0x10, MINUS_1, 0),
        over_ranges(3, 0x31, MINUS_1, 0),
        over_ranges(3, ANON | 0x8010, MINUS_1, 0),
        [Arguments((0, 0x4000, 3, ANON, MINUS_1, 0)), Arguments((0, 0x4000, 3, 1), file=True)],
        [Arguments((0x108 << PAGE_SHIFT, 0x4000, 3, 0x12), file=True)],
        [Arguments((0x1F0 << PAGE_SHIFT, 0x4000, 3, 0x122 | 0x10, MINUS_1, 0))],
    ),
    "move_pages": [Arguments((0, 1, BASE, 0, BASE, 0), {2: [BASE]})],
    "mprotect": all_of(over_ranges(1), over_ranges(3), over_ranges(0)),
    "mremap": mremaps(),
    "mseal": over_ranges(0),
    "msync": over_ranges(4),
    "munlock": over_ranges(),
    "munlockall": [Arguments()],
    "munmap": over_ranges(),
    "open": [Arguments((BASE, 0x42, 0o600), {0: "/dev/shm/f"})],
    "openat": [Arguments((MINUS_1 - 99, BASE, 0x42, 0o600), {1: "/dev/shm/f"})],
    "openat2": [Arguments((MINUS_1 - 99, BASE, BASE, 24), {1: "/dev/shm/f", 2: {"flags": 0x42}})],
    "personality": [Arguments((0xFFFFFFFF,))],
    "pidfd_open": [Arguments((100, 0))],
    "pkey_alloc": [Arguments((0, 0))],
    "pkey_free": [Arguments((1,))],
    "pkey_mprotect": over_ranges(1, MINUS_1),
    "prctl": [
        Arguments(
            (0x53564D41, 0, start << PAGE_SHIFT, (end - start) << PAGE_SHIFT, BASE), {4: "heap"}
        )
        for start, end in RANGES
    ]
    + [Arguments((67, 1)), Arguments((68, 1)), Arguments((65, 1)), Arguments((41, 1))],
    "prlimit64": [Arguments((0, 9, BASE, 0), {2: {"rlim_cur": 1 << 30, "rlim_max": 1 << 30}})],
    "process_madvise": [
        Arguments((0, BASE, 1, 4, 0), {1: [{"iov_base": BASE, "iov_len": PAGE_SIZE}]})
    ],
    "remap_file_pages": [Arguments((0x110 << PAGE_SHIFT, 0x2000, 0, 3, 0))],
    "rename": [Arguments((BASE, BASE), {0: "/dev/shm/f", 1: "/dev/shm/g"})],
    "renameat": [
        Arguments((MINUS_1 - 99, BASE, MINUS_1 - 99, BASE), {1: "/dev/shm/f", 3: "/dev/shm/g"})
    ],
    "renameat2": [
        Arguments((MINUS_1 - 99, BASE, MINUS_1 - 99, BASE, 2), {1: "/dev/shm/f", 3: "/dev/shm/g"})
    ],
    "seccomp": [Arguments((1, 0, BASE))],
    "set_mempolicy": [Arguments((2, 0, 64), {1: [1]}), Arguments((0, 0, 0))],
    "set_mempolicy_home_node": [
        Arguments((start << PAGE_SHIFT, (end - start) << PAGE_SHIFT, 0, 0)) for start, end in RANGES
    ],
    "setfsgid": [Arguments((5,))],
    "setfsuid": [Arguments((5,))],
    "setgid": [Arguments((5,))],
    "setgroups": [Arguments((1, BASE), {1: [5]})],
    "setns": [Arguments((0, 0x10000000))],
    "setregid": [Arguments((5, 5))],
    "setresgid": [Arguments((5, 5, 5))],
    "setresuid": [Arguments((5, 5, 5))],
    "setreuid": [Arguments((5, 5))],
    "setrlimit": [Arguments((7, BASE), {1: {"rlim_cur": 64, "rlim_max": 64}})],
    "setuid": [Arguments((5,))],
    "shmat": [Arguments((0, 0, 0)), Arguments((7, BASE, 0o40000))],
    "shmctl": [Arguments((0, 0, 0)), Arguments((0, 2, BASE))],
    "shmdt": [Arguments((BASE,))],
    "shmget": [Arguments((0, 0x4000, 0o1600))],
    "truncate": [Arguments((BASE, 0x1000), {0: "/dev/shm/f"})],
    "unlink": [Arguments((BASE,), {0: "/dev/shm/f"})],
    "unlinkat": [Arguments((MINUS_1 - 99, BASE, 0), {1: "/dev/shm/f"})],
    "unshare": [Arguments((0x400,))],
    "userfaultfd": [Arguments((0x80000,))],
    "vfork": [Arguments()],
    "write": [Arguments((0, BASE, 1), {1: "4"})],
}
