# SPDX-License-Identifier: GPL-2.0-or-later
"""What decides how files are mapped is in a recording: sizes, names of one file, file systems."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.tracer.probe import can_probe
from vmalab.recording.tracer.proc_files import device_of
from vmalab.replay.report import ReplayReport

Run = Callable[..., subprocess.CompletedProcess[str]]
Replayed = Callable[[Path], ReplayReport]

HEAD = """
import ctypes, mmap, os
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_size_t
libc.mmap.argtypes = [ctypes.c_size_t] * 6
for name in ("mlock", "madvise"):
    getattr(libc, name).argtypes = [ctypes.c_size_t] * 3
def mapped(fd, size, prot=1, flags=2, at=0):
    return libc.mmap(at, size, prot, flags, fd, 0)
"""

GROWN = """
fd = os.open("x", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.write(fd, bytes(8192))
at = mapped(fd, 16384)
print(libc.mlock(at, 8192, 0), libc.mlock(at, 16384, 0))
os.write(fd, bytes(8192))
print(libc.mlock(at, 16384, 0), libc.madvise(at, 16384, 22))
os.ftruncate(fd, 0)
print(libc.mlock(at, 4096, 0))
"""

NAMES = """
os.mkdir("d"); os.chdir("d")
one = os.open("x", os.O_RDWR | os.O_CREAT)
os.rename("x", "y")
two, other = os.open("y", os.O_RDWR), os.open("x", os.O_RDWR | os.O_CREAT)
os.ftruncate(one, 8192); os.ftruncate(other, 4096)
unnamed = [os.open(".", os.O_TMPFILE | os.O_RDWR) for _ in range(2)]
for fd in unnamed: os.ftruncate(fd, 4096)
for fd in (one, two, other, *unnamed): print(libc.mlock(mapped(fd, 8192, flags=1), 8192, 0))
memory = os.memfd_create("m", 2)
os.ftruncate(memory, 4096)
F_ADD_SEALS, F_SEAL_FUTURE_WRITE = 1033, 16
import fcntl
fcntl.fcntl(memory, F_ADD_SEALS, F_SEAL_FUTURE_WRITE)
again = os.open(f"/proc/self/fd/{memory}", os.O_RDWR)
print(mapped(again, 4096, prot=3, flags=1) == ctypes.c_size_t(-1).value)
"""


@pytest.mark.parametrize(
    ("program", "printed"),
    [(GROWN, "0 -1\n0 0\n-1\n"), (NAMES, "0\n0\n-1\n-1\n-1\nTrue\n")],
    ids=["grown", "names"],
)
def test_files_that_change(
    record: Run, tmp_path: Path, replayed: Replayed, program: str, printed: str
) -> None:
    done = record("--steps", "--", sys.executable, "-c", HEAD + program)
    assert done.stdout == printed
    report = replayed(tmp_path / "r")
    assert report.total.differ == 0
    if can_probe() and os.geteuid() == 0:
        assert report.total.adopted == 0


def test_notes_tell_size_and_file_system(record: Run, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(5000))
    program = HEAD + 'mapped(os.open("x", os.O_RDONLY), 4096)'
    record("--", sys.executable, "-c", program)
    log = (tmp_path / "r" / "calls.strace").read_text("utf-8")
    status = path.stat()
    device = device_of(status.st_dev)
    note = re.search(rf"<{re.escape(str(path))}<{device} {status.st_ino} 0\d+ (\d+) (\S+)>>", log)
    assert note is not None
    assert note.group(1) == "5000"
    meta = json.loads((tmp_path / "r" / "meta.json").read_text("utf-8"))
    assert all(re.fullmatch(r"[\w.?-]+(,[\w=]+)*", fs) for fs in meta["filesystems"].values())
    assert meta["filesystems"]
