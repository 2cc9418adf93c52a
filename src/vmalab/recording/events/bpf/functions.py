# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions of the kernel that BPF programs call, by number.

Mirrors: include/uapi/linux/bpf.h.
"""

from typing import Final

LOOKUP: Final = 1
UPDATE: Final = 2
DELETE: Final = 3
KTIME: Final = 5
CPU: Final = 8
PID_TGID: Final = 14
OUTPUT: Final = 25
STACK: Final = 67
READ_USER: Final = 112
READ_KERNEL: Final = 113
READ_USER_STR: Final = 114
READ_KERNEL_STR: Final = 115
CURRENT: Final = 158
