# SPDX-License-Identifier: GPL-2.0-or-later
"""A memory map amid the calls of a log is one complaint, which says what to do."""

from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

CALLS = [
    'execve("./a", ["./a"], 0x7ffdaf3e8588 /* 35 vars */) = 0',
    "brk(NULL)                               = 0x5578304cd000",
    "+++ exited with 0 +++",
]
RANGE = "7f00000{0:02x}000-7f00000{0:02x}800 rw-p 00000000 00:00 0                          [heap]"
MAP = [RANGE.format(at) for at in range(200)]
SMAPS = [
    part for line in MAP[:50] for part in (line, "Rss:       4 kB", "VmFlags: rd wr mr mw me ac ")
]
HINT = "a memory map, up to line {0}: `vmalab why` reads it from a file of its own"
NO_CALL = "not a call, signal, exit or note"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (CALLS + MAP, [(4, HINT.format(203))]),
        (MAP + CALLS, [(1, HINT.format(200))]),
        (CALLS + SMAPS, [(4, HINT.format(153))]),
        ([*CALLS[:2], *MAP, *CALLS[2:]], [(3, HINT.format(202))]),
        (
            [*CALLS, *MAP, "hello", *MAP],
            [(4, HINT.format(203)), (204, NO_CALL), (205, HINT.format(404))],
        ),
        ([*CALLS, MAP[0]], [(4, "a line of a memory map")]),
        ([*CALLS, SMAPS[1]], [(4, NO_CALL)]),
    ],
    ids=["below", "above", "smaps", "amid", "two", "one range", "a field alone"],
)
def test_map_amid_calls(lines: list[str], expected: list[tuple[int, str]], tmp_path: Path) -> None:
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in lines))
    report = Replay(RecordingFiles(str(tmp_path / "log")), Options()).run()
    assert [(complaint.line, complaint.why) for complaint in report.complaints] == expected
    assert report.complaints_left_out == 0
    assert report.unparsed == len(lines) - len(CALLS)
    assert report.total.memory_calls == 2
