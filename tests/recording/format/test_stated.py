# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user states of a recorded machine: how it is written, and what it makes of a meta.json."""

from pathlib import Path

import pytest

from vmalab.calls.errors import UsageError
from vmalab.linux.fs.filesystems import NO_FALLOCATE_TYPES, RAMFS, SHMEM_TYPES, THP_TYPES
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.linux.types.super_block import UNKNOWN_TYPE
from vmalab.recording.format.filesystem import KNOWN_TYPES, FileSystem
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import (
    Stated,
    parse_mount,
    parse_ram,
    parse_rlimit,
    parse_setting,
)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("AS=2G", ("AS", 2 << 30)),
        ("as=512m", ("AS", 512 << 20)),
        ("RLIMIT_STACK=8192K", ("STACK", 8 << 20)),
        ("MEMLOCK=0x1000", ("MEMLOCK", 4096)),
        ("DATA=unlimited", ("DATA", RLIM_INFINITY)),
    ],
)
def test_limits(text: str, limit: tuple[str, int]) -> None:
    assert parse_rlimit(text) == limit


@pytest.mark.parametrize("text", ["", "AS", "AS=", "AS=-1", "AS=1.5G", "NOFILE=7", 30 * "9"])
def test_what_is_no_limit(text: str) -> None:
    with pytest.raises(UsageError):
        parse_rlimit(text)


@pytest.mark.parametrize("text", ["vm.max_map_count", "vm.max_map_count=x", "kernel.pid_max=1", ""])
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(UsageError):
        parse_setting(text)


@pytest.mark.parametrize(("text", "size"), [("16G", 16 << 30), ("512m", 512 << 20), ("4096", 4096)])
def test_ram(text: str, size: int) -> None:
    assert parse_ram(text) == size


@pytest.mark.parametrize("text", ["", "0", "16GB", "-1", "lots", 30 * "9"])
def test_what_is_no_ram(text: str) -> None:
    with pytest.raises(UsageError):
        parse_ram(text)


def test_a_statement_counts_more_than_a_recording() -> None:
    meta = Meta(
        total_ram_pages=1000,
        swap_total_kb=40,
        commit_limit_kb=2040,
        sysctl={"vm.max_map_count": 65530, "vm.overcommit_memory": 2},
        rlimits={"AS": (1, 2)},
        images={"5.1": MetaImage(rlimits={"STACK": (5, 6)})},
    )
    stated = Stated({"vm.max_map_count": 100}, {"AS": 7}, ram=2 << 20)
    known = stated.applied_to(meta)
    assert known.sysctl == {"vm.max_map_count": 100, "vm.overcommit_memory": 2}
    assert known.rlimits == {"AS": (7, 7)}
    assert known.images["5.1"].rlimits == {"AS": (7, 7), "STACK": (5, 6)}
    assert known.total_ram_pages == 512
    assert known.commit_limit_kb == 1024 + 40


def test_nothing_stated_changes_nothing() -> None:
    meta = Meta(rlimits={"AS": (1, 2)}, images={"5.1": MetaImage()}, commit_limit_kb=3)
    assert Stated().applied_to(meta) == meta


def test_a_bare_log_has_what_is_stated(tmp_path: Path) -> None:
    log = tmp_path / "calls.strace"
    log.write_text("brk(NULL) = 0x555555560000\n")
    assert RecordingFiles(str(log), Stated(rlimits={"AS": 4096})).meta.rlimits == {
        "AS": (4096, 4096)
    }


@pytest.mark.parametrize(
    ("text", "directory", "fs"),
    [
        ("overlay", "/", FileSystem("overlay")),
        ("/tmp=tmpfs,noexec", "/tmp/", FileSystem("tmpfs", noexec=True)),
        ("/tmp/=ext4", "/tmp/", FileSystem("ext4")),
        ("tmpfs,huge=always", "/", FileSystem("tmpfs", huge="always")),
    ],
)
def test_file_systems(text: str, directory: str, fs: FileSystem) -> None:
    assert parse_mount(text) == (directory, fs)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("etx4", "'etx4' .*: did you mean ext4?"),
        ("/tmp=tmpfss,noexec", "'tmpfss' .*: did you mean tmpfs?"),
        ("overlay,layer=blorp", "'blorp' .*: known are 9p, afs, "),
    ],
)
def test_a_file_system_that_nobody_knows_is_refused(text: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        parse_mount(text)


def test_all_types_with_operations_of_their_own_can_be_stated() -> None:
    known = {*THP_TYPES, *NO_FALLOCATE_TYPES, *SHMEM_TYPES, RAMFS} - {UNKNOWN_TYPE}
    assert known <= set(KNOWN_TYPES)
    assert sorted(set(KNOWN_TYPES)) == list(KNOWN_TYPES)


@pytest.mark.parametrize("text", ["", "/tmp", "/tmp=", "a b", "tmp=ext4"])
def test_what_is_no_file_system(text: str) -> None:
    with pytest.raises(UsageError, match="TYPE"):
        parse_mount(text)
