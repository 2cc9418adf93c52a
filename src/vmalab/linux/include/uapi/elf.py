# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers of the ELF format, as far as starting a program needs them.

The source is the user API header linux/elf.h; see elf(5).
"""

from typing import Final

ELFMAG: Final = b"\x7fELF"

# e_type
ET_EXEC: Final = 2
ET_DYN: Final = 3

# e_machine
EM_386: Final = 3
EM_486: Final = 6
EM_X86_64: Final = 62

# p_type
PT_LOAD: Final = 1
PT_INTERP: Final = 3
PT_GNU_STACK: Final = 0x6474E551

# p_flags
PF_X: Final = 1
PF_W: Final = 2
PF_R: Final = 4
