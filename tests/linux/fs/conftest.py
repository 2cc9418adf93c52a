# SPDX-License-Identifier: GPL-2.0-or-later
"""ELF files made for a test."""

import struct
from collections.abc import Callable

import pytest

# (p_type, p_flags, p_offset, p_vaddr, p_filesz, p_memsz, p_align)
Phdr = tuple[int, int, int, int, int, int, int]
MakeElf = Callable[..., bytes]


def build(
    phdrs: list[Phdr],
    e_type: int = 2,
    machine: int = 62,
    entry: int = 0x400100,
    phoff: int = 64,
    size: int = 0x4000,
    interp: bytes = b"",
    count: int = -1,
    entry_size: int = 0,
) -> bytes:
    """The bytes of a file with these program headers, `interp` at offset 0x800."""
    wide = machine == 62
    number = len(phdrs) if count < 0 else count
    ident = b"\x7fELF" + bytes([2 if wide else 1, 1, 1]) + bytes(9)
    if wide:
        head = struct.pack("<HHIQQQIHHH", e_type, machine, 1, entry, phoff, 0, 0, 64, 56, number)
        table = b"".join(
            struct.pack("<IIQQQQQQ", p[0], p[1], p[2], p[3], p[3], p[4], p[5], p[6]) for p in phdrs
        )
    else:
        head = struct.pack("<HHIIIIIHHH", e_type, machine, 1, entry, phoff, 0, 0, 52, 32, number)
        table = b"".join(
            struct.pack("<IIIIIIII", p[0], p[2], p[3], p[3], p[4], p[5], p[1], p[6]) for p in phdrs
        )
    data = bytearray(max(size, phoff + len(table)))
    data[: len(ident + head)] = ident + head
    if entry_size:
        data[54:56] = entry_size.to_bytes(2, "little")
    data[phoff : phoff + len(table)] = table
    data[0x800 : 0x800 + len(interp)] = interp
    return bytes(data[:size])


@pytest.fixture
def make_elf() -> MakeElf:
    """What builds an ELF file's bytes from program headers."""
    return build
