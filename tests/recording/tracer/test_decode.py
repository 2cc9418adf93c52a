# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls decoded from registers and memory, and their text read again as a log."""

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmalab.calls.call import Call, TruncatedList, TruncatedStr
from vmalab.linux.include.uapi import mman, prctl, unistd, userfaultfd
from vmalab.recording.readers.strace import StraceReader
from vmalab.recording.tracer.decode import (
    answers,
    decode_call,
    decode_number,
    entry_text,
    opened_note,
    result_text,
    whole_call,
)
from vmalab.recording.tracer.memory import Memory

MINUS_ONE = 2**64 - 1


@pytest.fixture
def memory() -> Iterator[Memory]:
    """This process's own memory."""
    own = Memory(os.getpid())
    yield own
    own.close()


def read_again(call: Call, result: int) -> Call:
    """The call as a reader of the log understands it."""
    reader = StraceReader()
    reader.feed(f"{call.tid} 1.5 {whole_call(entry_text(call), result_text(call, result))}")
    (event,) = reader.take()
    assert isinstance(event, Call)
    return event


def place(raw: bytes) -> tuple[ctypes.Array[ctypes.c_char], int]:
    """Bytes in memory, and where."""
    buffer = ctypes.create_string_buffer(raw, len(raw))
    return buffer, ctypes.addressof(buffer)


def test_mmap(memory: Memory) -> None:
    args = (0, 8192, 3, mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, 0xFFFFFFFF, 0)
    call = decode_number(7, unistd.NR_mmap, args, memory)
    line = whole_call(entry_text(call), result_text(call, 0x7F0000000000))
    assert line == (
        "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000"
    )
    assert read_again(call, 0x7F0000000000).args == (*args[:4], MINUS_ONE, 0)


def test_a_path(memory: Memory) -> None:
    buffer, address = place(b'/tmp/a "b"\n\xff\0')
    call = decode_number(7, unistd.NR_openat, (0xFFFFFF9C, address, 0o2000000), memory)
    again = read_again(call, 3)
    assert entry_text(call).startswith("openat(AT_FDCWD, ")
    assert again.mem == {1: '/tmp/a "b"\n\udcff'}
    assert again.args[0] == 2**64 - 100
    assert again.args[2] == 0o2000000
    del buffer


def test_a_string_that_cannot_be_read(memory: Memory) -> None:
    call = decode_number(7, unistd.NR_memfd_create, (16, 0), memory)
    assert entry_text(call) == "memfd_create(0x10, 0"


def test_a_long_string_is_cut(memory: Memory) -> None:
    buffer, address = place(b"x" * 5000 + b"\0")
    text = memory.string(address)
    assert isinstance(text, TruncatedStr)
    assert len(text) == 4096
    del buffer


def test_clone3(memory: Memory) -> None:
    words = (0x3D0F00, 0, 0, 0x1000, 0, 0x2000, 0x3000, 0x4000)
    buffer, address = place(b"".join(word.to_bytes(8, "little") for word in words))
    call = decode_number(7, unistd.NR_clone3, (address, 64), memory)
    again = read_again(call, 8)
    assert again.mem is not None
    assert again.mem[0] == {
        "flags": 0x3D0F00,
        "pidfd": 0,
        "child_tid": 0,
        "parent_tid": 0x1000,
        "exit_signal": 0,
        "stack": 0x2000,
        "stack_size": 0x3000,
        "tls": 0x4000,
    }
    del buffer


def test_a_range_is_registered(memory: Memory) -> None:
    words = (0x7F0000000000, 0x4000, 1, 0)
    buffer, address = place(b"".join(word.to_bytes(8, "little") for word in words))
    args = (5, userfaultfd.UFFDIO_REGISTER, address)
    again = read_again(decode_number(7, unistd.NR_ioctl, args, memory), 0)
    assert again.mem == {2: {"range": {"start": 0x7F0000000000, "len": 0x4000}, "mode": 1}}
    del buffer


