# SPDX-License-Identifier: GPL-2.0-or-later
"""What our BPF programs write: the kinds of records and where each has its fields, in bytes.

All records begin alike: kind, thread, process (32 bits each), a word that depends on the kind, and
the time (CLOCK_MONOTONIC, nanoseconds).
"""

import mmap
import struct
from typing import Final

from vmalab.linux.include.uapi.prctl import PRCTL_MM_MAP_ADDRESSES

# Kinds of records.
CALL: Final = 1
CONTENTS: Final = 2
FILE: Final = 3
WRITTEN: Final = 4
GROWN: Final = 5
TASK: Final = 6
EXEC: Final = 7
VMA: Final = 8
VMAS: Final = 9
EXIT: Final = 10
KILLED: Final = 11
STACK: Final = 12

KIND: Final = 0
TID: Final = 4
TGID: Final = 8
WORD: Final = 12
TIME: Final = 16
HEAD: Final = 24
head: Final = struct.Struct("<4IQ")

# CALL, KILLED: its word is the call's number. What is kept of a thread begins with such a record,
# of which only as many arguments are written out as the call has. ENTERED is 0 where it decides
# nothing; the time of a call is when it ended, but when it got its lock where that is enough.
ENTERED: Final = 24
LOCKED: Final = 32
RESULT: Final = 40
FLAGS: Final = 48
NR_ARGS: Final = 52
ARGS: Final = 56
MOST_ARGS: Final = 6
CALL_SIZE: Final = ARGS + 8 * MOST_ARGS
call: Final = struct.Struct("<4I3Qq2I")
moments: Final = struct.Struct("<2Q")
# Where a thread's last page fault was, which has not been written out; 0: none.
FAULT: Final = 104
# Memory whose faults need not be written out, and while which state of the address space.
KNOWN_START: Final = 112
KNOWN_END: Final = 120
KNOWN_SEQUENCE: Final = 128
# Bits of FLAGS. A call is under way; a 32-bit program made it; memory could not be read at entry.
UNDER_WAY: Final = 1
COMPAT: Final = 2
UNREAD: Final = 4

# CONTENTS: its word is how many bytes follow.
ADDRESS: Final = 24
DATA: Final = 32
MAX_DATA: Final = 4096
# Where a thread's other records are put together, behind the call.
BUFFER: Final = 136
# Entries of the map of empty states: an empty one; one for looks; how many calls have failed with
# ENOMEM, in its first word.
ZERO_EMPTY: Final = 0
ZERO_LOOK: Final = 1
ZERO_FAILED: Final = 2
NR_ZERO: Final = 3
STATE_SIZE: Final = BUFFER + DATA + MAX_DATA

# FILE: what a descriptor stands for; its word is the flags of the open. Its size (bytes), its mode
# (0 where size and mount are not known), and flags of its mount. Then the name.
FILE_DEV: Final = 24
FILE_INODE: Final = 32
FILE_LENGTH: Final = 40
FILE_MODE: Final = 48
FILE_MOUNT: Final = 52
FILE_NAME: Final = 56
NAME_SIZE: Final = 128
FILE_SIZE: Final = FILE_NAME + NAME_SIZE
file: Final = struct.Struct("<4I4Q2I")

# STACK: registers at the entry of a call; where the chain of frame pointers leads, first how many
# bytes that takes, negative for none; and the memory from the stack pointer on: its word is how
# many bytes of that follow. perf events have the registers in the same order.
STACK_REGS: Final = 24
STACK_REG_NAMES: Final = ("bx", "bp", "sp", "ip", "r12", "r13", "r14", "r15")
STACK_CHAIN_SIZE: Final = STACK_REGS + 8 * len(STACK_REG_NAMES)
STACK_CHAIN: Final = STACK_CHAIN_SIZE + 8
STACK_CHAIN_MOST: Final = 64
STACK_DATA: Final = STACK_CHAIN + 8 * STACK_CHAIN_MOST
# The most that is copied, and what copying whole pages can take.
STACK_MOST: Final = 32760
STACK_ROOM: Final = 9 * mmap.PAGESIZE
# What is kept of each CPU: since when its stacks are counted, how many there were; and the record.
STACK_SINCE: Final = 0
STACK_COUNT: Final = 8
STACK_RECORD: Final = 16
STACK_SIZE: Final = STACK_RECORD + STACK_DATA + STACK_ROOM
stack: Final = struct.Struct("<4IQ8Qq")

