# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recording says of the program that an image was started from: its ELF file's headers."""

from typing import Final, NamedTuple

from vmalab.linux.include.uapi.elf import EM_386

# Numbers in a program header, and how many of those a file can have.
PHDR_FIELDS: Final = 7
MAX_PHDRS: Final = 2048


class MetaElf(NamedTuple):
    """The headers of an ELF file.

    path; dev and inode: as maps prints them. size: bytes, -1 when not known. type, machine, entry:
    of its header. interp: the path of its interpreter, "" for none. phdrs: its program headers,
    each as (type, flags, offset, vaddr, filesz, memsz, align).
    """

    path: str
    dev: str
    inode: int
    size: int
    type: int
    machine: int
    entry: int
    interp: str
    phdrs: tuple[tuple[int, ...], ...]


# A 32-bit program of which nothing else is known.
I386_PROGRAM: Final = MetaElf("", "00:00", 0, -1, 0, EM_386, 0, "", ())
