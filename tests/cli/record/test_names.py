# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of mapped files may hold anything but a newline, and are recorded as they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.record.conftest import COMMAND, PATIENCE

from vmalab.recording.format.recording import RecordingFiles

NAMED = """
import ctypes, mmap, os, sys
kept = []
for shown in sys.argv[1:]:
    name = os.fsencode(shown).decode("unicode_escape").encode("latin-1")
    fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o700)
    os.ftruncate(fd, 4096)
    kept.append(mmap.mmap(fd, 4096, prot=mmap.PROT_READ))
    kept.append(mmap.mmap(fd, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC))
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


@pytest.fixture(scope="module")
def folder(traceable: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording, in the folder r, of a program that maps a file of each name beside it."""
    folder = tmp_path_factory.mktemp("names")
    shown = ["".join(f"\\x{byte:02x}" for byte in name) for name in NAMES]
    options = ("-k", "--steps", "-o", "r", "--", sys.executable, "-c", NAMED)
    done = subprocess.run(
        [*COMMAND, "record", *options, *shown],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (0, "at its end\n"), done.stderr
    return folder


def test_a_log_with_such_names_is_read(folder: Path) -> None:
    recording = RecordingFiles(str(folder / "r"))
    assert len(recording.images) == 1
    assert recording.log().unparsed == 0


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_names_of_files_are_kept_as_they_are(folder: Path, name: bytes) -> None:
    recording = RecordingFiles(str(folder / "r"))
    (image,) = recording.images.values()
    path = os.fsencode(folder) + b"/" + name
    shown = sorted(line.name for line in image.final() or [] if str(folder) in line.name)
    assert len(shown) == 2 * len(NAMES)
    raw = (folder / "r" / "images" / image.id / "final.smaps").read_bytes()
    assert raw.count(b" " + path + b"\n") == 2
