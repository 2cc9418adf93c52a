# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that hold no calls are refused with the reason, and with a hint only where it helps."""

from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.usable import check_usable

RANGE = b"7f0000001000-7f0000002000 r--p 00000000 fe:00 17   /a\n"
FILES = {
    "map": (RANGE, "a memory map, and no calls: see `vmalab why "),
    "program": (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03" + bytes(200), "a program or library"),
    "object": (b'{"a": 1}\n', "not a checkpoint of CRIU"),
    "UTF-16": (RANGE.decode().encode("utf-16"), "text in UTF-16: make it UTF-8"),
    "counts": (
        b"100.00    0.000529           6        84         1 total\n",
        "the log has no calls",
    ),
    "words": (b"hello\n", "not a call, signal, exit or note"),
}


@pytest.mark.parametrize("name", FILES)
def test_file_without_calls(name: str, tmp_path: Path) -> None:
    content, why = FILES[name]
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ReadError, match=why.replace("`", ".")):
        check_usable(Replay(RecordingFiles(str(tmp_path / "file")), Options()).run())
