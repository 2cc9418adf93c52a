# SPDX-License-Identifier: GPL-2.0-or-later
"""A bare log of a machine that is not modelled is refused by its name; one of x86 never is."""

from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

ANON = "NULL, {size}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"


def replayed(tmp_path: Path, log: str) -> ReplayReport:
    path = tmp_path / "calls.strace"
    path.write_text(log)
    return Replay(RecordingFiles(str(path)), Options()).run()


def mmap(place: int, size: int = 4096, name: str = "mmap") -> str:
    return f"{name}({ANON.format(size=size)}) = {place:#x}\n"


def header(machine: str, size: int = 832) -> str:
    ident = "\\177ELF\\2\\1\\1\\3" + "\\0" * 8 + "\\3\\0"
    return f'read(3, "{ident}{machine}\\1\\0\\0\\0"..., {size}) = {size}\n'


FOREIGN = {
    "arm64, 39 bits": (mmap(0x7A51C40000), "arm64 with 39-bit"),
    "arm64, 48 bits": (mmap(0xFFFF8A3B2000), "arm64 with 48-bit"),
    "riscv64": (mmap(0x3FB7FF5000), "riscv64"),
    "s390x": (mmap(0x3FF9E07E000), "s390x"),
    "mips64": (mmap(0xFFF7FF4000), "mips64"),
    "armv7, 3 GiB": (mmap(0xB6FC5000, name="mmap2"), "armv7"),
    "armv7, 2 GiB": (mmap(0x76F5F000, name="mmap2"), "armv7 with 2 GiB"),
    "i386, Linux 2.4": (mmap(0x40016000, name="mmap2"), "i386 with Linux 2.4"),
    "arm, its call": ("set_tls(0x76f5d4c0) = 0\n", "arm"),
    "arm64, by a library": (header("\\267\\0"), "arm64"),
    "arm, by a library": (header("(\\0", 512), "arm"),
    "riscv64, by a library": (header("\\363\\0"), "riscv64"),
    "powerpc64, by a library": (header("\\25\\0"), "powerpc64"),
}
X86 = {
    "top down": mmap(0x7F4A1C137000),
    "bottom up": mmap(0x2AAAAAABB000),
    "by a library": header(">\\0") + mmap(0x7A51C40000),
    "i386 on x86-64": mmap(0xF7F83000, name="mmap2"),
    "i386, bottom up": mmap(0x5557A000, name="mmap2"),
    "i386's own kernel": mmap(0xB7F5F000, name="mmap2"),
    "a place that was asked for": "mmap(0xc000000000, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS,"
    " -1, 0) = 0xc000000000\n",
    "a low place": "mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_32BIT, -1, 0)"
    " = 0x40a00000\n",
    "pages of 4 KiB": "".join(mmap(0x7F4A1C137000 - 0x1000 * at) for at in range(20)),
    "few mappings": "".join(mmap(0x7F4A1C140000 - 0x10000 * at) for at in range(5)),
}


@pytest.mark.parametrize(("log", "name"), FOREIGN.values(), ids=FOREIGN)
def test_other_machines_are_refused_by_name(tmp_path: Path, log: str, name: str) -> None:
    with pytest.raises(ReadError, match=f":1: made on {name}"):
        replayed(tmp_path, log)


@pytest.mark.parametrize(("size", "name"), [(0x10000, "64 KiB"), (0x4000, "16 KiB")])
def test_larger_pages_are_known_by_where_mappings_begin(
    tmp_path: Path, size: int, name: str
) -> None:
    log = "".join(mmap(0x7FFFA0000000 - size * at, 4096) for at in range(12))
    with pytest.raises(ReadError, match=f"pages of {name}"):
        replayed(tmp_path, log)


@pytest.mark.parametrize("log", X86.values(), ids=X86)
def test_x86_is_never_refused(tmp_path: Path, log: str) -> None:
    assert replayed(tmp_path, log).total.memory_calls > 0


def test_library_of_another_machine_that_a_program_reads_is_no_sign(tmp_path: Path) -> None:
    log = header("\\267\\0", 4096) + mmap(0x7F4A1C137000)
    assert replayed(tmp_path, log).total.differ == 0


I386 = """\
7 execve("./prog", ["./prog"], 0x7fff337a26c8 /* 35 vars */) = 0
7 brk(NULL) = 0x8ce4000
7 mmap2(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xf7f83000
7 mmap2(NULL, 3221225472, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x37f83000
7 mmap2(NULL, 1610612736, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 ENOMEM (No memory)
7 munmap(0x37f83000, 3221225472) = 0
7 mmap2(NULL, 4194304, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xf7b83000
"""


def test_32_bit_program_has_four_gib_and_no_alignment_for_huge_pages(tmp_path: Path) -> None:
    report = replayed(tmp_path, I386)
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 2}


def test_program_that_is_in_the_way_of_a_fixed_place_is_unknown_layout(tmp_path: Path) -> None:
    log = I386 + (
        "7 mmap2(0x110000, 1744764928, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED_NOREPLACE, "
        "-1, 0) = -1 EEXIST (File exists)\n"
    )
    report = replayed(tmp_path, log)
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 3}


def test_32_bit_program_in_a_64_bit_ones_log(tmp_path: Path) -> None:
    log = I386 + '8 execve("/b", ["b"], 0x7ffe /* 1 var */) = 0\n8 ' + mmap(0x7F4A1C137000, 1 << 33)
    assert replayed(tmp_path, log).total.differ == 0
