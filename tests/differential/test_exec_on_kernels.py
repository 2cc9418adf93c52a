# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs begin in the model as on the kernel that runs the tests.

Compared at the first instruction: each line of maps, smaps and status, the addresses of stat; or
the errno, or that the program was ended before it began.
"""

import os
import random
import resource
import shutil
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmalab.linux.fs.binfmt_elf import load_elf_binary
from vmalab.linux.fs.binfmts import LinuxBinprm
from vmalab.linux.fs.elf import read_elf, read_elf_interp
from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.smaps import smaps_lines
from vmalab.linux.fs.proc.task_mem import mm_status
from vmalab.linux.fs.proc.task_mmu import VSYSCALL_LINE, mm_lines
from vmalab.linux.include.page import ULONG_MAX
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.page_table_check import page_table_violations
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.file import File
from vmalab.linux.types.task import Task

RunLive = Callable[[str, list[str], dict[int, int], int], Any]
RLIMIT_DATA, RLIMIT_STACK, RLIMIT_AS = 2, 3, 9
SOURCE = "static char big[100000]; int d = 5; int main(void) { return big[d]; }"

pytestmark = pytest.mark.live


def opened(machine: LinuxMachine, path: str) -> File:
    """A file of this machine as the model sees it."""
    found = os.stat(path)
    device = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    file = file_open(machine, os.path.realpath(path), 0, device, found.st_ino)
    file.inode.size = found.st_size
    return file


def execute(
    machine: LinuxMachine, path: str, argv: list[str], limits: dict[int, int], persona: int
) -> tuple[int, Task, LinuxBinprm]:
    """The same exec in the model: 0 or -errno."""
    task = machine.spawn()
    task.personality = persona | 0x0040000
    for number in (RLIMIT_DATA, RLIMIT_STACK, RLIMIT_AS):
        soft = limits.get(number, soft_limit(number))
        task.signal.rlim_cur[number] = soft if soft >= 0 else ULONG_MAX
    bprm = LinuxBinprm(opened(machine, path), read_elf(Path(path).read_bytes()))
    bprm.set_arguments(path.encode(), [word.encode() for word in argv], [])
    if bprm.elf.interp is not None:
        interp = bprm.elf.interp.decode("utf-8", "surrogateescape")
        try:
            mode = os.stat(interp).st_mode
            if not stat.S_ISREG(mode) or mode & 0o111 == 0:
                raise PermissionError(13, "not executable")
            bprm.interpreter = opened(machine, interp)
            data = Path(interp).read_bytes()
            bprm.interp_elf = read_elf_interp(data, bprm.elf.is_compat())
        except OSError as error:
            bprm.interp_error = -(error.errno or 2)
    return load_elf_binary(task, bprm), task, bprm


def soft_limit(number: int) -> int:
    """A limit of the process that runs the tests."""
    return resource.getrlimit(number)[0]


def check(
    machine: LinuxMachine,
    run_live: RunLive,
    path: str,
    argv: list[str] | None = None,
    limits: dict[int, int] | None = None,
    persona: int = 0,
) -> None:
    """Compares an exec."""
    argv, limits = argv or [path], limits or {}
    live = run_live(path, argv, limits, persona)
    err, task, bprm = execute(machine, path, argv, limits, persona)
    if live.errno != 0 or live.killed:
        assert (err, bprm.point_of_no_return) == (
            (-live.errno, False) if live.errno else (err, True)
        )
        assert err < 0
        return
    assert err == 0
    mm = task.mm
    assert mm is not None
    assert mm_violations(mm) + page_table_violations(mm) == []
    shown = mm_lines(mm)
    smaps = smaps_lines(mm)
    if VSYSCALL_LINE in shown and VSYSCALL_LINE not in live.lines("maps"):
        # A kernel may be built without it.
        shown.remove(VSYSCALL_LINE)
        smaps = smaps[: smaps.index(VSYSCALL_LINE)]
    assert shown == live.lines("maps")
    assert smaps == live.lines("smaps")
    status = {name: str(value) for name, value in mm_status(mm).items()}
    assert status == live.status()
    fields = live.fields()
    assert {name: getattr(mm, name) & ULONG_MAX for name in fields} == fields


@pytest.mark.parametrize("path", ["/bin/true", "/bin/cat", "/bin/sh", sys.executable])
def test_programs_of_the_system(live_machine: LinuxMachine, run_live: RunLive, path: str) -> None:
    check(live_machine, run_live, path)


@pytest.mark.parametrize(
    "options",
    [
        "",
        "-no-pie",
        "-static",
        "-static-pie",
        "-z execstack",
        "-Wl,-z,max-page-size=0x200000",
        "-static-pie -Wl,-z,max-page-size=0x200000",
        "-Wl,-z,noseparate-code",
    ],
)
def test_programs_as_a_linker_makes_them(
    live_machine: LinuxMachine, run_live: RunLive, tmp_path: Path, options: str
) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no gcc to build a program with")
    (tmp_path / "p.c").write_text(SOURCE)
    command = [compiler, *options.split(), "-o", str(tmp_path / "p"), str(tmp_path / "p.c")]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.skip(f"gcc cannot build such a program here: {built.stderr.splitlines()[-1]}")
    check(live_machine, run_live, str(tmp_path / "p"))


@pytest.mark.parametrize(
    "argv",
    [["true"] * 3000, ["x" * 131071], ["x" * 131072], ["x" * 99999] * 20, ["x" * 99999] * 21],
    ids=["many", "the longest", "too long", "nearly too much", "too much"],
)
def test_arguments(live_machine: LinuxMachine, run_live: RunLive, argv: list[str]) -> None:
    check(live_machine, run_live, "/bin/true", argv)


@pytest.mark.parametrize("size", [4096, 8192, 65536, 200000, 1 << 20, 1 << 27, 1 << 40])
def test_stack_limits(live_machine: LinuxMachine, run_live: RunLive, size: int) -> None:
    check(live_machine, run_live, "/bin/true", ["true"], {RLIMIT_STACK: size})
    check(live_machine, run_live, "/bin/true", ["x" * 30000] * 3, {RLIMIT_STACK: size})


@pytest.mark.parametrize("number", [RLIMIT_AS, RLIMIT_DATA])
@pytest.mark.parametrize("size", [100_000, 130_000, 200_000, 400_000, 1_000_000])
def test_other_limits(
    live_machine: LinuxMachine, run_live: RunLive, number: int, size: int
) -> None:
    check(live_machine, run_live, "/bin/true", ["true"], {number: size})


@pytest.mark.parametrize("persona", [0x0400000, 0x0100000, 0x0200000])
def test_personalities(live_machine: LinuxMachine, run_live: RunLive, persona: int) -> None:
    check(live_machine, run_live, "/bin/true", persona=persona)


def made_up_elf(rng: random.Random) -> bytes:
    """An ELF file that nobody would make, but whose header is one."""
    e_type = rng.choice([2, 2, 3, 3, 3])
    addr = 0
    if e_type == 2:
        addr = rng.choice([0x400000, 0x400000, 0, 0x555555554000, 0x7FFFFFFDE000])
    phdrs = []
    for _ in range(rng.randrange(1, 6)):
        offset = rng.choice([0, 0, 0x1000, 0x2000, 0x123])
        addr += rng.choice([0, 0x1000, 0x1000, 0x2000, 0x5000, 0x200000, 0x12345, 0x100])
        if rng.random() < 0.05:
            addr = rng.choice([0, 1 << 47, 2**64 - 4096, 1 << 63, rng.getrandbits(47)])
        where = (addr & ~0xFFF) | (offset & 0xFFF) if rng.random() < 0.9 else addr
        size = rng.choice([0, 0x10, 0x800, 0x1000, 0x1800, 0x3000])
        memory = size + rng.choice([0, 0, 0, 0x10, 0x1000, 0x2345, 0x20000])
        if rng.random() < 0.04:
            memory = rng.choice([0, 2**64 - 1, 1 << 47, 1 << 30])
        align = rng.choice([0x1000, 0x1000, 0x1000, 0x200000, 0x10000, 0, 3, 1 << 40])
        flags = rng.choice([4, 5, 6, 6, 7, 0, 2, 1])
        phdrs.append((1, flags, offset, where & ULONG_MAX, size, memory, align))
        addr = (where + memory) & ULONG_MAX
    if rng.random() < 0.4:
        phdrs.append((0x6474E551, rng.choice([6, 7, 0]), 0, 0, 0, 0, 16))
    interp = b""
    if rng.random() < 0.3:
        interp = rng.choice([b"/lib64/ld-linux-x86-64.so.2\0"] * 5 + [b"/none\0", b"/bin/true\0"])
        phdrs.append((3, 4, 0x1F00, 0, len(interp), len(interp), 1))
    table = b"".join(
        struct.pack("<IIQQQQQQ", p[0], p[1], p[2], p[3], p[3], p[4], p[5], p[6]) for p in phdrs
    )
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    entry = rng.choice([0x400100, 0, 1 << 47])
    head = struct.pack("<HHIQQQIHHH", e_type, 62, 1, entry, 64, 0, 0, 64, 56, len(phdrs))
    data = bytearray(rng.choice([0x2000, 0x3000, 0x5000]))
    data[:58] = ident + head
    data[64 : 64 + len(table)] = table
    data[0x1F00 : 0x1F00 + len(interp)] = interp
    return bytes(data)


@pytest.mark.parametrize(
    "seed", [*range(30), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(30, 100))]
)
def test_made_up_programs(
    live_machine: LinuxMachine, run_live: RunLive, tmp_path: Path, seed: int
) -> None:
    path = tmp_path / "p"
    path.write_bytes(made_up_elf(random.Random(seed)))
    path.chmod(0o755)
    check(live_machine, run_live, str(path))
