# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel's dump is told from a process's, and what cannot be read is refused with a reason."""

import struct
import sys
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.memory.kernel_dump import KernelDump, is_kernel_dump


def elf(notes: bytes, kind: int = 4) -> bytes:
    """Return an ELF file of 64 bits with notes alone."""
    ident = b"\x7fELF\2\1\1" + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, len(notes), len(notes), 0)
    return ident + header + segment + notes


def note(name: bytes, content: bytes) -> bytes:
    padded = name + bytes(-len(name) % 4) + content + bytes(-len(content) % 4)
    return struct.pack("<III", len(name), len(content), 0) + padded


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"KDUMP   " + bytes(64), True),
        (b"makedumpfile" + bytes(64), True),
        (elf(note(b"CORE\0", b"x" * 5) + note(b"QEMU\0", bytes(8))), True),
        (elf(note(b"VMCOREINFO\0", b"OSRELEASE=6.12")), True),
        (elf(note(b"CORE\0", bytes(8))), False),
        (elf(note(b"QEMU\0", bytes(8)), kind=2), False),
        (elf(note(b"QEMU\0", bytes(8)))[:100], False),
        (elf(b"")[:80] + b"\xff" * 64, False),
        (b"7f0000001000-7f0000002000 rw-p 00000000 00:00 0\n", False),
        (b"", False),
    ],
    ids=[
        "makedumpfile, compressed",
        "makedumpfile, flat",
        "QEMU",
        "vmcore",
        "process",
        "program",
        "cut",
        "offsets",
        "text",
        "empty",
    ],
)
def test_kernel_dump_is_known(content: bytes, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "dump").write_bytes(content)
    assert is_kernel_dump(str(tmp_path / "dump")) is expected


def test_live_memory_is_known_by_its_path() -> None:
    assert is_kernel_dump("/proc/kcore")


@pytest.mark.parametrize(
    "content",
    [
        b"KDUMP   " + bytes(4096),
        elf(note(b"QEMU\0", bytes(8))),
        elf(note(b"VMCOREINFO\0", b"OSRELEASE=6.12\nPAGESIZE=0\n")),
        elf(note(b"VMCOREINFO\0", b"\xff" * 400)),
    ],
    ids=["kdump", "no vmcoreinfo", "no kernel", "garbage"],
)
def test_dump_of_nothing_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "dump").write_bytes(content)
    with pytest.raises(ReadError, match=r"dump: (drgn cannot read it|no VMCOREINFO in it)"):
        KernelDump(str(tmp_path / "dump"))


def test_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "drgn", None)
    (tmp_path / "dump").write_bytes(b"KDUMP   ")
    with pytest.raises(ReadError, match=r"pip install 'vmalab\[drgn\]'"):
        KernelDump(str(tmp_path / "dump"))
