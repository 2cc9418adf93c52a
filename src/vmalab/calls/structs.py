# SPDX-License-Identifier: GPL-2.0-or-later
"""The members of the structures that calls point to, in their order; each has 64 bits.

Those of `rlimit` have 32 in a 32-bit program.
"""

from typing import Final

from vmalab.linux.include.uapi import userfaultfd

_RLIMIT: Final = ("rlim_cur", "rlim_max")
_RANGE: Final = ("start", "len")
_OVER_RANGE: Final = ("range", "mode")
_COPY: Final = ("dst", "src", "len", "mode")

# By the name that kinds of arguments have for them.
STRUCTS: Final[dict[str, tuple[str, ...]]] = {
    "&rlimit": _RLIMIT,
    "&rlimit64": _RLIMIT,
    "&open_how": ("flags", "mode", "resolve"),
    "&clone_args": (
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
    ),
}

# By the request of a userfaultfd's ioctl. What the kernel answers in a last member is left out;
# "range" stands for the two members of a range.
UFFDIO: Final[dict[int, tuple[str, ...]]] = {
    userfaultfd.UFFDIO_API: ("api", "features"),
    userfaultfd.UFFDIO_REGISTER: _OVER_RANGE,
    userfaultfd.UFFDIO_UNREGISTER: _RANGE,
    userfaultfd.UFFDIO_WAKE: _RANGE,
    userfaultfd.UFFDIO_COPY: _COPY,
    userfaultfd.UFFDIO_MOVE: _COPY,
    userfaultfd.UFFDIO_ZEROPAGE: _OVER_RANGE,
    userfaultfd.UFFDIO_WRITEPROTECT: _OVER_RANGE,
    userfaultfd.UFFDIO_CONTINUE: _OVER_RANGE,
    userfaultfd.UFFDIO_POISON: _OVER_RANGE,
    userfaultfd.UFFDIO_RWPROTECT: _OVER_RANGE,
    userfaultfd.UFFDIO_SET_MODE: ("enable", "disable"),
}
