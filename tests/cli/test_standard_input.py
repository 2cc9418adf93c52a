# SPDX-License-Identifier: GPL-2.0-or-later
"""`-` stands for standard input: a log or a map from a pipe, by every verb that reads one."""

import gzip
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

LOG = """50 mmap(NULL, 1048576, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000
50 mprotect(0x7f0000001000, 4096, PROT_NONE) = 0
50 munmap(0x7f0000000001, 4096) = -1 EINVAL (Invalid argument)
"""


def run(folder: Path, given: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run vmalab with something on standard input, and temporary files in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "vmalab", *arguments],
        input=given,
        env=os.environ | {"TMPDIR": str(folder)},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "status", "shown"),
    [
        (["replay", "-"], 0, b"-: identical"),
        (["why", "-"], 0, b"3 VMAs"),
        (["blame", "-"], 0, b"mprotect(PROT_NONE)"),
        (["enomem", "-"], 1, b"EINVAL"),
        (["whatif", "--drop", "mprotect", "-"], 0, b"-"),
        (["diff", "-", "-"], 0, b"at the peak: 3 -> 3 VMAs"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_a_log_comes_by_a_pipe(
    tmp_path: Path, arguments: list[str], status: int, shown: bytes
) -> None:
    done = run(tmp_path, LOG.encode(), *arguments)
    assert done.returncode == status, done.stderr
    assert shown in done.stdout
    assert str(tmp_path).encode() not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("why",), ("replay",), ("place", "8K")], ids=lambda words: words[0]
)
def test_a_named_pipe_is_read_once(tmp_path: Path, words: tuple[str, ...]) -> None:
    """As of `why <(gunzip log)`."""
    here, there = os.pipe()
    os.write(there, LOG.encode())
    os.close(there)
    verb, *more = words
    done = subprocess.run(
        [sys.executable, "-m", "vmalab", verb, f"/dev/fd/{here}", *more],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        pass_fds=(here,),
        capture_output=True,
        check=False,
    )
    os.close(here)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"/dev/fd/{here}".encode() in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_nobody_reads_on(tmp_path: Path) -> None:
    here, there = os.pipe()
    os.close(here)
    done = subprocess.run(
        [sys.executable, "-m", "vmalab", "why", "-"],
        input=LOG.encode(),
        stdout=there,
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        check=False,
    )
    os.close(there)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["why", "replay", "enomem"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, verb: str) -> None:
    done = run(tmp_path, b"", verb, "/proc/self/mem")
    why = b"vmalab: /proc/self/mem: cannot be read: Input/output error\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", why)


def test_a_compressed_log_comes_by_a_pipe(tmp_path: Path) -> None:
    done = run(tmp_path, gzip.compress(LOG.encode()), "replay", "-")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_map_comes_by_a_pipe(tmp_path: Path) -> None:
    done = run(tmp_path, Path("/proc/self/maps").read_bytes(), "why", "-")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"-: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "given", [b"", b"\x00\xff" * 99, b"hello\n"], ids=["none", "bytes", "text"]
)
def test_what_is_neither_is_an_error_that_names_it(tmp_path: Path, given: bytes) -> None:
    done = run(tmp_path, given, "why", "-")
    assert done.returncode == 2
    assert done.stderr.startswith(b"vmalab: -:")
    assert b"Traceback" not in done.stderr


def test_a_closed_standard_input_is_an_error(tmp_path: Path) -> None:
    command = f'exec "{sys.executable}" -m vmalab replay - <&-'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "vmalab: -: " in done.stderr
    assert tempfile.gettempdir() not in done.stderr
