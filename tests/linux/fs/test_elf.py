# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading ELF headers: what a good file says, and which errno each bad one is."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.linux.fs.elf import PHDRS_MAX, read_elf, read_elf_interp
from vmalab.linux.include.uapi.errno import EINVAL, EIO, ELIBBAD, ENOEXEC

MakeElf = Callable[..., bytes]
LOAD = (1, 5, 0, 0x400000, 0x1000, 0x2000, 0x1000)
INTERP = (3, 4, 0x800, 0, 8, 8, 1)


@pytest.mark.parametrize("machine", [62, 3, 6])
def test_headers_are_read_in_the_layout_of_their_machine(make_elf: MakeElf, machine: int) -> None:
    elf = read_elf(make_elf([LOAD, INTERP], machine=machine, entry=0x400123, interp=b"/ld.so\0\0"))
    assert elf.error == 0
    assert (elf.e_type, elf.e_machine, elf.e_entry, elf.e_phoff) == (2, machine, 0x400123, 64)
    assert elf.is_compat() == (machine != 62)
    assert elf.interp == b"/ld.so"
    load = elf.phdrs[0]
    assert (load.p_type, load.p_flags, load.p_offset, load.p_vaddr) == LOAD[:4]
    assert (load.p_filesz, load.p_memsz, load.p_align) == LOAD[4:]
    assert elf.table_size() == 2 * (56 if machine == 62 else 32)


def test_a_program_without_an_interpreter(make_elf: MakeElf) -> None:
    elf = read_elf(make_elf([LOAD]))
    assert (elf.error, elf.interp, len(elf.phdrs)) == (0, None, 1)


def test_what_is_no_program_is_enoexec(make_elf: MakeElf) -> None:
    good = make_elf([LOAD])
    assert read_elf(b"").error == -ENOEXEC
    assert read_elf(b"#!/bin/sh\n").error == -ENOEXEC
    assert read_elf(good[:60]).error == -ENOEXEC
    assert read_elf(make_elf([LOAD], e_type=1)).error == -ENOEXEC
    assert read_elf(make_elf([LOAD], e_type=4)).error == -ENOEXEC
    assert read_elf(make_elf([LOAD], machine=40)).error == -ENOEXEC


def test_a_broken_table_is_enoexec(make_elf: MakeElf) -> None:
    assert read_elf(make_elf([], count=0)).error == -ENOEXEC
    assert read_elf(make_elf([LOAD], entry_size=55)).error == -ENOEXEC
    assert read_elf(make_elf([LOAD], phoff=0x4000 - 55)).error == -ENOEXEC
    most = PHDRS_MAX // 56
    assert read_elf(make_elf([LOAD] * most, size=70000)).error == 0
    assert read_elf(make_elf([LOAD] * (most + 1), size=70000)).error == -ENOEXEC


@pytest.mark.parametrize(
    ("offset", "size", "error"),
    [
        (0x800, 1, -ENOEXEC),
        (0x800, 4097, -ENOEXEC),
        (0x800, 5, -ENOEXEC),
        (0x3FFC, 8, -EIO),
        (1 << 62, 8, -EIO),
        (1 << 63, 8, -EINVAL),
        (0x800, 8, 0),
    ],
    ids=["too short", "too long", "no NUL", "cut short", "far beyond", "negative", "good"],
)
def test_the_path_of_the_interpreter(make_elf: MakeElf, offset: int, size: int, error: int) -> None:
    data = make_elf([LOAD, (3, 4, offset, 0, size, size, 1)], interp=b"/ld.so\0\0")
    assert read_elf(data).error == error


def test_only_the_first_interpreter_counts(make_elf: MakeElf) -> None:
    elf = read_elf(make_elf([INTERP, (3, 4, 0, 0, 1, 1, 1)], interp=b"/ld.so\0\0"))
    assert (elf.error, elf.interp) == (0, b"/ld.so")


def test_an_interpreter_of_another_kind_is_elibbad(make_elf: MakeElf) -> None:
    good = make_elf([LOAD], e_type=3)
    assert read_elf_interp(good).error == 0
    assert read_elf_interp(good[:63]).error == -EIO
    assert read_elf_interp(make_elf([LOAD], machine=3)[:51], compat=True).error == -EIO
    assert read_elf_interp(b"#!/bin/sh\n" + bytes(100)).error == -ELIBBAD
    assert read_elf_interp(make_elf([LOAD], machine=40)).error == -ELIBBAD
    assert read_elf_interp(make_elf([], count=0)).error == -ELIBBAD


def test_an_interpreter_of_any_type_can_be_read(make_elf: MakeElf) -> None:
    assert read_elf_interp(make_elf([LOAD], e_type=1)).e_type == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_harm(data: bytes) -> None:
    for start in (b"", b"\x7fELF", b"\x7fELF" + bytes(12) + b"\x02\x00\x3e\x00"):
        elf = read_elf(start + data)
        assert elf.error in (0, -ENOEXEC, -EIO, -EINVAL)
        assert read_elf_interp(start + data).error in (0, -EIO, -ELIBBAD)
