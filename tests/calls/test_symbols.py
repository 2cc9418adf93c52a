# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of names and numbers agree with Python's own, and with what the kernel defines."""

import errno
import fcntl
import mmap
import os
import resource
import signal

import pytest

from vmalab.calls.call import U64_MAX
from vmalab.calls.symbols import (
    ERRNO_NAME,
    ERRNO_OF,
    FLAG_FAMILIES,
    SYMBOLS,
    SYSCALL_OF_NUMBER,
    VALUE_FAMILIES,
)
from vmalab.calls.table import CALLS

KNOWN = {
    "MAP_DROPPABLE": 0x8,
    "MAP_FIXED_NOREPLACE": 0x100000,
    "MAP_HUGE_2MB": 21 << 26,
    "MADV_GUARD_INSTALL": 102,
    "MADV_GUARD_REMOVE": 103,
    "MADV_COLLAPSE": 25,
    "PROT_GROWSDOWN": 0x0100_0000,
    "MREMAP_DONTUNMAP": 4,
    "PR_SET_VMA": 0x53564D41,
    "UFFDIO_API": 0xC018AA3F,
    "UFFDIO_REGISTER": 0xC020AA00,
    "UFFDIO_COPY": 0xC028AA03,
    "AT_FDCWD": U64_MAX - 99,
    "RLIM64_INFINITY": U64_MAX,
    "SHM_REMAP": 0o40000,
    "MPOL_F_STATIC_NODES": 1 << 15,
    "ADDR_NO_RANDOMIZE": 0x40000,
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    assert SYMBOLS[name] == KNOWN[name]


@pytest.mark.parametrize("module", [mmap, os, fcntl, resource, signal], ids=lambda m: m.__name__)
def test_names_shared_with_python_have_its_values(module: object) -> None:
    prefixes = ("PROT_", "MAP_", "MADV_", "O_", "F_", "RLIMIT_", "SIG")
    shared = {
        name: int(value)
        for name, value in vars(module).items()
        if name.startswith(prefixes) and name in SYMBOLS and isinstance(value, int)
    }
    # A C library keeps signals to itself and hides O_LARGEFILE, which is nothing to it.
    for name in ("SIGRTMIN", "O_LARGEFILE", "F_GETLK64", "F_SETLK64", "F_SETLKW64"):
        shared.pop(name, None)
    assert shared
    assert {name: SYMBOLS[name] for name in shared} == shared


def test_error_numbers_are_those_of_python() -> None:
    theirs = {name: number for number, name in errno.errorcode.items()}
    assert {name: ERRNO_OF[name] for name in theirs} == theirs
    assert ERRNO_NAME[11] == "EAGAIN"
    assert ERRNO_NAME[95] == "EOPNOTSUPP"


def test_restart_codes_are_known() -> None:
    assert ERRNO_OF["ERESTARTSYS"] == 512
    assert ERRNO_OF["ERESTARTNOINTR"] == 513


def test_every_symbol_is_a_number_of_64_bits() -> None:
    assert all(0 <= value <= U64_MAX for value in SYMBOLS.values())


def test_system_call_numbers_are_unique_and_known() -> None:
    assert SYSCALL_OF_NUMBER[9] == "mmap"
    assert SYSCALL_OF_NUMBER[462] == "mseal"
    assert SYSCALL_OF_NUMBER[453] == "map_shadow_stack"
    assert CALLS.keys() <= set(SYSCALL_OF_NUMBER.values())


def test_families_lead_back_to_their_numbers() -> None:
    for kind, family in VALUE_FAMILIES.items():
        assert {SYMBOLS[name]: name for name in family.values()} == family, kind
    for kind, (table, _) in FLAG_FAMILIES.items():
        assert [SYMBOLS[name] for _, name in table] == [bits for bits, _ in table], kind
