# SPDX-License-Identifier: GPL-2.0-or-later
"""Puts BPF instructions together: one method an instruction, labels for jumps.

Mirrors: Documentation/bpf/standardization/instruction-set.rst.
"""

import struct
from typing import Final

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, FP = range(11)

_INSN: Final = struct.Struct("<BBhi")
# Sizes of loads and stores, by bytes.
_SIZES: Final = {8: 0x18, 4: 0x00, 2: 0x08, 1: 0x10}
_LDX: Final = 0x61
_ST: Final = 0x62
_STX: Final = 0x63
_CALL: Final = 0x85
_EXIT: Final = 0x95
_JA: Final = 0x05
_MOV: Final = 0xB0
_ALU64: Final = 0x07
_JMP: Final = 0x05
_OPS: Final = {
    "add": 0x00,
    "sub": 0x10,
    "mul": 0x20,
    "or": 0x40,
    "and": 0x50,
    "lsh": 0x60,
    "rsh": 0x70,
    "xor": 0xA0,
}
_TESTS: Final = {
    "==": 0x10,
    ">": 0x20,
    ">=": 0x30,
    "&": 0x40,
    "!=": 0x50,
    "s>": 0x60,
    "<": 0xA0,
    "<=": 0xB0,
    "s<": 0xC0,
}
_BY_REGISTER: Final = 0x08
_PSEUDO_MAP_FD: Final = 1
_PSEUDO_KFUNC_CALL: Final = 2


class Assembler:
    """One program in the making."""

    def __init__(self) -> None:
        self._code: list[tuple[int, int, int, int]] = []
        self._labels: dict[str, int] = {}
        self._jumps: list[tuple[int, str]] = []
        self._unique = 0

    def fresh(self, stem: str) -> str:
        """Return a label that is not used elsewhere."""
        self._unique += 1
        return f"{stem}.{self._unique}"

    def label(self, name: str) -> None:
        """The next instruction is where jumps to this label lead."""
        self._labels[name] = len(self._code)

    def _emit(self, op: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> None:
        self._code.append((op, src << 4 | dst, off, imm))

    # Moves and arithmetic, of 64 bits.

    def mov(self, dst: int, value: int) -> None:
        """dst = a number of 32 bits with its sign."""
        self._emit(_MOV | _ALU64, dst, imm=value)

    def copy(self, dst: int, src: int) -> None:
        """dst = src."""
        self._emit(_MOV | _ALU64 | _BY_REGISTER, dst, src)

    def op(self, name: str, dst: int, value: int) -> None:
        """dst = dst OP a number."""
        self._emit(_OPS[name] | _ALU64, dst, imm=value)

    def op_with(self, name: str, dst: int, src: int) -> None:
        """dst = dst OP src."""
        self._emit(_OPS[name] | _ALU64 | _BY_REGISTER, dst, src)

    def map(self, dst: int, fd: int) -> None:
        """dst = the map of a descriptor."""
        self._emit(0x18, dst, _PSEUDO_MAP_FD, imm=fd)
        self._emit(0)

    def number(self, dst: int, value: int) -> None:
        """dst = a number of 64 bits."""
        low, high = value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF
        self._emit(0x18, dst, imm=_signed(low))
        self._emit(0, imm=_signed(high))

    # Memory.

    def load(self, dst: int, base: int, offset: int, size: int = 8) -> None:
        """dst = size bytes at base + offset."""
        self._emit(_LDX | _SIZES[size], dst, base, offset)

    def store(self, base: int, offset: int, src: int, size: int = 8) -> None:
        """Size bytes at base + offset = src."""
        self._emit(_STX | _SIZES[size], base, src, offset)

    def set(self, base: int, offset: int, value: int, size: int = 8) -> None:
        """Size bytes at base + offset = a number."""
        self._emit(_ST | _SIZES[size], base, off=offset, imm=value)

    # Control.

    def jump(self, label: str) -> None:
        """Go to a label."""
        self._jumps.append((len(self._code), label))
        self._emit(_JA)

    def jump_if(self, dst: int, test: str, value: int, label: str) -> None:
        """Go to a label if dst TEST a number."""
        self._jumps.append((len(self._code), label))
        self._emit(_JMP | _TESTS[test], dst, imm=value)

    def jump_if_reg(self, dst: int, test: str, src: int, label: str) -> None:
        """Go to a label if dst TEST src."""
        self._jumps.append((len(self._code), label))
        self._emit(_JMP | _TESTS[test] | _BY_REGISTER, dst, src)

    def call(self, helper: int) -> None:
        """Call a helper of the kernel: arguments in R1 to R5, the result in R0."""
        self._emit(_CALL, imm=helper)

    def call_kernel(self, function: int) -> None:
        """Call a function of the kernel that is there for BPF, by its number in BTF."""
        self._emit(_CALL, 0, _PSEUDO_KFUNC_CALL, imm=function)

    def exit(self) -> None:
        """End the program: its result is R0."""
        self._emit(_EXIT)

    def finish(self) -> bytes:
        """Return the program."""
        code = list(self._code)
        for at, label in self._jumps:
            op, regs, _, imm = code[at]
            code[at] = (op, regs, self._labels[label] - at - 1, imm)
        return b"".join(_INSN.pack(*line) for line in code)


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word
