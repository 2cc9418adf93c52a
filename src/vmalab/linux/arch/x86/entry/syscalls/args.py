# SPDX-License-Identifier: GPL-2.0-or-later
"""What a system call is given: six registers, and the user memory that they point to."""

from typing import Final, final

from mypy_extensions import mypyc_attr

# "The argument is not there": no register holds it.
NO_NUMBER: Final = -1


@final
@mypyc_attr(native_class=True, acyclic=True, free_list_len=1)
class SyscallArgs:
    """The arguments of one call: ints as an unsigned 64-bit register holds them.

    `mem` is the memory behind pointers, by the number of the argument: a str for a string, a dict
    for a structure, a list for an array.
    """

    def __init__(
        self, a0: int, a1: int, a2: int, a3: int, a4: int, a5: int, mem: dict[int, object] | None
    ) -> None:
        self.a0: int = a0
        self.a1: int = a1
        self.a2: int = a2
        self.a3: int = a3
        self.a4: int = a4
        self.a5: int = a5
        self.mem: dict[int, object] | None = mem

    def text(self, index: int) -> str | None:
        """Return the string behind an argument, None when it is not known."""
        value = None if self.mem is None else self.mem.get(index)
        if isinstance(value, bytes):
            return value.decode("utf-8", "surrogateescape")
        return value if isinstance(value, str) else None

    def field(self, index: int, name: str) -> int:
        """Return a number in the structure behind an argument, NO_NUMBER when it is not known."""
        struct = None if self.mem is None else self.mem.get(index)
        if not isinstance(struct, dict):
            return NO_NUMBER
        value = struct.get(name)
        return value if isinstance(value, int) and value >= 0 else NO_NUMBER


def args_of(registers: tuple[int, ...], mem: dict[int, object] | None) -> SyscallArgs:
    """Return the arguments that are in six registers."""
    a0, a1, a2, a3, a4, a5 = registers
    return SyscallArgs(a0, a1, a2, a3, a4, a5, mem)


def as_uint(value: int) -> int:
    """Return an argument declared `unsigned int`: a descriptor, a command."""
    return value & 0xFFFFFFFF


def as_int(value: int) -> int:
    """Return an argument declared `int`: an id, flags."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value
