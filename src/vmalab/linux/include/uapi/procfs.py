# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of the ioctl of /proc/PID/maps.

The source is the user API header linux/fs.h (6.18).
"""

from typing import Final

# _IOWR('f', 17, struct procmap_query)
PROCMAP_QUERY: Final = 0xC0686611

PROCMAP_QUERY_VMA_READABLE: Final = 0x01
PROCMAP_QUERY_VMA_WRITABLE: Final = 0x02
PROCMAP_QUERY_VMA_EXECUTABLE: Final = 0x04
PROCMAP_QUERY_VMA_SHARED: Final = 0x08
PROCMAP_QUERY_COVERING_OR_NEXT_VMA: Final = 0x10
PROCMAP_QUERY_FILE_BACKED_VMA: Final = 0x20
PROCMAP_QUERY_VALID_FLAGS_MASK: Final = 0x3F

# Bytes of struct procmap_query, and of it up to query_addr: the least that a caller may give.
PROCMAP_QUERY_SIZE: Final = 104
PROCMAP_QUERY_SIZE_MIN: Final = 24
