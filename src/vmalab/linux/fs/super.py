# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices of file systems that have none: the numbers that maps shows of their files.

Mirrors get_anon_bdev() of fs/super.c (v6.18).
"""

from typing import Final

from vmalab.linux.lib.idr import Ida

# Numbers below belong to file systems whose number is a constant here (SHMEM_DEV and others).
FIRST_UNNAMED: Final = 0x21
LAST_UNNAMED: Final = (1 << 20) - 1


def get_anon_bdev(unnamed_dev_ida: Ida) -> str:
    """Return the device of another such file system, as maps prints it; "" when all are taken."""
    minor = unnamed_dev_ida.alloc_range(FIRST_UNNAMED, LAST_UNNAMED)
    return "" if minor < 0 else f"00:{minor:02x}"
