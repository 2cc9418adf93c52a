# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls by the names that 32-bit programs have for them are the calls that they are."""

from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

LOG = """\
open("/bin/sh", O_RDONLY) = 3
mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0x1000) = 0xf7fe3000
mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xf7fe1000
mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0x4d2) = -1 EINVAL (Invalid argument)
fcntl(3, F_DUPFD, 5) = 5
close(3) = 0
mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 5, 0x1000) = 0xf7fdf000
munmap(0xf7fe1000, 8192) = 0
"""


def report_of(folder: Path, text: str) -> ReplayReport:
    """The replay of a bare log."""
    log = folder / "calls.strace"
    log.write_text(text)
    return Replay(RecordingFiles(str(log)), Options()).run()


@pytest.mark.parametrize("name", ["mmap", "mmap2", "old_mmap"])
def test_every_spelling_of_mmap_counts(tmp_path: Path, name: str) -> None:
    found = report_of(tmp_path, LOG.replace("mmap(", f"{name}(").replace("fcntl(", "fcntl64("))
    assert found.total.memory_calls == 5
    assert found.total.predicted == 4
    assert found.total.adopted_reasons == {"unknown layout": 1}
    assert found.total.differ == 0


def test_differences_have_the_spelling_of_the_log(tmp_path: Path) -> None:
    log = LOG.replace("mmap(", "old_mmap(")
    found = report_of(tmp_path, log.replace("= 0xf7fdf000", "= -1 EOVERFLOW (x)"))
    assert [one.call.partition("(")[0] for one in found.differences] == ["old_mmap"]


def test_arguments_in_memory_that_cannot_be_read(tmp_path: Path) -> None:
    text = LOG + "old_mmap(0x1) = -1 EFAULT (Bad address)\n"
    found = report_of(tmp_path, text)
    assert found.total.adopted_reasons["cut argument"] == 1
    assert found.total.differ == 0
