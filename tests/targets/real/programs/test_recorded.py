# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs are recorded in a guest and replayed here; what the guest says is not trusted."""

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmalab.check.streams import check_stream
from vmalab.check.trial import Trial
from vmalab.recording.opening import open_recording
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.targets.model.versions import SUPPORTED
from vmalab.targets.real.build import cache_folder
from vmalab.targets.real.guest import PROGRAM
from vmalab.targets.real.programs.chosen import chosen_programs
from vmalab.targets.real.programs.inside import END, GREETING
from vmalab.targets.real.programs.recorded import (
    MAX_HEAD,
    Line,
    guest_files,
    received,
    record_in_guest,
)
from vmalab.targets.real.qemu import QemuTarget
from vmalab.targets.real.target_errors import TargetError


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Both ends of a line: to read, and to write."""
    read, write = os.pipe()
    yield read, write
    os.close(read)


def say(write: int, *words: bytes) -> None:
    """The guest's side: all that it says, then its end."""
    with os.fdopen(write, "wb") as line:
        line.write(b"".join(words))


def recording(name: object, files: object, content: bytes, **more: object) -> bytes:
    packed = zlib.compress(content)
    head = {"name": name, "error": "", "files": files, "size": len(packed)} | more
    return json.dumps(head).encode() + b"\n" + packed


def test_recordings_are_unpacked(ends: tuple[int, int], tmp_path: Path) -> None:
    first = recording("one", [["calls.strace", 3], ["images/5.1/initial.smaps", 4]], b"abcdefg")
    failed = {"name": "two", "error": "no such program", "files": [], "size": 0}
    say(ends[1], b"[ 0.1] noise\r\n", GREETING, first, json.dumps(failed).encode(), b"\n")
    line = Line(ends[0], 10.0)
    line.skip_past(GREETING)
    found = list(received(line, str(tmp_path)))
    assert found == [("one", ""), ("two", "no such program")]
    assert (tmp_path / "one" / "calls.strace").read_bytes() == b"abc"
    assert (tmp_path / "one" / "images" / "5.1" / "initial.smaps").read_bytes() == b"defg"


def test_what_follows_the_last_recording_is_left_to_others(
    ends: tuple[int, int], tmp_path: Path
) -> None:
    os.write(ends[1], GREETING + json.dumps(END).encode() + b"\n")
    line = Line(ends[0], 10.0)
    line.skip_past(GREETING)
    assert list(received(line, str(tmp_path))) == []
    say(ends[1], b"vmalab executor")
    assert os.read(ends[0], 100) == b"vmalab executor"


@pytest.mark.parametrize(
    "words",
    [
        b"no json\n",
        b"[1]\n",
        b'{"name": "x", "size": -1}\n',
        b'{"name": "x", "size": 1e99}\n',
        b'{"name": "x", "size": 99999999999}\n',
        b'{"name": "x", "size": 100}\nshort',
        b'{"name": "x"',
        b"x" * (MAX_HEAD + 1),
        b'{"name": "x", "size": 3}\nabc',
        recording("../x", [["a", 1]], b"a"),
        recording("x", [["../a", 1]], b"a"),
        recording("x", [["/etc/a", 1]], b"a"),
        recording("x", [["a/../../b", 1]], b"a"),
        recording("x", [["", 1]], b"a"),
        recording("x", [["a", 2]], b"a"),
        recording("x", [["a", -1], ["b", 2]], b"a"),
        recording("x", [["a", 1], ["a", 1]], b"ab"),
        recording("x", [["a"]], b"a"),
        recording("x", [3], b"a"),
        recording("x", {"a": 1}, b"a"),
        recording("x", None, b"a"),
        recording("", [["a", 1]], b"a"),
    ],
)
def test_nonsense_is_refused(ends: tuple[int, int], tmp_path: Path, words: bytes) -> None:
    inner = tmp_path / "inner"
    child = os.fork()
    if child == 0:
        # More than a pipe holds may be said.
        say(ends[1], words)
        os._exit(0)
    os.close(ends[1])
    with pytest.raises(TargetError):
        list(received(Line(ends[0], 10.0), str(inner)))
    os.waitpid(child, 0)
    assert {path.name for path in tmp_path.iterdir()} <= {"inner"}


def test_a_silent_guest_is_not_waited_for_without_end(ends: tuple[int, int]) -> None:
    with pytest.raises(TargetError, match="no word for 0 seconds"):
        Line(ends[0], 0.0).skip_past(GREETING)
    os.close(ends[1])


def newest() -> str:
    """The newest kernel in the cache. Skips where there is none, or no QEMU."""
    folder = cache_folder() / "kernels"
    found = [series for series in SUPPORTED if (folder / series / "vmlinuz").is_file()]
    if not found or shutil.which(PROGRAM) is None:
        pytest.skip("no QEMU, or no kernel for it: `make kernels` fetches some")
    return found[-1]


@pytest.mark.qemu
@pytest.mark.slow
def test_programs_on_another_kernel(tmp_path: Path) -> None:
    """C, static and linked, a shell's pipeline and Python: nothing differs, nothing is adopted."""
    archive = guest_files(*chosen_programs())
    reports: dict[str, ReplayReport] = {}
    for name, why in record_in_guest(newest(), archive, str(tmp_path)):
        assert why == ""
        reports[name] = Replay(open_recording(str(tmp_path / name)), Options()).run()
    assert set(reports) == {"static", "linked", "shell", "python"}
    for report in reports.values():
        total = report.total
        assert [found.call for found in report.differences] == []
        assert (total.adopted, total.final_identical) == (0, True)
        assert total.programs == total.programs_identical > 0
        assert report.identical
    assert reports["static"].total.steps > 200
    assert len(reports["linked"].images) == 5


@pytest.mark.qemu
@pytest.mark.slow
def test_one_guest_records_programs_and_carries_out_calls(tmp_path: Path) -> None:
    series = newest().rpartition("/")[2]
    with QemuTarget(series, str(tmp_path)) as target:
        assert {path.name for path in tmp_path.iterdir()} == {"static", "linked", "shell", "python"}
        assert target.release.startswith(series)
        trial = Trial(target, series)
        assert check_stream(trial, "mix", 7, 300) is None
        # What ends a thread or a process has no answer.
        assert 290 <= trial.figures.calls <= 300
