# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recorder writes can be read at any time, and never overwrites anything."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.format.output_folder import Folder
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.tracer.recording_writer import Output, OutputFailed
from vmalab.recording.tracer.signals import signal_line, signal_name


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("")
    with pytest.raises(ReadError, match="not empty"):
        Output(str(tmp_path), {})
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_what_is_written_can_be_read_before_the_end(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "r"), {"format": 1})
    image = output.image("5.1", {"mm": {"start_brk": "0x1000"}})
    image.snapshot("initial", b"1000-2000 rw-p 00000000 00:00 0 \nVmFlags: rd wr \n")
    output.event("exec", "5.1", pid=5)
    assert output.line(5, "brk(NULL) = 0x1000") == 1
    output.flush()
    output.write_meta()
    recording = RecordingFiles(str(tmp_path / "r"))
    assert [event.event for event in recording.meta.events] == ["exec"]
    assert len(list(recording.log())) == 1
    found = recording.image("5.1")
    assert found is not None
    assert [line.start for line in found.initial() or []] == [0x1000]
    output.close()


def test_events_stand_behind_the_lines_before_them(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "r"), {"format": 1})
    output.line(5, "brk(NULL) = 0x1000")
    output.more(" > /bin/x(main+0x1) [0x1001]\n")
    output.event("exit", "5.1", tid=5, tgid=5)
    output.close()
    meta = json.loads((tmp_path / "r" / "meta.json").read_text())
    assert meta["events"] == [
        {"after_line": 2, "event": "exit", "tid": 5, "tgid": 5, "image": "5.1"}
    ]


def test_nothing_is_left_of_a_recording_that_never_began(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "r"), {})
    output.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_before_stays(tmp_path: Path) -> None:
    output = Output(str(tmp_path), {})
    output.discard()
    assert tmp_path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_one_recorder(tmp_path: Path) -> None:
    """Also where both found it empty: the log is the first one's."""
    Output(str(tmp_path), {}).close()
    first = (tmp_path / "calls.strace").read_bytes()
    with Folder.at(str(tmp_path)) as folder, pytest.raises(FileExistsError):
        folder.new("calls.strace")
    assert (tmp_path / "calls.strace").read_bytes() == first


def record_a_little(output: Output) -> None:
    """Use every kind of file of a recording."""
    image = output.image("5.1", {})
    image.snapshot("initial", b"text")
    image.append("faults.txt", b"text")
    output.line(5, "brk(NULL) = 0x1000")
    output.close()


@pytest.mark.parametrize("link", ["images", "images/5.1", "images/5.1/faults.txt"])
def test_no_link_in_the_folder_is_followed(tmp_path: Path, link: str) -> None:
    """Its owner, who need not be the recorder's user, may put one there at any moment."""
    outside = tmp_path / "outside"
    outside.mkdir()
    output = Output(str(tmp_path / "r"), {})
    (tmp_path / "r" / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "r" / link).symlink_to(outside if "." not in link[9:] else outside / "file")
    with pytest.raises(OutputFailed):
        record_a_little(output)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["meta.json", "images/5.1/initial.smaps"])
@pytest.mark.parametrize("suffix", ["", ".new"])
def test_links_are_replaced_and_not_written_through(tmp_path: Path, name: str, suffix: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    output = Output(str(tmp_path / "r"), {})
    link = tmp_path / "r" / (name + suffix)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(precious)
    record_a_little(output)
    assert precious.read_text() == "precious"
    assert not (tmp_path / "r" / name).is_symlink()


def test_a_folder_that_is_moved_is_still_the_recordings(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "r"), {})
    (tmp_path / "r").rename(tmp_path / "moved")
    (tmp_path / "r").mkdir()
    record_a_little(output)
    assert list((tmp_path / "r").iterdir()) == []
    assert json.loads((tmp_path / "moved/meta.json").read_text())["complete"] is True


def test_signals_are_told_as_strace_does() -> None:
    assert (
        signal_line(11, 1, 0)
        == "--- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL} ---"
    )
    assert (
        signal_line(15, 0, 77) == "--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=77} ---"
    )
    assert signal_name(9) == "SIGKILL"


def failing_after(size: int) -> Callable[[int, bytes], int]:
    """Writes so many bytes to all files together; then the disk is full."""
    left = size

    def write(fd: int, raw: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = os.write(fd, raw[:left])
        left -= count
        return count

    return write


@pytest.mark.parametrize("size", [0, 1, 39, 40, 41, 79, 100])
def test_a_log_that_cannot_be_written_ends_with_a_whole_line(tmp_path: Path, size: int) -> None:
    parts = [os.write]
    output = Output(str(tmp_path / "r"), {}, lambda fd, raw: parts[0](fd, raw))
    lines = [output.line(7, f"{'a' * 18}", 1.0) for _ in range(5)]
    length = len("7 1.000000 \n") + 18
    parts[0] = failing_after(size)
    with pytest.raises(OutputFailed, match="No space left"):
        output.flush()
    parts[0] = os.write
    output.cut("No space left on device")
    log = (tmp_path / "r" / "calls.strace").read_bytes()
    assert lines == [1, 2, 3, 4, 5]
    assert len(log) == size // length * length
    assert output.lines == size // length
    recording = RecordingFiles(str(tmp_path / "r"))
    assert recording.cut_short == "the recording was cut short: No space left on device"


def test_what_a_recording_says_of_its_end_is_not_printed_raw(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "r"), {})
    output.cut("\x1b]0;title\x07" + "a" * 1000)
    shown = RecordingFiles(str(tmp_path / "r")).cut_short
    assert shown.isprintable()
    assert len(shown) < 250
