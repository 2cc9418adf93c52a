# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of recordings: each reader has a place of its own."""

import fcntl
import gzip
import os
from pathlib import Path

import pytest

from vmalab.recording.readers.line_source import LineSource, error_reason, open_plain

LINES = [f"line {number}" for number in range(100_000)]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_reader_goes_on_where_it_was_whoever_else_moves_the_descriptor(
    tmp_path: Path, packed: bool
) -> None:
    path = tmp_path / "log"
    raw = "\n".join(LINES).encode() + b"\n"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    before = set(os.listdir("/proc/self/fd"))
    source = iter(LineSource(str(path)))
    read = list(next(source))
    opened = [int(fd) for fd in set(os.listdir("/proc/self/fd")) - before]
    for fd in opened:
        # As a forked process that reads on does.
        if os.path.exists(f"/proc/self/fd/{fd}"):
            os.lseek(fd, 0, os.SEEK_END)
    for batch in source:
        read += batch
    assert read == LINES


def test_a_plain_file_reads_as_any_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(200)))
    with open_plain(str(path), follow=False) as file:
        assert file.read(3) == bytes(range(3))
        assert file.seek(10) == 10
        assert file.tell() == 10
        assert file.read(2) == bytes((10, 11))
        assert file.seek(-1, os.SEEK_END) == 199
        assert file.read() == bytes((199,))
        assert file.seek(-9, os.SEEK_CUR) == 191
        with pytest.raises(OSError, match="Invalid"):
            file.seek(-1)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_the_share_that_was_read_grows_to_all_of_it(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "log"
    # Lines that gzip cannot make small: a file of many blocks.
    raw = "".join(f"{hash((n, 7)) % 10**18} {n * n % 999983}\n" for n in range(60_000)).encode()
    path.write_bytes(gzip.compress(raw, 1) if packed else raw)
    source = LineSource(str(path))
    assert source.share() is None
    shares = [source.share() for _ in source]
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5
    assert shares[-1] == 1
    assert source.share() is None


def test_the_share_of_a_pipe_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    keep = os.open(path, os.O_RDWR)
    os.write(keep, b"a\nb\n")
    lines = iter(source := LineSource(str(path), follow=True))
    assert next(lines) == ["a", "b"]
    assert source.share() is None
    os.close(keep)


def test_nobody_waits_for_a_plain_file(tmp_path: Path) -> None:
    """One of /proc may have no end: /proc/kmsg, say."""
    path = tmp_path / "log"
    path.write_text("a line")
    with open_plain(str(path), follow=True) as file:
        assert fcntl.fcntl(file.fileno(), fcntl.F_GETFL) & os.O_NONBLOCK
    assert "has no end" in error_reason(BlockingIOError(11, "Resource temporarily unavailable"))


def test_blocks_have_whole_lines_without_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a\r\nb\rc\n\xff\nrest\r")
    source = LineSource(str(path))
    assert b"".join(source.blocks()) == b"a\nb\rc\n\xff\n"
    assert source.last == "rest\r"
    assert list(source) == [["a", "b\rc", "\udcff"]]
