# SPDX-License-Identifier: GPL-2.0-or-later
"""What is no plain file in a recording is neither followed nor waited for, whoever made it."""

import os
import shutil
import socket
import stat
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmalab.calls.errors import ReadError
from vmalab.cli.main import vmalab
from vmalab.cli.subject import SnapshotSubject, subject_of
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.columns import ColumnReader
from vmalab.recording.readers.line_source import LineSource
from vmalab.recording.readers.maps import read_snapshot

SMAPS = "10000-11000 rw-p 00000000 00:00 0 \nVmFlags: rd wr mr mw me ac \n"
FILES = {
    "calls.strace": "50 brk(NULL) = 0x1000\n",
    "meta.json": "{}",
    "images/50.1/initial.smaps": SMAPS,
    "images/50.1/final.smaps": SMAPS,
    "images/50.1/checkpoint-1.smaps": SMAPS,
    "images/50.1/steps.txt": "",
    "images/50.1/faults.txt": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recording with every kind of file."""
    made = tmp_path / "r"
    for name, text in FILES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text, "utf-8")
    return made


def read_everything(folder: Path) -> None:
    recording = RecordingFiles(str(folder))
    list(recording.log())
    for image in recording.images.values():
        image.initial()
        image.final()
        for after in image.checkpoints:
            image.checkpoint(after)
        list(image.steps())
        list(image.faults())


def make_link(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_text("secret", "utf-8")
    path.symlink_to(outside)


def make_link_in_the_recording(path: Path) -> None:
    path.with_name("other").write_text(FILES.get(path.name, ""), "utf-8")
    path.symlink_to("other")


def make_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


ODD: dict[str, Callable[[Path], object]] = {
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "link": make_link,
    "link within": make_link_in_the_recording,
    "dangling link": lambda path: path.symlink_to("nowhere"),
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "socket": make_socket,
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_plain_file_is_refused(folder: Path, name: str, kind: str) -> None:
    (folder / name).unlink()
    ODD[kind](folder / name)
    with pytest.raises(ReadError, match=r"not a plain file|a symbolic link") as found:
        read_everything(folder)
    assert found.value.path == str(folder / name)


def test_a_device_is_not_opened(folder: Path) -> None:
    """Opening alone can set one in motion. Only root can make one, and not everywhere."""
    path = folder / "calls.strace"
    path.unlink()
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        path.symlink_to("/dev/zero")
    with pytest.raises(ReadError, match=r"not a plain file|a symbolic link"):
        read_everything(folder)
    with pytest.raises(ReadError, match="not a plain file"):
        list(LineSource("/dev/zero", follow=True))


@pytest.mark.parametrize("kind", ["pipe", "folder", "link"])
@pytest.mark.parametrize("name", ["calls.parquet", "calls.arrow"])
def test_columns_are_a_plain_file(folder: Path, name: str, kind: str) -> None:
    path = folder / name
    ODD[kind](path)
    with pytest.raises(ReadError, match=r"not a plain file|a symbolic link"):
        list(chain.from_iterable(ColumnReader(str(path), follow=False).batches()))


def test_the_map_of_a_moment_is_no_link(folder: Path, tmp_path: Path) -> None:
    """A recording without calls is read as a snapshot: also then nothing of it is followed."""
    (folder / "calls.strace").write_text("", "utf-8")
    (tmp_path / "secret").write_text(SMAPS, "utf-8")
    (folder / "images/50.1/initial.smaps").unlink()
    (folder / "images/50.1/initial.smaps").symlink_to(tmp_path / "secret")
    subject = subject_of(str(folder))
    assert isinstance(subject, SnapshotSubject)
    with pytest.raises(ReadError, match="a symbolic link"):
        read_snapshot(subject.path, follow=subject.follow)
    done = CliRunner().invoke(vmalab, ["why", str(folder)])
    assert isinstance(done.exception, ReadError)


def convert(folder: Path, target: Path) -> Result:
    return CliRunner().invoke(vmalab, ["convert", str(folder), str(target)])


@pytest.mark.parametrize("kind", ODD)
def test_converting_leaves_what_is_not_read_behind(folder: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    for at in ("images/50.1", "images", "."):
        ODD[kind](folder / at / "odd")
    assert convert(folder, target).exit_code == 0
    names = {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir()}
    assert names == FILES.keys() - {"calls.strace"} | {"calls.parquet"}


@pytest.mark.parametrize("kind", ODD)
def test_converting_refuses_what_is_no_plain_file(folder: Path, tmp_path: Path, kind: str) -> None:
    (folder / "images/50.1/final.smaps").unlink()
    ODD[kind](folder / "images/50.1/final.smaps")
    found = convert(folder, tmp_path / "target").exception
    assert isinstance(found, ReadError)
    assert found.path == str(folder / "images/50.1/final.smaps")


@pytest.mark.parametrize("name", [name for name in FILES if name != "calls.strace"])
def test_converting_gives_no_set_user_id_file(folder: Path, tmp_path: Path, name: str) -> None:
    """The copy is the converter's: root's, where root converts."""
    (folder / name).chmod(0o6755)
    assert convert(folder, tmp_path / "target").exit_code == 0
    assert stat.S_IMODE((tmp_path / "target" / name).stat().st_mode) & 0o7111 == 0


def test_converting_keeps_holes(folder: Path, tmp_path: Path) -> None:
    with (folder / "images/50.1/final.smaps").open("ab") as file:
        file.truncate(1 << 28)
    assert convert(folder, tmp_path / "target").exit_code == 0
    made = (tmp_path / "target/images/50.1/final.smaps").stat()
    assert made.st_size == 1 << 28
    assert made.st_blocks * 512 < 1 << 24


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_terabyte_is_refused_or_read_in_parts(folder: Path, name: str) -> None:
    """Sparse, so that it costs nothing to make; most of it must not be looked at."""
    path = folder / name
    if name == "calls.strace" or name.endswith(".txt"):
        source = LineSource(str(path), limit=1 << 22)
        os.truncate(path, 1 << 40)
        assert sum(len(line) for batch in source for line in batch) < 1 << 22
        assert source.broken == f"the file holds more than {1 << 22} bytes"
        return
    os.truncate(path, 1 << 40)
    with pytest.raises(ReadError, match=r"more than|longer than|no JSON"):
        read_everything(folder)


def test_a_file_in_the_place_of_a_folder_is_said(folder: Path) -> None:
    shutil.rmtree(folder / "images/50.1")
    (folder / "images/50.1").write_text("", "utf-8")
    with pytest.raises(ReadError, match="not a folder"):
        read_everything(folder)
