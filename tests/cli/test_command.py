# SPDX-License-Identifier: GPL-2.0-or-later
"""The command as a user runs it: exit status, what goes where, and never a traceback.

A process for each exit status shows that they arrive; the rest is said in this one.
"""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab import __version__

Run = Callable[..., subprocess.CompletedProcess[str]]

LOG = "50 brk(NULL) = 0x1000\n"


@pytest.fixture
def vmalab(tmp_path: Path) -> Run:
    """Runs the command in an empty folder."""

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "vmalab.cli.main", *map(str, args)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def test_version(vmalab: Run) -> None:
    done = vmalab("--version")
    assert done.returncode == 0
    assert done.stdout.startswith(f"vmalab {__version__} (engine: ")


def test_version_loads_no_engine() -> None:
    code = (
        "import sys; from vmalab.cli.main import vmalab\n"
        "vmalab(['--version'], standalone_mode=False)\n"
        "print(sorted(m for m in sys.modules if m.startswith(('vmalab.linux', 'rich'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_identical_recording_exits_0(vmalab: Run, examples: Path) -> None:
    done = vmalab("replay", examples / "sqlite3")
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 2


def test_folder_of_recordings_is_walked(vmalab_here: Run, examples: Path) -> None:
    done = vmalab_here("replay", examples)
    assert done.returncode == 0
    assert "total: 4 of 4 recordings identical" in done.stdout


def test_json_is_one_object_a_line(vmalab_here: Run, examples: Path) -> None:
    done = vmalab_here("replay", "--json", examples / "sqlite3", examples / "dense-1")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(one["recording"]).name for one in found] == ["sqlite3", "dense-1"]
    assert [one["differ"] for one in found] == [0, 0]


def test_difference_exits_1(vmalab: Run, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG + "50 munmap(0x1, 4096) = 0\n", "utf-8")
    done = vmalab("replay", "log")
    assert done.returncode == 1
    assert "recorded:  0" in done.stdout
    assert "predicted: -1 EINVAL (Invalid argument)" in done.stdout


def test_stop_ends_at_the_first_difference(vmalab_here: Run, tmp_path: Path) -> None:
    (tmp_path / "log").write_text(LOG + "50 munmap(0x1, 4096) = 0\n" * 3, "utf-8")
    found = json.loads(vmalab_here("replay", "--stop", "--json", "log").stdout)
    assert (found["differ"], found["memory_calls"]) == (1, 2)


def test_kernel_without_a_profile_exits_2(vmalab: Run, examples: Path) -> None:
    done = vmalab("replay", "--kernel", "5.4", examples / "sqlite3")
    assert done.returncode == 2
    assert "no model of kernel '5.4': there is one of" in done.stderr


def test_kernel_that_is_asked_for_is_used(vmalab_here: Run, examples: Path) -> None:
    done = vmalab_here("replay", "--json", "--kernel", "6.19", examples / "sqlite3")
    assert json.loads(done.stdout)["kernel"] == "6.19"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["replay", "missing"], "vmalab: missing: cannot open: No such file or directory"),
        (["replay", "."], "vmalab: .: no recording here or below"),
        (["replay", "empty"], "vmalab: empty: the log has no calls"),
        (["replay", "prose"], "vmalab: prose:1: not a call, signal, exit or note (no line"),
        (["replay", "cut.gz"], "vmalab: cut.gz:1: the log ends in this line"),
        (["replay", "/dev/null"], "vmalab: /dev/null: not a plain file"),
        (["replay"], "Missing argument"),
        (["replay", "--bogus", "x"], "No such option"),
        (["bogus"], "No such command"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_unusable_input_exits_2(
    vmalab_here: Run, tmp_path: Path, args: list[str], said: str
) -> None:
    (tmp_path / "empty").write_text("", "utf-8")
    (tmp_path / "prose").write_text("hello\nworld\n", "utf-8")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(LOG.encode() * 99, mtime=0)[:20])
    done = vmalab_here(*args)
    assert done.returncode == 2
    assert said in done.stderr


def test_unusable_recording_does_not_keep_the_others_back(vmalab_here: Run, examples: Path) -> None:
    done = vmalab_here("replay", "--json", "missing", examples / "sqlite3")
    assert done.returncode == 2
    assert json.loads(done.stdout)["differ"] == 0


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ("{", "meta.json:1: no JSON"),
        ('{"format": 3}', "format 3"),
        ('{"events": 3}', "events: a list expected"),
        ('{"images": {"../x": {}}}', "an image called '../x'"),
    ],
    ids=["no JSON", "format", "type", "name"],
)
def test_unusable_meta_exits_2(
    vmalab_here: Run, examples: Path, tmp_path: Path, meta: str, said: str
) -> None:
    shutil.copytree(examples / "sqlite3", tmp_path / "r")
    (tmp_path / "r" / "meta.json").write_text(meta, "utf-8")
    done = vmalab_here("replay", "r")
    assert done.returncode == 2
    assert said in done.stderr


def test_truncated_log_is_complained_of_with_its_place(
    vmalab_here: Run, examples: Path, tmp_path: Path
) -> None:
    shutil.copytree(examples / "sqlite3", tmp_path / "r")
    packed = tmp_path / "r" / "calls.strace.gz"
    (tmp_path / "r" / "calls.strace").write_bytes(gzip.decompress(packed.read_bytes())[:5000])
    packed.unlink()
    done = vmalab_here("replay", "--json", "r")
    assert json.loads(done.stdout)["unparsed"] == 1
    assert "r/calls.strace:" in done.stderr
    assert "the log ends in this line" in done.stderr


def test_bytes_that_are_no_text_are_counted(vmalab_here: Run, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(LOG.encode() + b"\xff\xfe\x00 mmap(\xc3\x28\n" * 3)
    done = vmalab_here("replay", "--json", "log")
    assert json.loads(done.stdout)["unparsed"] == 3
    assert "log:2: " in done.stderr


def test_length_of_2_to_the_63(vmalab_here: Run, tmp_path: Path) -> None:
    line = "50 mmap(0, 9223372036854775808, 1, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000\n"
    (tmp_path / "log").write_text(LOG + line, "utf-8")
    done = vmalab_here("replay", "--json", "log")
    assert json.loads(done.stdout)["memory_calls"] == 2


def test_reader_that_goes_away(examples: Path) -> None:
    command = [sys.executable, "-m", "vmalab.cli.main", "replay", "--maps", str(examples)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert b"Traceback" not in said
    assert process.returncode == -signal.SIGPIPE


def test_interrupt_exits_130(tmp_path: Path) -> None:
    """A log that never ends: a pipe that nobody writes to."""
    os.mkfifo(tmp_path / "log")
    # A shell starts what runs in the background with the signal ignored; it must not matter here.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "vmalab.cli.main", "replay"]
    command.append(str(tmp_path / "log"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        with open(tmp_path / "log", "wb") as pipe:
            pipe.write(LOG.encode() * 200000)
            process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 130
    assert said.strip() == b"vmalab: interrupted"