def test_a_vector(memory: Memory) -> None:
    words = (0x1000, 0x2000, 0x5000, 0x1000)
    buffer, address = place(b"".join(word.to_bytes(8, "little") for word in words))
    args = (3, address, 2, mman.MADV_COLD, 0)
    again = read_again(decode_number(7, unistd.NR_process_madvise, args, memory), 0x3000)
    assert again.mem is not None
    assert again.mem[1] == [
        {"iov_base": 0x1000, "iov_len": 0x2000},
        {"iov_base": 0x5000, "iov_len": 0x1000},
    ]
    del buffer


def test_a_name(memory: Memory) -> None:
    buffer, address = place(b"heap of mine\0")
    args = (prctl.PR_SET_VMA, prctl.PR_SET_VMA_ANON_NAME, 0x1000, 0x2000, address)
    again = read_again(decode_number(7, unistd.NR_prctl, args, memory), 0)
    assert again.mem == {4: "heap of mine"}
    assert again.args[:4] == args[:4]
    del buffer


def test_arguments_of_a_program_are_cut_at_32(memory: Memory) -> None:
    text, where = place(b"word\0")
    buffer, address = place(where.to_bytes(8, "little") * 40 + bytes(8))
    path, path_at = place(b"/bin/true\0")
    call = decode_number(7, unistd.NR_execve, (path_at, address, 0), memory)
    again = read_again(call, 0)
    assert again.mem is not None
    assert isinstance(again.mem[1], TruncatedList)
    assert again.mem[1] == ["word"] * 32
    del buffer, text, path


def test_a_pair_of_descriptors(memory: Memory) -> None:
    buffer, address = place((3).to_bytes(4, "little") + (4).to_bytes(4, "little"))
    call = decode_number(7, unistd.NR_pipe2, (address, 0o2000000), memory)
    answers(call, 0, memory)
    assert read_again(call, 0).mem == {0: [3, 4]}
    del buffer


@pytest.mark.parametrize(("result", "restarts"), [(-512, True), (-516, True), (-4, False)])
def test_a_call_that_is_made_anew(memory: Memory, result: int, restarts: bool) -> None:
    call = decode_number(7, unistd.NR_msync, (4096, 4096, 4), memory)
    assert read_again(call, result).restarts is restarts


def test_an_error(memory: Memory) -> None:
    call = decode_number(7, unistd.NR_munmap, (1, 4096), memory)
    assert result_text(call, -22) == "-1 EINVAL (Invalid argument)"
    assert read_again(call, -22).ret == -22


def test_addresses_that_no_program_has(memory: Memory) -> None:
    args = (1 << 63, (1 << 63) + 3, 4)
    call = decode_number(7, unistd.NR_msync, args, memory)
    assert entry_text(call) == "msync(0x8000000000000000, 0x8000000000000003, MS_SYNC"
    assert read_again(call, -12).args[:3] == args


def test_masks_of_nodes(memory: Memory) -> None:
    buffer, address = place((3).to_bytes(8, "little"))
    args = (0, 64, address, address)
    again = read_again(decode_number(7, unistd.NR_migrate_pages, args, memory), 0)
    assert again.mem == {2: [3], 3: [3]}
    del buffer


def test_the_note_of_an_odd_name_is_ascii_and_read_again(memory: Memory, tmp_path: Path) -> None:
    """As strace writes it; nothing of it steers the terminal on which the log is looked at."""
    path = os.fsencode(tmp_path) + b"/\x1b[31m\xff7<\xc3\xa9>\\\n\r\x7f\xe2\x80\xae"
    fd = os.open(path, os.O_CREAT | os.O_RDONLY)
    _buffer, address = place(b"/proc/self/fd/%d\0" % fd)
    call = decode_number(os.getpid(), unistd.NR_openat, (0xFFFFFF9C, address, 0), memory)
    note = opened_note(call, fd)
    os.close(fd)
    assert note.isascii()
    assert note.isprintable()
    assert "\\33[31m\\3777\\74\\303\\251\\76\\\\\\n\\r\\177" in note
    reader = StraceReader()
    reader.feed(f"7 1.5 {whole_call(entry_text(call), str(fd) + note)}")
    (event,) = reader.take()
    assert isinstance(event, Call)
    assert os.fsencode(str(event.ret_mem)) == path


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (unistd.NR_ftruncate, "ftruncate(-1, 4096"),
        (unistd.NR_dup2, "dup2(-1, 4096"),
        (unistd.NR_close_range, "close_range(-1, 4096, 0"),
    ],
)
def test_a_negative_int_shows_its_sign_whatever_else_its_register_holds(
    memory: Memory, number: int, text: str
) -> None:
    call = decode_number(1, number, (0xFFFFFFFF, 4096, 0, 0, 0, 0), memory)
    assert entry_text(call) == text


