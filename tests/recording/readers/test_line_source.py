# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of recordings: each reader has a place of its own."""

import gzip
import os
from pathlib import Path

import pytest

from vmalab.recording.readers.line_source import LineSource, open_plain

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
