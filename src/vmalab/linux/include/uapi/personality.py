# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of personality(2).

Mirrors: linux/personality.h.
Values of x86-64 Linux up to 7.3; an older kernel does not know them all.
"""

from typing import Final

# Bugs and limits to emulate: bits.
UNAME26: Final = 0x20000
ADDR_NO_RANDOMIZE: Final = 0x40000
FDPIC_FUNCPTRS: Final = 0x80000
MMAP_PAGE_ZERO: Final = 0x100000
ADDR_COMPAT_LAYOUT: Final = 0x200000
READ_IMPLIES_EXEC: Final = 0x400000
ADDR_LIMIT_32BIT: Final = 0x800000
SHORT_INODE: Final = 0x1000000
WHOLE_SECONDS: Final = 0x2000000
STICKY_TIMEOUTS: Final = 0x4000000
ADDR_LIMIT_3GB: Final = 0x8000000

# Bits that an exec of a set-uid program clears, and the mask of the personality proper.
PER_CLEAR_ON_SETID: Final = 0x740000
PER_MASK: Final = 0xFF

# Personalities.
PER_LINUX: Final = 0x0
PER_LINUX_32BIT: Final = 0x800000
PER_LINUX_FDPIC: Final = 0x80000
PER_SVR4: Final = 0x4100001
PER_SVR3: Final = 0x5000002
PER_SCOSVR3: Final = 0x7000003
PER_OSR5: Final = 0x6000003
PER_WYSEV386: Final = 0x5000004
PER_ISCR4: Final = 0x4000005
PER_BSD: Final = 0x6
PER_SUNOS: Final = 0x4000006
PER_XENIX: Final = 0x5000007
PER_LINUX32: Final = 0x8
PER_LINUX32_3GB: Final = 0x8000008
PER_IRIX32: Final = 0x4000009
PER_IRIXN32: Final = 0x400000A
PER_IRIX64: Final = 0x400000B
PER_RISCOS: Final = 0xC
PER_SOLARIS: Final = 0x400000D
PER_UW7: Final = 0x410000E
PER_OSF4: Final = 0xF
