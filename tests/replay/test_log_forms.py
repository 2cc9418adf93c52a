# SPDX-License-Identifier: GPL-2.0-or-later
"""One threaded program under many options of strace: whatever the form, its calls are predicted.

The program starts three threads, one more on a stack that was used before, and a child by fork.
"""

from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

DATA = Path(__file__).parents[1] / "data"
FORMS = DATA / "forms"
FILTERED = ["threads-memory.strace", "threads-memory-quiet.strace"]


def replayed(path: Path) -> ReplayReport:
    return Replay(RecordingFiles(str(path)), Options()).run()


@pytest.mark.parametrize("path", sorted(FORMS.glob("*.strace")), ids=lambda path: str(path.stem))
def test_form_is_replayed_as_recorded(path: Path) -> None:
    report = replayed(path)
    assert report.total.differ == 0
    assert report.unparsed == 0
    assert report.total.predicted > 4 * report.total.adopted or path.stem.startswith("one-")


@pytest.mark.parametrize("name", FILTERED)
def test_threads_without_a_clone_share_the_address_space(name: str) -> None:
    report = replayed(FORMS / name)
    # The program itself, and the child that it forked.
    assert len(report.images) == 2


def test_thread_is_known_by_a_call_that_a_limit_refused(tmp_path: Path) -> None:
    log = tmp_path / "calls.strace"
    log.write_text(
        "312 mmap(NULL, 1052672, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f3c10000000\n"
        "313 mprotect(0x7f3c10021000, 4096, PROT_READ) = -1 ENOMEM (Cannot allocate memory)\n"
    )
    report = replayed(log)
    assert len(report.images) == 1
    assert report.total.differ == 0


def test_child_without_a_fork_is_known_by_the_signal_at_its_end(tmp_path: Path) -> None:
    log = tmp_path / "calls.strace"
    log.write_text(
        "5 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000004000\n"
        "6 munmap(0x7f0000004000, 8192) = 0\n"
        "6 +++ exited with 0 +++\n"
        "5 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=6, si_uid=0} ---\n"
        "5 mprotect(0x7f0000004000, 8192, PROT_NONE) = 0\n"
    )
    report = replayed(log)
    assert report.total.differ == 0
    assert len(report.images) == 2


def test_unrelated_process_is_no_thread(tmp_path: Path) -> None:
    log = tmp_path / "calls.strace"
    log.write_text(
        "5 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000004000\n"
        "6 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7faa00004000\n"
        "6 munmap(0x7faa00004000, 8192) = 0\n"
    )
    report = replayed(log)
    assert report.total.differ == 0
    assert len(report.images) == 2


def test_after_lines_left_out_nothing_is_known_of_the_layout(tmp_path: Path) -> None:
    mmap = "mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
    log = tmp_path / "calls.strace"
    log.write_text(f"{mmap} = 0x7f0000004000\n...\n{mmap} = 0x7f0000000000\n")
    report = replayed(log)
    assert (report.total.differ, report.unparsed) == (0, 1)
    assert report.total.adopted_reasons == {"unknown layout": 2}


@pytest.mark.parametrize(
    "path", sorted((DATA / "tracepoints").glob("threads-*.txt")), ids=lambda path: str(path.stem)
)
def test_text_of_events_without_clone_has_its_threads(path: Path) -> None:
    report = replayed(path)
    assert report.total.differ == 0
    assert len(report.images) == 2
