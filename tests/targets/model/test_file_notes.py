# SPDX-License-Identifier: GPL-2.0-or-later
"""What a note behind a descriptor tells of a file."""

import pytest

from vmalab.calls.call import Call, FdPath
from vmalab.linux.include.uapi.fcntl import O_RDONLY, O_RDWR
from vmalab.recording.format.filesystem import FileSystem
from vmalab.targets.model.file_notes import Told, told_by


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("/lib/x.so", Told("/lib/x.so", "", -1, O_RDWR)),
        ("/lib/x.so<fe:00 1234 0100000>", Told("/lib/x.so", "fe:00", 1234, 0o100000)),
        ("/dev/null<char 1:3>", Told("/dev/null<char 1:3>", "", -1, O_RDWR)),
        ("/memfd:a<b (deleted)<00:01 7 00>", Told("/memfd:a<b (deleted)", "00:01", 7, O_RDONLY)),
    ],
)
def test_notes(note: str, expected: Told) -> None:
    assert told_by(Call(1, "mmap", (0, 4096, 1, 1, 3, 0), {4: FdPath(note)}), 4) == expected


def test_no_note() -> None:
    assert told_by(Call(1, "mmap", (0, 4096, 1, 1, 3, 0)), 4) is None


def test_only_memory_files_are_known_by_their_number() -> None:
    assert Told("/memfd:x (deleted)", "00:01", 7, 0).is_memory_file
    assert not Told("/memfd:x (deleted)").is_memory_file
    assert not Told("/lib/x.so", "fe:00", 7, 0).is_memory_file


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ext4", FileSystem("ext4")),
        ("tmpfs,noexec,huge=always", FileSystem("tmpfs", True, "always")),
        ("hugetlbfs,pagesize=1024M", FileSystem("hugetlbfs", pagesize=1 << 30)),
        ("?", FileSystem()),
        ("?,noexec", FileSystem(noexec=True)),
    ],
)
def test_notes_tell_file_systems(words: str, expected: FileSystem) -> None:
    note = FdPath(f"/x<fe:00 7 0100000 4096 {words}>")
    assert told_by(Call(1, "mmap", (0, 4096, 1, 1, 3, 0), {4: note}), 4) == Told(
        "/x", "fe:00", 7, 0o100000, 4096, expected
    )
