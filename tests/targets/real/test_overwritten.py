# SPDX-License-Identifier: GPL-2.0-or-later
"""A worker whose program a stream has overwritten with its own does no harm either.

The content of a call's memory is moved over the worker's text, and made executable: from then on
the worker runs what a recording has brought. It makes one call, and exits with its negated result.
"""

import errno
import platform
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from vmalab.linux.include.uapi import unistd as nr
from vmalab.linux.include.uapi.mman import (
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_EXEC,
    PROT_READ,
)
from vmalab.targets.real.build import executor_path
from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.settings import Settings

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the executor is for x86-64"),
]
PAGE = 4096
WINDOW = 0x10000000
# Where in the page the bytes lie that the call points to, and the structure for openat2.
DATA, HOW = 3700, 4000
_MOVES = (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba", b"\x49\xb8", b"\x49\xb9")


def symbols() -> dict[str, int]:
    """Addresses in the executor by name."""
    command = ["nm", str(executor_path())]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[2]: int(line.split()[0], 16) for line in lines}


def program(number: int, arguments: Sequence[int]) -> bytes:
    """Machine code: the call, then exit_group with the negated result."""
    code = b"".join(
        move + struct.pack("<Q", argument & (1 << 64) - 1)
        for move, argument in zip(_MOVES, arguments, strict=False)
    )
    code += b"\xb8" + struct.pack("<I", number) + b"\x0f\x05"
    return code + b"\x48\xf7\xd8\x89\xc7\xb8" + struct.pack("<I", nr.NR_exit_group) + b"\x0f\x05"


def words_of(number: int, arguments: Sequence[int], item: bytes = b"") -> list[int]:
    """A call as the executor reads it; `item` is where argument 5 points."""
    words = [number | 0x3F0000 | (1 << 24 if item else 0), *arguments]
    if item:
        words.append(5 | len(item) << 8)
        padded = item + bytes(-len(item) % 8)
        words += struct.unpack(f"<{len(padded) // 8}Q", padded)
    return words


def run(target: RealTarget, page: bytes, place: int, scratch: int) -> str:
    """Puts a page in the place of the worker's text, and lets it go on: how it ended."""
    lead = -scratch % PAGE
    keep = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP
    move = MREMAP_MAYMOVE | MREMAP_FIXED
    target.begin(Settings())
    words = words_of(
        nr.NR_mremap, (scratch + lead, PAGE, PAGE, keep, WINDOW, 0), bytes(lead) + page
    )
    words += words_of(nr.NR_mprotect, (WINDOW, PAGE, PROT_READ | PROT_EXEC, 0, 0, 0))
    words += words_of(nr.NR_mremap, (WINDOW, PAGE, PAGE, move, place, 0))
    return target.executor.run(words, flush=True).died


def call_from_within(target: RealTarget, number: int, *arguments: int, data: bytes = b"") -> str:
    """Makes a call with arguments of the attacker's; -1 in them stands for where `data` lies."""
    known = symbols()
    place = known["make_call"] & -PAGE
    chosen = [
        place + DATA if value == -1 else place + HOW if value == -2 else value
        for value in arguments
    ]
    code = program(number, (*chosen, 0, 0, 0, 0, 0, 0)[:6])
    # Wherever the worker is in that page, it slides to the code.
    page = (b"\x90" * (DATA - len(code)) + code + data).ljust(HOW, b"\0")
    return run(target, (page + HOW_FLAGS).ljust(PAGE, b"\0"), place, known["scratch"])


# O_RDWR, and no restriction on how names are resolved.
HOW_FLAGS = struct.pack("<QQQ", 2, 0, 0)
AT_FDCWD = -100


@pytest.mark.parametrize(
    ("number", "arguments"),
    [
        (nr.NR_getpid, ()),
        (nr.NR_kill, (1, 9)),
        (nr.NR_openat, (AT_FDCWD, -1, 0)),
        (nr.NR_unlinkat, (AT_FDCWD, -1, 0)),
        (nr.NR_execve, (-1, 0, 0)),
        (nr.NR_ptrace, (16, 1)),
        (nr.NR_socket, (1, 1)),
        (nr.NR_mount, (0, 0, 0)),
        (nr.NR_unshare, (0x10000000,)),
        (nr.NR_clone, (0x10000011,)),
        (nr.NR_prlimit64, (1, 7)),
        (nr.NR_prctl, (15, -1)),
        (nr.NR_fcntl, (0, 8, 1)),
        (nr.NR_write, (3, -1, 1)),
        (nr.NR_madvise, (WINDOW, PAGE, 100)),
        (nr.NR_io_uring_setup, (1,)),
        (nr.NR_process_madvise, (0,)),
        (0x40000000 | nr.NR_getpid, ()),
    ],
)
def test_filter_ends_it(live: RealTarget, number: int, arguments: tuple[int, ...]) -> None:
    assert (
        call_from_within(live, number, *arguments, data=b"/etc/passwd\0") == "killed by signal 31"
    )


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/etc/passwd", errno.ENOENT),
        ("../../../../etc/passwd", errno.ENOENT),
        ("/proc/1/root/etc/passwd", errno.ENOENT),
        ("/proc/1/cwd/etc/passwd", errno.ENOENT),
        ("/proc/2/root/etc/passwd", errno.ENOENT),
        ("/proc/sysrq-trigger", errno.ENOENT),
        ("/proc/sys/vm/overcommit_memory", errno.ENOENT),
        ("/proc/1/mem", errno.EROFS),
        ("/proc/self/oom_score_adj", errno.EROFS),
        ("/proc/1/exe", errno.ETXTBSY),
        ("/new", errno.ENOENT),
    ],
)
def test_machine_is_out_of_its_reach(live: RealTarget, path: str, error: int) -> None:
    data = path.encode() + b"\0"
    said = call_from_within(live, nr.NR_openat2, AT_FDCWD, -1, -2, 24, data=data)
    assert said == f"exited with {error}"


def test_descriptors_of_the_supervisor_lead_nowhere(live: RealTarget) -> None:
    started = LiveTarget()
    with started:
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        folder = Path(f"/proc/{children[0]}/fd")
        found = {int(path.name): str(path.readlink()) for path in folder.iterdir()}
    assert {found.pop(200)[:5], found.pop(201)[:5]} == {"pipe:"}
    assert found.pop(203).endswith("/dev/shm/gold")
    assert set(found.values()) == {"/dev/null"}