# WRITTEN: private memory at an address has got a page of its own. GROWN: a fault there has let a
# stack grow.
FAULT_ADDRESS: Final = 24
FAULT_SIZE: Final = 32
fault: Final = struct.Struct("<4I2Q")

# TASK: a thread has made another; its word is the new thread's number.
CHILD_TGID: Final = 24
CLONE_FLAGS: Final = 32
TASK_LOCKED: Final = 40
TASK_SIZE: Final = 48
task: Final = struct.Struct("<4IQIIQQ")

# EXEC: its word is the number that the thread had before.
UID: Final = 24
CAPS: Final = 32
MM_FIELDS: Final = 40
MMAP_BASE: Final = MM_FIELDS + 8 * len(PRCTL_MM_MAP_ADDRESSES)
LIMITS: Final = MMAP_BASE + 8
NR_LIMITS: Final = 16
AUXV: Final = LIMITS + 16 * NR_LIMITS
AUXV_SIZE: Final = 384
EXEC_ARGS: Final = AUXV + AUXV_SIZE
EXEC_NAME: Final = EXEC_ARGS + 48
# The program that was loaded: of a script, its interpreter.
EXEC_FILE: Final = EXEC_NAME + 256
EXEC_SIZE: Final = EXEC_FILE + 256

# VMA: its word tells the kind of map. VMAS: the end of such a list: how many.
VM_START: Final = 24
VM_END: Final = 32
VM_FLAGS: Final = 40
VM_PGOFF: Final = 48
VM_DEV: Final = 56
# Bits: it has an anon_vma; it is chained to others too, those of the processes that forked it; its
# file has no place in a folder any more; or never had one, and the kernel makes a path for it.
VM_ANON: Final = 60
ANON: Final = 1
ANON_CHAIN: Final = 2
FILE_UNLINKED: Final = 4
FILE_PSEUDO: Final = 8
VM_INODE: Final = 64
VM_NAME: Final = 72
# What is the same for VMAs that share an anon_vma.
VM_TOKEN: Final = VM_NAME + NAME_SIZE
VMA_SIZE: Final = VM_TOKEN + 8
vma: Final = struct.Struct("<4IQ4QIIQ")
FIRST_MAP: Final = 0
LAST_MAP: Final = 1
LOOK_MAP: Final = 2
# The most VMAs of one look; where the next one is to begin is then at FAULT of its state.
LOOK_MOST: Final = 4096
VMAS_COUNT: Final = 24
VMAS_TOTAL: Final = 28
VMAS_BRK: Final = 64
VMAS_BASE: Final = 72
VMAS_SIZE: Final = 80
vmas: Final = struct.Struct("<4IQII6Q")

# EXIT: its word is how it ended, as wait() has it.
LIVE: Final = 24
EXIT_SIZE: Final = 32
exit: Final = struct.Struct("<4IQII")


def has_arguments(
    view: "mmap.mmap | memoryview | bytes | bytearray", offset: int, size: int
) -> bool:
    """Return whether a CALL, or KILLED, of so many bytes holds the arguments that it says."""
    count: int = call.unpack_from(view, offset)[-1]
    return count <= MOST_ARGS and ARGS + 8 * count <= size


def arguments(view: "mmap.mmap | memoryview | bytes", offset: int, count: int) -> tuple[int, ...]:
    """Return six arguments of a CALL, or KILLED; those that it has not are 0."""
    found = struct.unpack_from(f"<{count}Q", view, offset + ARGS)
    return (*found, *(0,) * (MOST_ARGS - count))
