# SPDX-License-Identifier: GPL-2.0-or-later
"""File systems and sizes of files that nothing tells are learnt once; told ones are predicted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.format.recording import Recording
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

from ..small_recordings import Make

Replayed = Callable[..., ReplayReport]

FILES = Path(__file__).parent.parent / "data" / "files"
EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
A = 0x7F00000FE000


def replay(path: Path) -> ReplayReport:
    return Replay(Recording(str(path)), Options()).run()


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("overlay", {"unknown file system": 2}),
        ("tmpfs", {"unknown file system": 1}),
        ("hugetlbfs", {"unknown file system": 1}),
        ("grown", {"file size": 1}),
        ("memfd-reopened", {}),
    ],
)
def test_recordings_that_do_not_tell_file_systems(name: str, reasons: dict[str, int]) -> None:
    report = replay(FILES / name)
    assert report.identical
    assert report.total.adopted_reasons == reasons


def bare(tmp_path: Path, *calls: str) -> ReplayReport:
    log = tmp_path / "calls.strace"
    log.write_text(EXEC + "".join(f"50 {call}\n" for call in calls), "utf-8")
    return replay(log)


OPEN = 'openat(AT_FDCWD, "/tmp/x.so", O_RDONLY|O_CLOEXEC) = 3'
MAPPED = f"mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0) = {A:#x}"
REFUSED = "mmap(NULL, 8192, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3, 0) = -1 EPERM (x)"


def test_a_mount_shows_itself_noexec_once(tmp_path: Path) -> None:
    denied = f"mprotect({A:#x}, 4096, PROT_READ|PROT_EXEC) = -1 EACCES (x)"
    report = bare(tmp_path, OPEN, MAPPED, REFUSED, REFUSED, denied)
    assert report.identical
    assert report.total.adopted_reasons == {"unknown file system": 1, "unknown layout": 1}


def test_a_mount_that_let_code_be_mapped_is_not_noexec(tmp_path: Path) -> None:
    allowed = f"mmap(NULL, 8192, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3, 0) = {A:#x}"
    assert bare(tmp_path, OPEN, allowed, REFUSED).total.differ == 1


def test_noexec_is_of_a_mount_and_not_of_all_files(tmp_path: Path) -> None:
    other = OPEN.replace("/tmp/x.so", "/usr/x.so")
    allowed = f"mmap(NULL, 8192, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3, 0) = {A:#x}"
    report = bare(tmp_path, OPEN, REFUSED, "close(3) = 0", other, allowed)
    assert report.identical


NOTE = "3</tmp/x<00:2b 7 0100002 16384 {}>>"


@pytest.mark.parametrize(
    ("words", "differ"), [("tmpfs,noexec", 0), ("tmpfs", 1)], ids=["noexec", "exec"]
)
def test_a_told_mount_is_predicted(make: Make, replayed: Replayed, words: str, differ: int) -> None:
    note = NOTE.format(words)
    log = EXEC + f"50 mmap(NULL, 8192, PROT_READ|PROT_EXEC, MAP_SHARED, {note}, 0) = -1 EPERM (x)\n"
    opened = '50 openat(AT_FDCWD, "/tmp/x", O_RDWR) = 3\n'
    report = replayed(make(EXEC + opened + log.removeprefix(EXEC), None))
    assert report.total.differ == differ
    assert report.total.adopted == 0


@pytest.mark.parametrize("size", [0, 4096, 8192])
def test_a_told_size_decides_what_can_be_locked(make: Make, replayed: Replayed, size: int) -> None:
    note = f"3</tmp/x<fe:00 7 0100000 {size} ext4>>"
    answer = "0" if size == 8192 else "-1 ENOMEM (x)"
    log = (
        EXEC
        + '50 openat(AT_FDCWD, "/tmp/x", O_RDWR|O_CREAT|O_TRUNC) = 3\n'
        + f"50 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, {note}, 0) = {A:#x}\n"
        + f"50 mlock({A:#x}, 8192) = {answer}\n"
    )
    report = replayed(make(log, None))
    assert report.identical
    assert report.total.adopted == 0


def test_two_names_of_one_file_are_one_file(make: Make, replayed: Replayed) -> None:
    """What the second name shows of its size holds for the mapping of the first."""
    log = EXEC
    for fd, name, size, at in ((3, "/tmp/a", 4096, A + 4096), (4, "/srv/b", 0, A)):
        log += f'50 openat(AT_FDCWD, "{name}", O_RDWR) = {fd}\n'
        note = f"{fd}<{name}<fe:00 7 0100002 {size} ext4>>"
        log += f"50 mmap(NULL, 4096, PROT_READ, MAP_SHARED, {note}, 0) = {at:#x}\n"
    log += f"50 mlock({A + 4096:#x}, 4096) = -1 ENOMEM (x)\n"
    report = replayed(make(log, None))
    assert (report.total.predicted, report.total.differ) == (4, 0)


NODE = "50 mmap(NULL, {}, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = {:#x}\n"


def test_a_size_of_shared_anonymous_memory_shows_itself_once(
    make: Make, replayed: Replayed
) -> None:
    log = EXEC + NODE.format(4096, 0x7F00000FF000) + NODE.format(65536, 0x7F00000E0000)
    log += NODE.format(65536, 0x7F00000D0000) + NODE.format(131072, 0x7F00000B0000)
    report = replayed(make(log, None))
    assert report.total.adopted_reasons == {"unknown configuration": 1}
    assert report.total.differ == 0


def test_a_told_size_is_not_learnt(make: Make, replayed: Replayed) -> None:
    log = EXEC + NODE.format(4096, 0x7F00000FF000) + NODE.format(65536, 0x7F00000E0000)
    thp = {"shmem_enabled": "never", "hugepages-64kB/shmem_enabled": "never"}
    assert replayed(make(log, None, meta={"thp": thp})).total.differ == 1


def test_a_told_size_is_predicted(make: Make, replayed: Replayed) -> None:
    log = EXEC + NODE.format(4096, 0x7F00000FF000) + NODE.format(65536, 0x7F00000E0000)
    thp = {"shmem_enabled": "never", "hugepages-64kB/shmem_enabled": "always"}
    report = replayed(make(log, None, meta={"thp": thp}))
    assert (report.total.adopted, report.total.differ) == (0, 0)
