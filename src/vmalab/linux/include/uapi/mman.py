# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of mmap(2) and its family: protections, mapping flags, advice.

Mirrors: asm-generic/mman-common.h, asm-generic/mman.h, linux/mman.h, asm/mman.h (x86).
Values of x86-64 Linux up to 7.3; an older kernel does not know them all.
"""

from typing import Final

# Protections: mmap, mprotect, pkey_mprotect. GROWSDOWN and GROWSUP are requests of mprotect only.
PROT_NONE: Final = 0x0
PROT_READ: Final = 0x1
PROT_WRITE: Final = 0x2
PROT_EXEC: Final = 0x4
PROT_SEM: Final = 0x8
PROT_GROWSDOWN: Final = 0x1000000
PROT_GROWSUP: Final = 0x2000000

# The type of a mapping, one of these in the bits of MAP_TYPE (MAP_FILE is a no-op of old).
MAP_SHARED: Final = 0x1
MAP_PRIVATE: Final = 0x2
MAP_SHARED_VALIDATE: Final = 0x3
MAP_DROPPABLE: Final = 0x8
MAP_TYPE: Final = 0xF
MAP_FILE: Final = 0x0

# Flags of mmap.
MAP_FIXED: Final = 0x10
MAP_ANONYMOUS: Final = 0x20
MAP_ANON: Final = 0x20
MAP_32BIT: Final = 0x40
MAP_ABOVE4G: Final = 0x80
MAP_GROWSDOWN: Final = 0x100
MAP_DENYWRITE: Final = 0x800
MAP_EXECUTABLE: Final = 0x1000
MAP_LOCKED: Final = 0x2000
MAP_NORESERVE: Final = 0x4000
MAP_POPULATE: Final = 0x8000
MAP_NONBLOCK: Final = 0x10000
MAP_STACK: Final = 0x20000
MAP_HUGETLB: Final = 0x40000
MAP_SYNC: Final = 0x80000
MAP_FIXED_NOREPLACE: Final = 0x100000
MAP_UNINITIALIZED: Final = 0x4000000

# The size of a huge page: log2 of it, in bits 26 to 31 of the flags of mmap.
MAP_HUGE_SHIFT: Final = 26
MAP_HUGE_MASK: Final = 0x3F
MAP_HUGE_16KB: Final = 0x38000000
MAP_HUGE_64KB: Final = 0x40000000
MAP_HUGE_512KB: Final = 0x4C000000
MAP_HUGE_1MB: Final = 0x50000000
MAP_HUGE_2MB: Final = 0x54000000
MAP_HUGE_8MB: Final = 0x5C000000
MAP_HUGE_16MB: Final = 0x60000000
MAP_HUGE_32MB: Final = 0x64000000
MAP_HUGE_256MB: Final = 0x70000000
MAP_HUGE_512MB: Final = 0x74000000
MAP_HUGE_1GB: Final = 0x78000000
MAP_HUGE_2GB: Final = 0x7C000000
MAP_HUGE_16GB: Final = 0x88000000

# Flags of mremap.
MREMAP_MAYMOVE: Final = 0x1
MREMAP_FIXED: Final = 0x2
MREMAP_DONTUNMAP: Final = 0x4

# Flags of mlockall and of mlock2.
MCL_CURRENT: Final = 0x1
MCL_FUTURE: Final = 0x2
MCL_ONFAULT: Final = 0x4
MLOCK_ONFAULT: Final = 0x1

# Flags of msync.
MS_ASYNC: Final = 0x1
MS_INVALIDATE: Final = 0x2
MS_SYNC: Final = 0x4

# Advice of madvise and process_madvise.
MADV_NORMAL: Final = 0
MADV_RANDOM: Final = 1
MADV_SEQUENTIAL: Final = 2
MADV_WILLNEED: Final = 3
MADV_DONTNEED: Final = 4
MADV_FREE: Final = 8
MADV_REMOVE: Final = 9
MADV_DONTFORK: Final = 10
MADV_DOFORK: Final = 11
MADV_HWPOISON: Final = 100
MADV_SOFT_OFFLINE: Final = 101
MADV_MERGEABLE: Final = 12
MADV_UNMERGEABLE: Final = 13
MADV_HUGEPAGE: Final = 14
MADV_NOHUGEPAGE: Final = 15
MADV_DONTDUMP: Final = 16
MADV_DODUMP: Final = 17
MADV_WIPEONFORK: Final = 18
MADV_KEEPONFORK: Final = 19
MADV_COLD: Final = 20
MADV_PAGEOUT: Final = 21
MADV_POPULATE_READ: Final = 22
MADV_POPULATE_WRITE: Final = 23
MADV_DONTNEED_LOCKED: Final = 24
MADV_COLLAPSE: Final = 25
MADV_GUARD_INSTALL: Final = 102
MADV_GUARD_REMOVE: Final = 103

# Rights of a protection key, as pkey_alloc takes them.
PKEY_UNRESTRICTED: Final = 0x0
PKEY_DISABLE_ACCESS: Final = 0x1
PKEY_DISABLE_WRITE: Final = 0x2
PKEY_ACCESS_MASK: Final = 0x3
PKEY_DISABLE_EXECUTE: Final = 0x4

# Flags of map_shadow_stack.
SHADOW_STACK_SET_TOKEN: Final = 0x1
SHADOW_STACK_SET_MARKER: Final = 0x2

# Values of vm.overcommit_memory.
OVERCOMMIT_GUESS: Final = 0
OVERCOMMIT_ALWAYS: Final = 1
OVERCOMMIT_NEVER: Final = 2
