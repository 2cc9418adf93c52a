# SPDX-License-Identifier: GPL-2.0-or-later
"""A bare log of a static program: its heap comes first, and tells nothing of where mappings go."""

from pathlib import Path

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

LOG = """\
5 execve("./static", ["./static"], 0x7ffd1000) = 0
5 brk(NULL) = 0x2c250000
5 brk(0x2c271000) = 0x2c271000
5 mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7fd199df0000
5 mmap(NULL, 65536, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7fd199de0000
5 munmap(0x7fd199df0000, 65536) = 0
5 mmap(NULL, 65536, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7fd199df0000
"""


def test_only_the_first_place_is_adopted(tmp_path: Path) -> None:
    log = tmp_path / "calls.strace"
    log.write_text(LOG)
    report = Replay(RecordingFiles(str(log)), Options()).run()
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 2}
    assert report.total.predicted == 5
