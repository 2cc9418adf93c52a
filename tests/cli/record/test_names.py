# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of mapped files may hold anything but a newline, and are recorded as they are."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles

Run = Callable[..., subprocess.CompletedProcess[str]]

NAMED = """
import ctypes, mmap, os, sys
name = os.fsencode(sys.argv[1]).decode("unicode_escape").encode("latin-1")
fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o700)
os.ftruncate(fd, 4096)
kept = mmap.mmap(fd, 4096, prot=mmap.PROT_READ)
code = mmap.mmap(fd, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)
for _ in range(5):
    mmap.mmap(-1, 8192)
print("at its end", flush=True)
os._exit(0)
"""
NAMES = [
    *(b"a" + char + b"b" for char in (b"\v", b"\f", b"\x1c", b"\x1d", b"\x1e", b"\r", b"\r ")),
    *(f"a{char}b".encode() for char in "\x85\u2028\u2029"),
    b"a\x85b",
    b" a \f",
]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_names_of_files_are_kept_as_they_are(record: Run, tmp_path: Path, name: bytes) -> None:
    shown = "".join(f"\\x{byte:02x}" for byte in name)
    done = record("-k", "--steps", "--", sys.executable, "-c", NAMED, shown)
    assert (done.returncode, done.stdout) == (0, "at its end\n"), done.stderr
    recording = RecordingFiles(str(tmp_path / "r"))
    (image,) = recording.images.values()
    path = os.fsencode(tmp_path) + b"/" + name
    assert [line.name for line in image.final() or [] if "/a" in line.name or "/ a" in line.name]
    raw = (tmp_path / "r" / "images" / image.id / "final.smaps").read_bytes()
    assert raw.count(b" " + path + b"\n") == 2
    assert recording.log().unparsed == 0
