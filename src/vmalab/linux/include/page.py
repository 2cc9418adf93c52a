# SPDX-License-Identifier: GPL-2.0-or-later
"""Page sizes, address-space limits of x86-64, and rounding to pages.

Addresses and lengths are in bytes, half-open; `PHYS_PFN` turns bytes into pages.  Source: arch/x86
asm/page_64_types.h and the sysctl documentation.
"""

from typing import Final

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 4096
PAGE_MASK: Final = -4096
PMD_SIZE: Final = 2097152
PMD_MASK: Final = -2097152

# The top of user space with four-level page tables: one page below 2^47.
TASK_SIZE_MAX: Final = 0x7FFFFFFFF000
DEFAULT_MAP_WINDOW: Final = 0x7FFFFFFFF000
TASK_SIZE_5LEVEL: Final = 0xFFFFFFFFFFF000
STACK_TOP_MAX: Final = 0x7FFFFFFFF000
# Addresses from here on are the kernel's.  Maps show one: the page of vsyscall, which is no VMA.
USER_END: Final = 1 << 63
# Pointers whose values are not known: one stand-in for each argument, of the kernel's addresses.
POINTER_UNKNOWN: Final = USER_END
NR_ARGUMENTS: Final = 6
# Where bottom-up searches begin when nothing randomises them: a third of the address space.
TASK_UNMAPPED_BASE: Final = 0x2AAAAAAAA000
# A 32-bit task's limits.
IA32_TASK_SIZE: Final = 0xFFFFE000
# With the personality ADDR_LIMIT_3GB.
IA32_TASK_SIZE_3GB: Final = 0xC0000000
# The window that MAP_32BIT searches.
MAP_32BIT_BEGIN: Final = 0x40000000
MAP_32BIT_END: Final = 0x80000000
SZ_4G: Final = 0x100000000

# Largest errno value: results in [-4095, -1] are errors.
MAX_ERRNO: Final = 4095
# Unsigned 64-bit wrap-around, done in plain ints at the system-call boundary only.
LONG_MAX: Final = 0x7FFFFFFFFFFFFFFF
ULONG_MAX: Final = 0xFFFFFFFFFFFFFFFF


def exceeds_ulong(value: int) -> bool:
    """Tell whether a sum of unsigned 64-bit numbers is too large to be one."""
    # The first comparison is what nearly always decides, and needs no big number.
    return value > TASK_SIZE_5LEVEL << 1 and value > ULONG_MAX


def wrapped_ulong(value: int) -> int:
    """Return a sum of unsigned 64-bit numbers as C's unsigned long holds it."""
    return value & ULONG_MAX if exceeds_ulong(value) else value


def is_pointer_unknown(value: int) -> bool:
    """Tell whether a register holds no address, only that there is one."""
    return POINTER_UNKNOWN <= value < POINTER_UNKNOWN + NR_ARGUMENTS


def page_align_ulong(length: int) -> int:
    """Round up as C's unsigned long does: a length near 2^64 becomes 0."""
    if length <= TASK_SIZE_5LEVEL:
        # What nearly always is asked needs no big numbers.
        return (length + 4095) & -4096
    return (length + 4095) & 0xFFFFFFFFFFFFF000


def align_ulong(length: int, size: int) -> int:
    """Round up to a power of two as C's unsigned long does: a length near 2^64 becomes 0."""
    return (length + size - 1) & ULONG_MAX & -size