def test_a_call_of_a_32_bit_program_keeps_its_spelling(memory: Memory) -> None:
    args = (0, 4096, mman.PROT_READ, mman.MAP_PRIVATE | mman.MAP_ANONYMOUS, 0xFFFFFFFF, 0)
    call = decode_call(1, "old_mmap", args, memory, wide=False)
    again = read_again(call, 0x10000)
    assert (again.name, again.spelling) == ("mmap", "old_mmap")
    assert again.args == call.args


def test_capset_of_64_bits(memory: Memory) -> None:
    header, at = place(struct.pack("<Ii", 0x20080522, 0))
    data, sets = place(struct.pack("<6I", 0x4000, 0x4001, 0, 1, 0x101, 0))
    again = read_again(decode_number(7, unistd.NR_capset, (at, sets, 0, 0, 0, 0), memory), 0)
    assert again.mem == {
        0: {"version": 0x20080522, "pid": 0},
        1: {"effective": 0x100004000, "permitted": 0x10100004001, "inheritable": 0},
    }
    assert len(header) + len(data) == 32


def test_capset_of_32_bits(memory: Memory) -> None:
    header, at = place(struct.pack("<Ii", 0x19980330, 0))
    data, sets = place(struct.pack("<3I", 0x4000, 0x4001, 2))
    again = read_again(decode_number(7, unistd.NR_capset, (at, sets, 0, 0, 0, 0), memory), 0)
    assert (again.mem or {})[1] == {"effective": 0x4000, "permitted": 0x4001, "inheritable": 2}
    assert len(header) + len(data) == 20


def test_groups_and_ids(memory: Memory) -> None:
    groups, at = place(struct.pack("<2I", 5, 0xFFFFFFFE))
    again = read_again(decode_number(7, unistd.NR_setgroups, (2, at, 0, 0, 0, 0), memory), 0)
    assert (again.mem or {})[1] == [5, MINUS_ONE - 1]
    assert len(groups) == 8
    call = decode_number(7, unistd.NR_setresuid, (0xFFFFFFFF, 5, 0, 0, 0, 0), memory)
    assert entry_text(call) == "setresuid(-1, 5, 0"
    assert read_again(call, 0).args[:3] == (MINUS_ONE, 5, 0)


def test_permissions_of_a_segment(memory: Memory) -> None:
    perm, at = place(struct.pack("<6I", 0, 5, 77, 0, 0, 0o640))
    again = read_again(decode_number(7, unistd.NR_shmctl, (3, 1, at, 0, 0, 0), memory), 0)
    assert (again.mem or {})[2] == {"shm_perm": {"uid": 5, "gid": 77, "mode": 0o640}}
    assert len(perm) == 24


@pytest.mark.parametrize(
    ("protection", "readable"),
    [(mman.PROT_NONE, False), (mman.PROT_READ, True), (mman.PROT_WRITE, True)],
)
def test_what_the_process_may_not_access_is_not_read(
    memory: Memory, protection: int, readable: bool
) -> None:
    """A mask there is an address in the log, as the kernel answers EFAULT for it."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_size_t
    flags = mman.MAP_PRIVATE | mman.MAP_ANONYMOUS
    at = libc.mmap(None, ctypes.c_size_t(4096), protection, flags, -1, ctypes.c_long(0))
    call = decode_number(7, unistd.NR_set_mempolicy, (1, at, 128), memory)
    assert ("[0, 0]" in entry_text(call)) == readable
    assert (f"{at:#x}" in entry_text(call)) != readable
    assert libc.munmap(ctypes.c_size_t(at), ctypes.c_size_t(4096)) == 0
