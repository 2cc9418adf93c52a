# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of getrlimit(2), setrlimit(2) and prlimit(2).

Mirrors: asm-generic/resource.h, linux/resource.h.
Values of x86-64 Linux up to 7.3; an older kernel does not know them all.
"""

from typing import Final

# Resources.
RLIMIT_CPU: Final = 0
RLIMIT_FSIZE: Final = 1
RLIMIT_DATA: Final = 2
RLIMIT_STACK: Final = 3
RLIMIT_CORE: Final = 4
RLIMIT_RSS: Final = 5
RLIMIT_NPROC: Final = 6
RLIMIT_NOFILE: Final = 7
RLIMIT_MEMLOCK: Final = 8
RLIMIT_AS: Final = 9
RLIMIT_LOCKS: Final = 10
RLIMIT_SIGPENDING: Final = 11
RLIMIT_MSGQUEUE: Final = 12
RLIMIT_NICE: Final = 13
RLIMIT_RTPRIO: Final = 14
RLIMIT_RTTIME: Final = 15
RLIM_NLIMITS: Final = 16

# "No limit", as the calls take it.
RLIM_INFINITY: Final = 0xFFFF_FFFF_FFFF_FFFF
RLIM64_INFINITY: Final = 0xFFFF_FFFF_FFFF_FFFF
