# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of memfd_create(2).

Mirrors: linux/memfd.h.
Values of x86-64 Linux up to 7.3; an older kernel does not know them all.
"""

from typing import Final

# Flags; the log2 of a huge page size is in bits 26 to 31.
MFD_CLOEXEC: Final = 0x1
MFD_ALLOW_SEALING: Final = 0x2
MFD_HUGETLB: Final = 0x4
MFD_NOEXEC_SEAL: Final = 0x8
MFD_EXEC: Final = 0x10

# Huge page sizes.
MFD_HUGE_SHIFT: Final = 0x1A
MFD_HUGE_MASK: Final = 0x3F
MFD_HUGE_64KB: Final = 0x40000000
MFD_HUGE_512KB: Final = 0x4C000000
MFD_HUGE_1MB: Final = 0x50000000
MFD_HUGE_2MB: Final = 0x54000000
MFD_HUGE_8MB: Final = 0x5C000000
MFD_HUGE_16MB: Final = 0x60000000
MFD_HUGE_32MB: Final = 0x64000000
MFD_HUGE_256MB: Final = 0x70000000
MFD_HUGE_512MB: Final = 0x74000000
MFD_HUGE_1GB: Final = 0x78000000
MFD_HUGE_2GB: Final = 0x7C000000
MFD_HUGE_16GB: Final = 0x88000000
