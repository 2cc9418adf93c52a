# SPDX-License-Identifier: GPL-2.0-or-later
"""A file that is written takes its place whole, or what was there stays."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vmalab.calls.errors import UsageError
from vmalab.recording.format.output_file import replace_file, written_whole

ROOT = Path(__file__).resolve().parents[3]


def full(source: str, target: str) -> None:
    """A move for which there is no room."""
    raise OSError(28, "No space left on device")


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old", "ascii")
    with pytest.raises(UsageError, match="No space left"):
        replace_file(str(path), "new", full)
    assert path.read_text("ascii") == "old"
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_text_that_cannot_be_encoded_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="surrogates not allowed"):
        replace_file(str(tmp_path / "page.html"), "\udcff")
    assert os.listdir(tmp_path) == []


def test_the_file_behind_a_link_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "page.html"
    page.write_text("old", "ascii")
    page.chmod(0o640)
    link = tmp_path / "latest.html"
    link.symlink_to("pages/page.html")
    replace_file(str(link), "new")
    assert link.is_symlink()
    assert page.read_text("ascii") == "new"
    assert page.stat().st_mode & 0o777 == 0o640
    assert os.listdir(page.parent) == ["page.html"]


def test_a_descriptor_is_written_to() -> None:
    code = (
        "from vmalab.recording.format.output_file import replace_file\n"
        "print('before', flush=True)\nreplace_file('/dev/stdout', 'new')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"before\nnew"


def test_what_ends_half_way_leaves_no_part(tmp_path: Path) -> None:
    target = tmp_path / "run"

    def fill() -> None:
        with written_whole(str(target)) as place:
            os.mkdir(place)
            (Path(place) / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert os.listdir(tmp_path) == []


def test_what_is_made_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "run.csv"

    def fill() -> None:
        with written_whole(str(target)) as place:
            Path(place).write_text("ours", "ascii")
            target.write_text("theirs", "ascii")

    with pytest.raises(FileExistsError):
        fill()
    assert target.read_text("ascii") == "theirs"
    assert os.listdir(tmp_path) == ["run.csv"]


def small_files() -> None:
    """Have writing fail behind 512 bytes of any file, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(("why", "--html", "OUT", "examples/guards"), id="page"),
        pytest.param(("test", "--junit", "OUT", "merge"), id="junit"),
    ],
)
def test_a_command_without_room_keeps_the_older_file(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    path = tmp_path / "out"
    path.write_text("old", "ascii")
    command = [word.replace("OUT", str(path)) for word in words]
    done = subprocess.run(
        [sys.executable, "-m", "vmalab", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=small_files,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == f"vmalab: {path}: cannot write: File too large\n"
    assert path.read_text("ascii") == "old"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("name", ["run.csv", "run"])
def test_a_conversion_without_room_leaves_nothing(tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vmalab", "convert", "examples/guards", str(tmp_path / name)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=small_files,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"vmalab: {tmp_path / name}: cannot be written: File too large\n"
    assert os.listdir(tmp_path) == []
