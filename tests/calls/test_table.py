# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of calls: its rows are consistent, and every call of the engine has one."""

import pytest

from vmalab.calls.symbols import FLAG_FAMILIES, SYSCALL_OF_NUMBER, VALUE_FAMILIES
from vmalab.calls.table import (
    ADDRESS,
    ALL,
    CALLS,
    DUPS,
    FORKS,
    I386_ONLY,
    KEEPS_VMAS,
    LENIENT,
    MAKES_FD,
    MAPS,
    MEMORY,
    OPENS,
    OTHER,
    RANGED,
    ROWS,
    row_of,
)
from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS

PLAIN = {"addr", "size", "offset", "fd", "dirfd", "int", "uint", "maxnode", "hex", "octal"}
SPECIAL = {"mmap", "open", "policy", "clone", "fdflags", "shmflg", "key", "arg"}
POINTEES = {
    "&argv",
    "&cachestat",
    "&cachestat_range",
    "&cap_data",
    "&cap_header",
    "&clone_args",
    "&fds",
    "&gids",
    "&iovec",
    "&nodes",
    "&numbers",
    "&open_how",
    "&request",
    "&rlimit",
    "&rlimit64",
    "&string",
    "&uring_params",
}
KINDS = PLAIN | SPECIAL | POINTEES | FLAG_FAMILIES.keys() | VALUE_FAMILIES.keys()


def test_every_call_of_the_engine_has_a_row() -> None:
    assert SYSCALLS.keys() <= ROWS.keys()


def test_names_are_the_kernels() -> None:
    assert CALLS.keys() <= set(SYSCALL_OF_NUMBER.values())


def test_no_name_is_given_twice() -> None:
    names = [name for row in CALLS.values() for name in (row.name, *row.aliases)]
    assert sorted(names) == sorted(ROWS)


def test_aliases_are_of_32_bit_programs() -> None:
    assert ROWS.keys() - CALLS.keys() <= I386_ONLY
    assert not CALLS.keys() & I386_ONLY


@pytest.mark.parametrize("name", CALLS)
def test_kinds_are_known_and_fit(name: str) -> None:
    row = CALLS[name]
    assert set(row.kinds or ()) <= KINDS
    assert LENIENT <= row.strict <= ALL
    assert row.kinds is None or len(row.kinds) <= 6
    assert row.kinds is not None or row.strict == LENIENT
    if row.family & RANGED:
        assert row.kinds is not None
        assert row.kinds[:2] == ("addr", "size")


@pytest.mark.parametrize("name", CALLS)
def test_families_imply_each_other(name: str) -> None:
    family = CALLS[name].family
    for one, other in (
        (MAPS, ADDRESS),
        (MAPS, MEMORY),
        (FORKS, MEMORY),
        (RANGED, MEMORY),
        (KEEPS_VMAS, MEMORY),
        (OPENS, MAKES_FD),
    ):
        assert not family & one or family & other


def test_a_call_without_a_row_is_of_no_family() -> None:
    assert row_of("getpid") is OTHER
    assert OTHER.family == 0


def test_rows_tell_where_arguments_stand() -> None:
    assert row_of("openat").string == 1
    assert row_of("munmap").string == -1
    assert row_of("migrate_pages").indices("&nodes") == (2, 3)
    assert row_of("dup2").indices("fd") == (0, 1)
    assert row_of("socketpair").index("&fds") == 3
    assert row_of("getpid").index("addr") == -1
    assert row_of("dup2").family & DUPS
