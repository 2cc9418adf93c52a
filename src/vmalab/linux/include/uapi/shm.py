# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of System V shared memory.

Mirrors: linux/shm.h, linux/ipc.h.
Values of x86-64 Linux up to 7.3; an older kernel does not know them all.
"""

from typing import Final

# Keys, flags and commands of every System V IPC call.
IPC_PRIVATE: Final = 0
IPC_CREAT: Final = 0o1000
IPC_EXCL: Final = 0o2000
IPC_NOWAIT: Final = 0o4000

# Commands.
IPC_RMID: Final = 0
IPC_SET: Final = 1
IPC_STAT: Final = 2
IPC_INFO: Final = 3
IPC_64: Final = 256

# Flags of shmget, with the mode in the low nine bits.
SHM_R: Final = 0o400
SHM_W: Final = 0o200
SHM_HUGETLB: Final = 0o4000
SHM_NORESERVE: Final = 0o10000

# The log2 of a huge page size, in bits 26 to 31 of the flags of shmget.
SHM_HUGE_SHIFT: Final = 0x1A
SHM_HUGE_MASK: Final = 0x3F
SHM_HUGE_64KB: Final = 0x40000000
SHM_HUGE_512KB: Final = 0x4C000000
SHM_HUGE_1MB: Final = 0x50000000
SHM_HUGE_2MB: Final = 0x54000000
SHM_HUGE_8MB: Final = 0x5C000000
SHM_HUGE_16MB: Final = 0x60000000
SHM_HUGE_32MB: Final = 0x64000000
SHM_HUGE_256MB: Final = 0x70000000
SHM_HUGE_512MB: Final = 0x74000000
SHM_HUGE_1GB: Final = 0x78000000
SHM_HUGE_2GB: Final = 0x7C000000
SHM_HUGE_16GB: Final = 0x88000000

# Flags of shmat.
SHM_RDONLY: Final = 0o10000
SHM_RND: Final = 0o20000
SHM_REMAP: Final = 0o40000
SHM_EXEC: Final = 0o100000

# Commands of shmctl.
SHM_LOCK: Final = 11
SHM_UNLOCK: Final = 12
SHM_STAT: Final = 13
SHM_INFO: Final = 14
SHM_STAT_ANY: Final = 15

# What SHM_RND rounds an address down to, in bytes.
SHMLBA: Final = 4096
