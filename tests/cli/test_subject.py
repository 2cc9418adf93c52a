# SPDX-License-Identifier: GPL-2.0-or-later
"""What a word of the command line is taken for: a process, a snapshot, a recording."""

import gzip
import os
from pathlib import Path

import click
import pytest

from vmalab.calls.errors import ReadError
from vmalab.cli.subject import (
    ProcessSubject,
    RecordingSubject,
    SnapshotSubject,
    parse_address,
    parse_at,
    subject_of,
)

MAPS = "00400000-00401000 r-xp 00000000 fe:00 7 /bin/x\n"


def test_digits_are_a_process() -> None:
    assert subject_of(str(os.getpid())) == ProcessSubject(os.getpid())


@pytest.mark.parametrize("text", ["0", "99999999999"])
def test_numbers_that_no_process_has(text: str) -> None:
    with pytest.raises(ReadError, match="no such process"):
        subject_of(text)


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_begins_like_maps_is_a_snapshot(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "123"
    path.write_bytes(gzip.compress(MAPS.encode()) if packed else MAPS.encode())
    assert subject_of(str(path)) == SnapshotSubject(str(path))


def test_another_file_is_a_log(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("brk(NULL) = 0x1000\n")
    subject = subject_of(str(path))
    assert isinstance(subject, RecordingSubject)
    assert subject.recording.path == str(path)


def test_a_folder_with_one_recording_stands_for_it(examples: Path) -> None:
    subject = subject_of(str(examples / "dense-1"))
    assert isinstance(subject, RecordingSubject)
    assert subject.recording.name == "dense-1"


def test_a_folder_with_several_names_them(examples: Path) -> None:
    with pytest.raises(ReadError, match=r"several recordings; name one of them: .*dense-1, "):
        subject_of(str(examples))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="cannot open: No such file"):
        subject_of(str(tmp_path / "none"))


@pytest.mark.parametrize(("text", "at"), [("end", "end"), ("peak", "peak"), ("12", 12)])
def test_moments(text: str, at: int | str) -> None:
    assert parse_at(text) == at


@pytest.mark.parametrize("text", ["0", "-1", "last", "1" * 13, "²"])
def test_no_moments(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_at(text)


@pytest.mark.parametrize("text", ["7f00", "0x7f00", "0X7F00"])
def test_addresses_are_hexadecimal(text: str) -> None:
    assert parse_address(text) == 0x7F00


@pytest.mark.parametrize("text", ["", "0x", "12g", "1" * 17])
def test_no_addresses(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_address(text)
