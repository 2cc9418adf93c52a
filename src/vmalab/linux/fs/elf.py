# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading an ELF file's headers from its bytes, whoever made them.

Nothing beyond the header, its table of program headers and the interpreter's path is looked at, and
each is bounded as the kernel bounds it, so hostile files cost no more than others.  What is wrong
is an errno in `ElfFile.error`, found where the kernel finds it.
"""

from typing import Final, final

from mypy_extensions import mypyc_attr

from vmalab.linux.include.uapi.elf import (
    ELFMAG,
    EM_386,
    EM_486,
    EM_X86_64,
    ET_DYN,
    ET_EXEC,
    PT_INTERP,
)
from vmalab.linux.include.uapi.errno import EINVAL, EIO, ELIBBAD, ENOEXEC

# What exec reads of a file before it knows what it is; beyond a shorter file's end are zeros.
BINPRM_BUF_SIZE: Final = 256
EHDR_SIZE_64: Final = 64
EHDR_SIZE_32: Final = 52
PHDR_SIZE_64: Final = 56
PHDR_SIZE_32: Final = 32
# Bytes that a table of program headers may have.
PHDRS_MAX: Final = 65536
PATH_MAX: Final = 4096


@final
@mypyc_attr(native_class=True)
class ElfPhdr:
    """struct elf_phdr: one program header; addresses and sizes in bytes, unsigned 64-bit."""

    def __init__(
        self,
        p_type: int,
        p_flags: int,
        p_offset: int,
        p_vaddr: int,
        p_filesz: int,
        p_memsz: int,
        p_align: int,
    ) -> None:
        self.p_type: int = p_type
        self.p_flags: int = p_flags
        self.p_offset: int = p_offset
        self.p_vaddr: int = p_vaddr
        self.p_filesz: int = p_filesz
        self.p_memsz: int = p_memsz
        self.p_align: int = p_align


@final
@mypyc_attr(native_class=True)
class ElfFile:
    """The headers of one file: struct elfhdr, its program headers, its interpreter's path."""

    def __init__(
        self, e_type: int, e_machine: int, e_entry: int, e_phoff: int, phdrs: list[ElfPhdr]
    ) -> None:
        self.e_type: int = e_type
        self.e_machine: int = e_machine
        self.e_entry: int = e_entry
        self.e_phoff: int = e_phoff
        self.phdrs: list[ElfPhdr] = phdrs
        # None for a program without one.
        self.interp: bytes | None = None
        # Why no kernel would load it: 0, or a negative errno.
        self.error: int = 0

    def is_compat(self) -> bool:
        """Tell whether this is a 32-bit program."""
        return self.e_machine in (EM_386, EM_486)

    def table_size(self) -> int:
        """Return bytes of the table of program headers."""
        return len(self.phdrs) * (PHDR_SIZE_32 if self.is_compat() else PHDR_SIZE_64)


def elf_error(error: int) -> ElfFile:
    """Return what stands for a file that cannot be loaded."""
    elf = ElfFile(0, 0, 0, 0, [])
    elf.error = error
    return elf


def number(data: bytes, offset: int, size: int) -> int:
    """Return the little-endian number of `size` bytes at an offset.

    What lies beyond the end is 0.
    """
    return int.from_bytes(data[offset : offset + size], "little")


def read_elf(data: bytes) -> ElfFile:
    """Return the headers of a program from the bytes of its file.

    `error` is ENOEXEC (no ELF file for x86, no program, a broken table or interpreter's path) or
    EIO (that path lies beyond the end).  Kernel: the checks at the start of load_elf_binary().
    """
    head = data[:BINPRM_BUF_SIZE]
    if head[:4] != ELFMAG or number(head, 16, 2) not in (ET_EXEC, ET_DYN):
        return elf_error(-ENOEXEC)
    elf = read_headers(data, head)
    if elf is None:
        return elf_error(-ENOEXEC)
    for phdr in elf.phdrs:
        if phdr.p_type == PT_INTERP:
            elf.error = read_interp(data, phdr, elf)
            break
    return elf


def read_elf_interp(data: bytes, compat: bool = False) -> ElfFile:
    """Return the headers of a program's interpreter from the bytes of its file.

    `compat`: of a 32-bit one.

    `error` is EIO (too short for a header) or ELIBBAD (no ELF file for x86, a broken table).
    """
    if len(data) < (EHDR_SIZE_32 if compat else EHDR_SIZE_64):
        return elf_error(-EIO)
    elf = read_headers(data, data[:EHDR_SIZE_64]) if data[:4] == ELFMAG else None
    return elf_error(-ELIBBAD) if elf is None else elf


def read_headers(data: bytes, head: bytes) -> ElfFile | None:
    """Return the header in `head`, with its table of program headers from `data`.

    None: not to be loaded.

    Which layout the header has is what e_machine says, as for the kernel: no class is looked at.
    """
    machine = number(head, 18, 2)
    if machine == EM_X86_64:
        elf = ElfFile(number(head, 16, 2), machine, number(head, 24, 8), number(head, 32, 8), [])
        entry_size, count, size = number(head, 54, 2), number(head, 56, 2), PHDR_SIZE_64
    elif machine in (EM_386, EM_486):
        elf = ElfFile(number(head, 16, 2), machine, number(head, 24, 4), number(head, 28, 4), [])
        entry_size, count, size = number(head, 42, 2), number(head, 44, 2), PHDR_SIZE_32
    else:
        return None
    total = size * count
    if entry_size != size or total == 0 or total > PHDRS_MAX:
        return None
    table = data[elf.e_phoff : elf.e_phoff + total]
    if len(table) != total:
        return None
    for index in range(count):
        elf.phdrs.append(read_phdr(table, index * size, machine == EM_X86_64))
    return elf


def read_phdr(table: bytes, at: int, wide: bool) -> ElfPhdr:
    """Return the program header at an offset of the table; `wide`: of a 64-bit program."""
    if wide:
        return ElfPhdr(
            number(table, at, 4),
            number(table, at + 4, 4),
            number(table, at + 8, 8),
            number(table, at + 16, 8),
            number(table, at + 32, 8),
            number(table, at + 40, 8),
            number(table, at + 48, 8),
        )
    return ElfPhdr(
        number(table, at, 4),
        number(table, at + 24, 4),
        number(table, at + 4, 4),
        number(table, at + 8, 4),
        number(table, at + 16, 4),
        number(table, at + 20, 4),
        number(table, at + 28, 4),
    )


def read_interp(data: bytes, phdr: ElfPhdr, elf: ElfFile) -> int:
    """Enter the interpreter's path: 0, ENOEXEC (size, no final NUL), EIO (beyond the end), EINVAL.

    The last is for an offset that is negative as the kernel sees it.
    """
    if not 2 <= phdr.p_filesz <= PATH_MAX:
        return -ENOEXEC
    if phdr.p_offset >= 1 << 63:
        return -EINVAL
    path = data[phdr.p_offset : phdr.p_offset + phdr.p_filesz]
    if len(path) != phdr.p_filesz:
        return -EIO
    if path[-1] != 0:
        return -ENOEXEC
    elf.interp = path[: path.index(0)]
    return 0
