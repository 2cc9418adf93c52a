# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions and types of BPF: as their documents have them."""

import struct

import pytest

from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, Assembler
from vmalab.recording.events.bpf.btf import KIND_FUNC, KIND_STRUCT, Btf, NoSuchType
from vmalab.recording.events.maplines import KernelVma, Places, smaps_lines
from vmalab.recording.events.source import missing_rights
from vmalab.recording.events.wanted import ROW_SIZE, rows


def test_instructions_have_the_bytes_of_the_instruction_set() -> None:
    a = Assembler()
    a.mov(R0, -1)
    a.load(R1, R2, 8)
    a.store(FP, -4, R1, 4)
    a.set(FP, -8, 7, 1)
    a.jump_if(R1, "s<", 3, "out")
    a.number(R2, 0x1FFFFFFFF)
    a.call(5)
    a.label("out")
    a.exit()
    code = [a.finish()[at : at + 8].hex() for at in range(0, 8 * 9, 8)]
    assert code == [
        "b7000000ffffffff",
        "7921080000000000",
        "631afcff00000000",
        "720af8ff07000000",
        "c501030003000000",
        "18020000ffffffff",
        "0000000001000000",
        "8500000005000000",
        "9500000000000000",
    ]


def _blob() -> bytes:
    """int; struct inner { int a; int b; }; struct outer { int x; struct { int y; }; inner z; }."""
    names = b"\0int\0inner\0a\0b\0outer\0x\0y\0z\0call\0btf_trace_called\0"
    at = {name: names.index(b"\0" + name + b"\0") + 1 for name in names.split(b"\0") if name}

    def head(name: bytes, kind: int, count: int, size: int) -> bytes:
        return struct.pack("<III", at.get(name, 0), kind << 24 | count, size)

    def member(name: bytes, kind: int, offset: int) -> bytes:
        return struct.pack("<III", at.get(name, 0), kind, 8 * offset)

    types = head(b"int", 1, 0, 4) + struct.pack("<I", 32)
    types += head(b"inner", 4, 2, 8) + member(b"a", 1, 0) + member(b"b", 1, 4)
    types += head(b"", 4, 1, 4) + member(b"y", 1, 0)
    types += head(b"outer", 4, 3, 16)
    types += member(b"x", 1, 0) + member(b"", 3, 4) + member(b"z", 2, 8)
    types += head(b"call", 12, 1, 1)
    # typedef void (*btf_trace_called)(void *, int, int), each by its own line.
    types += head(b"", 13, 3, 0) + struct.pack("<6I", 0, 0, 0, 1, 0, 1)
    types += head(b"", 2, 0, 6) + head(b"btf_trace_called", 8, 0, 7)
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(names))
    return header + types + names


def test_members_are_found_also_in_structs_without_a_name() -> None:
    btf = Btf(_blob())
    assert btf.offset("outer", "x") == 0
    assert btf.offset("outer", "y") == 4
    assert btf.offset("outer", "z.b") == 12
    assert btf.number(KIND_STRUCT, "outer") == 4
    assert btf.number(KIND_FUNC, "call") == 5
    assert btf.has(KIND_FUNC, "call")
    assert not btf.has(KIND_STRUCT, "call")
    assert btf.count_arguments("called") == 2


@pytest.mark.parametrize(("name", "path"), [("outer", "w"), ("nowhere", "x"), ("outer", "x.y")])
def test_what_is_not_there_is_said(name: str, path: str) -> None:
    with pytest.raises(NoSuchType):
        Btf(_blob()).offset(name, path)


@pytest.mark.parametrize("raw", [b"", b"\x7fELF" + bytes(40)])
def test_what_is_no_btf_is_refused(raw: bytes) -> None:
    with pytest.raises(NoSuchType):
        Btf(raw)


@pytest.mark.parametrize(
    ("held", "missing"),
    [
        ("0", ["CAP_PERFMON", "CAP_BPF", "CAP_IPC_LOCK"]),
        ("000001ffffffffff", []),
        (f"{1 << 21 | 1 << 14:x}", []),
        (f"{1 << 38 | 1 << 14:x}", ["CAP_BPF"]),
        (f"{1 << 39 | 1 << 38:x}", ["CAP_IPC_LOCK"]),
    ],
)
def test_the_rights_that_are_missing_have_names(held: str, missing: list[str]) -> None:
    assert missing_rights(held) == missing


def test_every_recorded_call_has_a_row() -> None:
    found = rows()
    assert 9 in found
    assert all(len(row) == ROW_SIZE for row in found.values())


def test_a_vma_is_printed_as_smaps_prints_it() -> None:
    vma = KernelVma(0x7F0000000000, 0x7F0000002000, 0x8100075, 2, "fe:00", 99, "libc.so", False)
    text = smaps_lines(vma, "/lib/libc.so", Places(0, 0, 0), (6, 18))
    assert text == (
        "7f0000000000-7f0000002000 r-xp 00002000 fe:00 99                         /lib/libc.so\n"
        "VmFlags: rd ex mr mw me ac sd \n"
    )
