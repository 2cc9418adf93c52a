# SPDX-License-Identifier: GPL-2.0-or-later
"""The file system of a file is read by its mount; options that decide nothing are left out."""

import os
from pathlib import Path

import pytest

from vmalab.recording.format.filesystem import FileSystem, file_system_words, parse_file_system
from vmalab.recording.tracer.mounts import layer, of_device, of_mount
from vmalab.recording.tracer.proc_files import device_of, devices, mapped_sizes, open_facts


def mounted(mount: int) -> str:
    """The type of a mount, as this process's mountinfo has it."""
    for line in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        if line.split()[0] == str(mount):
            return line.split(" - ")[1].split()[0]
    return "?"


def test_an_open_files_mount_tells_its_file_system(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x")
    with path.open("rb") as file:
        _, mount = open_facts(os.getpid(), file.fileno())
        words = of_mount(os.getpid(), mount, f"/proc/self/fd/{file.fileno()}")
    assert words.split(",")[0] == mounted(mount)


def test_a_mount_that_is_not_listed_is_of_an_unknown_type() -> None:
    fd = os.memfd_create("x")
    try:
        assert of_mount(os.getpid(), 0, f"/proc/self/fd/{fd}").split(",")[0] == "?"
    finally:
        os.close(fd)


def test_a_devices_file_system_leaves_open_how_it_is_mounted() -> None:
    status = os.stat("/proc")
    assert of_device(os.getpid(), device_of(status.st_dev)) == "proc"
    assert of_device(os.getpid(), "ff:fffff") == ""


def test_layers_of_an_overlayfs(tmp_path: Path) -> None:
    own = of_device("self", device_of(tmp_path.stat().st_dev)).partition(",")[0]
    assert layer([f"upperdir={tmp_path}", f"lowerdir={tmp_path}:/nowhere"]) == own
    assert layer([f"lowerdir={tmp_path}"]) == own
    assert layer([f"upperdir={tmp_path}", "lowerdir=/proc"]) == ""
    assert layer(["lowerdir=relative"]) == ""
    assert layer([f"upperdir={tmp_path}", "lowerdir=/nowhere/at/all"]) == ""
    assert layer([]) == ""


def test_devices_of_a_map() -> None:
    smaps = b"1000-2000 r--p 00000000 fe:00 7  /x\nVmFlags: rd\n2000-3000 rw-p 00000000 00:00 0 \n"
    assert devices(smaps + smaps) == ["fe:00"]


def test_sizes_of_what_nothing_maps() -> None:
    assert mapped_sizes(os.getpid(), [(0x1000, 0x2000)]) == []
    assert mapped_sizes(1 << 22, [(0, 1 << 47)]) == []


@pytest.mark.parametrize(
    ("fs_type", "options", "words"),
    [
        ("ext4", ["rw", "relatime", "discard"], "ext4"),
        ("tmpfs", ["rw", "noexec", "rw", "huge=always", "size=4k"], "tmpfs,noexec,huge=always"),
        ("hugetlbfs", ["rw", "pagesize=2M"], "hugetlbfs,pagesize=2M"),
        ("overlay", ["rw", "lowerdir=/a", "layer=ext4"], "overlay,layer=ext4"),
        ("overlay", ["rw", "lowerdir=/a", "layer="], "overlay"),
        ("fuse.sshfs", ["rw"], "fuse.sshfs"),
        ("a b", [], "?"),
        ("tmpfs", ["huge=all,noexec"], "tmpfs"),
    ],
)
def test_words_of_a_mount(fs_type: str, options: list[str], words: str) -> None:
    assert file_system_words(fs_type, options) == words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("overlay,rw,lowerdir=/a", FileSystem("overlay")),
        ("fuse.sshfs", FileSystem("fuse")),
        ("overlay,layer=xfs", FileSystem("overlay", layer="xfs")),
        ("tmpfs,huge=sometimes", FileSystem("tmpfs")),
        ("?,noexec", FileSystem(noexec=True)),
        ("", None),
        ("a b", None),
        ("x" * 300, None),
        ("hugetlbfs,pagesize=" + "9" * 40 + "M", FileSystem("hugetlbfs")),
    ],
)
def test_statements(words: str, expected: FileSystem | None) -> None:
    assert parse_file_system(words) == expected
