# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of the NUMA policy calls: mbind(2), set_mempolicy(2) and their kin.

Mirrors: linux/mempolicy.h.
Values of x86-64 Linux up to 7.3; an older kernel does not know them all.
"""

from typing import Final

# Policies.
MPOL_DEFAULT: Final = 0
MPOL_PREFERRED: Final = 1
MPOL_BIND: Final = 2
MPOL_INTERLEAVE: Final = 3
MPOL_LOCAL: Final = 4
MPOL_PREFERRED_MANY: Final = 5
MPOL_WEIGHTED_INTERLEAVE: Final = 6
MPOL_MAX: Final = 7

# Flags ored to a policy.
MPOL_F_STATIC_NODES: Final = 0x8000
MPOL_F_RELATIVE_NODES: Final = 0x4000
MPOL_F_NUMA_BALANCING: Final = 0x2000
MPOL_MODE_FLAGS: Final = 0xE000
MPOL_USER_NODEMASK_FLAGS: Final = 0xC000

# Flags of get_mempolicy.
MPOL_F_NODE: Final = 0x1
MPOL_F_ADDR: Final = 0x2
MPOL_F_MEMS_ALLOWED: Final = 0x4

# Flags of mbind.
MPOL_MF_STRICT: Final = 0x1
MPOL_MF_MOVE: Final = 0x2
MPOL_MF_MOVE_ALL: Final = 0x4
MPOL_MF_LAZY: Final = 0x8
MPOL_MF_INTERNAL: Final = 0x10
MPOL_MF_VALID: Final = 0x7

# Flags inside the kernel.
MPOL_F_SHARED: Final = 0x1
MPOL_F_MOF: Final = 0x8
MPOL_F_MORON: Final = 0x10
