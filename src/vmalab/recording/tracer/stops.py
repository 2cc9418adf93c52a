# SPDX-License-Identifier: GPL-2.0-or-later
"""Which system calls a recorder stops at, by number, and what it does about each.

What is traced is what a replay follows: calls on memory, descriptors, tasks, limits and
credentials.
"""

from typing import Final

from vmalab.calls import table
from vmalab.calls.symbols import NUMBER_OF_SYSCALL, SYSCALL_OF_NUMBER
from vmalab.calls.table import (
    BY_COMMAND,
    CALLS,
    CLOSES,
    CRED_COMMANDS,
    KEEPS_VMAS,
    LOOKS,
    MAKES_FD,
    MEMORY,
    SOMETIMES_MEMORY,
    named,
)

# All that the table has, but for calls that only look at limits, which happens often.
TRACED: Final = frozenset(
    name
    for name, row in CALLS.items()
    if (row.strict >= 0 or row.family & MAKES_FD or row.index("&fds") >= 0)
    and not (row.family & LOOKS and not row.family & MEMORY)
)
TRACED_NUMBERS: Final = frozenset(
    number for number, name in SYSCALL_OF_NUMBER.items() if name in TRACED
)


# Of these only some commands are traced: number -> (argument, mask, values).
TRACED_COMMANDS: Final = {
    number: BY_COMMAND[name] for number, name in SYSCALL_OF_NUMBER.items() if name in BY_COMMAND
}
_PRCTL: Final = NUMBER_OF_SYSCALL["prctl"]

# Calls that change an address space, or copy it: of the threads that share one, one at a time.
# Those that only look are here too, so that what they see is what the log says came before.
ORDERED: Final = frozenset(
    name
    for name, row in CALLS.items()
    if row.family & (SOMETIMES_MEMORY | table.EXECS | CLOSES)
    or (row.family & MEMORY and not row.family & KEEPS_VMAS)
)
FORKS: Final = named(table.FORKS)
EXECS: Final = named(table.EXECS)
ENDS: Final = named(table.ENDS)
CLOSERS: Final = named(CLOSES)


def is_traced(number: int, args: tuple[int, ...]) -> bool:
    """Return whether a call is of interest."""
    if number not in TRACED_NUMBERS:
        return False
    checked = TRACED_COMMANDS.get(number)
    if checked is None or (number == _PRCTL and args[0] & 0xFFFFFFFF in CRED_COMMANDS):
        return True
    index, mask, values = checked
    return args[index] & mask in values
