# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of frames are read as they were written; what else stands in their file is an error."""

import gzip
import json
import os
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.format.copy_without_log import copy_all_but_log
from vmalab.recording.format.frames import (
    MAX_INLINED,
    MAX_KNOWN,
    MAX_NAME,
    FrameNames,
    Named,
    frame_line,
    read_frames,
)
from vmalab.recording.format.recording import RecordingFiles

FRAMES = {
    "/bin/x() [0x10]": FrameNames((Named("grow", "/src/x.c", 12), Named("main", "/src/x.c", 30))),
    "/bin/\udcff(x)\r() [0x1]": FrameNames((Named("f\x1b[31m\u202e"),), "no source line"),
    "/bin/y() [0x20]": FrameNames(why="stripped"),
}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_bytes(b"".join(frame_line(frame, names) for frame, names in FRAMES.items()))
    assert read_frames(str(path)) == FRAMES


def test_long_names_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    names = FrameNames(tuple(Named("f" * 9999, "s" * 9999, 1) for _ in range(99)), "w" * 9999)
    path.write_bytes(frame_line("x", names))
    (found,) = read_frames(str(path)).values()
    assert len(found.names) == MAX_INLINED
    assert {len(name.function) for name in found.names} == {MAX_NAME}
    assert len(found.why) == MAX_NAME


def test_a_recording_has_its_frames_and_a_copy_too(tmp_path: Path) -> None:
    folder, copy = tmp_path / "r", tmp_path / "copy"
    folder.mkdir()
    copy.mkdir()
    (folder / "calls.strace").write_text("")
    assert RecordingFiles(str(folder)).frames() == {}
    lines = b"".join(frame_line(frame, names) for frame, names in FRAMES.items())
    (folder / "frames.jsonl.gz").write_bytes(gzip.compress(lines))
    recording = RecordingFiles(str(folder))
    assert recording.frames() == FRAMES
    copy_all_but_log(recording, str(copy))
    (copy / "calls.strace").write_text("")
    assert RecordingFiles(str(copy)).frames() == FRAMES


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x", "no JSON"),
        ("[" * 100000, "not a frame"),
        ("3", "no JSON object"),
        ('{"frame": 3}', "frame: a string"),
        ('{"frame": "x", "names": 3}', "names: a list"),
        ('{"frame": "x", "names": [3]}', "a list of objects"),
        (json.dumps({"names": [{}] * (MAX_INLINED + 1)}), "names: a list of at most"),
        ('{"frame": "x", "names": [{"line": -1}]}', "line: a number"),
        ('{"frame": "x", "names": [{"line": 1e9}]}', "line: a number"),
        ('{"frame": "x", "names": [{"function": {}}]}', "function: a string"),
        ('{"frame": "\\ud800"}', "half of a character"),
        ('{"frame": "' + "x" * (1 << 20) + '"}', "longer than"),
    ],
    ids=range(12),
)
def test_what_is_no_frame_is_told_with_its_line(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text(f'{{"frame": "good"}}\n{line}\n')
    with pytest.raises(ReadError, match=rf"frames.jsonl:2: .*{why}"):
        read_frames(str(path))


def test_a_line_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text('{"frame": "good"}\n{"frame": "ba')
    assert list(read_frames(str(path))) == ["good"]


def test_there_is_an_end_to_frames(tmp_path: Path) -> None:
    path = tmp_path / "frames.jsonl"
    path.write_text("".join(f'{{"frame":"{at}"}}\n' for at in range(MAX_KNOWN + 1)))
    with pytest.raises(ReadError, match=f"more than {MAX_KNOWN} frames"):
        read_frames(str(path))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "calls.strace").write_text("")
    os.symlink("/etc/hostname", tmp_path / "frames.jsonl")
    with pytest.raises(ReadError, match="symbolic link"):
        RecordingFiles(str(tmp_path)).frames()
