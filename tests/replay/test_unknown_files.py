# SPDX-License-Identifier: GPL-2.0-or-later
"""File systems and sizes of files that nothing tells are learnt once; told ones are predicted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.format.filesystem import FileSystem
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

from ..small_recordings import FIRST, Make

Replayed = Callable[..., ReplayReport]

FILES = Path(__file__).parent.parent / "data" / "files"
EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
A = 0x7F00000FE000


def replay(path: Path) -> ReplayReport:
    return Replay(RecordingFiles(str(path)), Options()).run()


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


def test_a_stated_file_system_is_predicted(tmp_path: Path) -> None:
    log = tmp_path / "calls.strace"
    large = f"50 mmap(NULL, 4194304, PROT_READ, MAP_PRIVATE, 3, 0) = {A - (4 << 20):#x}\n"
    log.write_text(EXEC + f"50 {OPEN}\n50 {MAPPED}\n" + large, "utf-8")
    stated = Stated(mounts={"/": FileSystem("overlay")})
    report = Replay(RecordingFiles(str(log), stated), Options()).run()
    assert report.total.adopted_reasons == {"unknown layout": 1}
    assert report.identical
    assert replay(log).total.adopted_reasons == {"unknown file system": 1, "unknown layout": 1}


@pytest.mark.parametrize(
    ("device", "adopted"), [("fe:00", {}), ("fe:01", {"unknown file system": 1})]
)
def test_file_systems_of_first_maps(
    make: Make, replayed: Replayed, device: str, adopted: dict[str, int]
) -> None:
    log = EXEC + '50 openat(AT_FDCWD, "/tmp/x", O_RDONLY) = 3\n'
    note = "3</tmp/x<fe:00 7 0100000>>"
    log += NODE.format(4096, 0x7F00000FF000)
    log += f"50 mmap(NULL, 4194304, PROT_READ, MAP_PRIVATE, {note}, 0) = {0x7EFFFFCFF000:#x}\n"
    report = replayed(make(log, None, meta={"filesystems": {device: "squashfs"}}))
    assert report.total.differ == 0
    assert report.total.adopted_reasons == adopted


@pytest.mark.parametrize("filesystems", [{"fe:00": None}, {"fe:00": "a b"}, ["ext4"]])
def test_bad_statements_of_file_systems(
    make: Make, replayed: Replayed, filesystems: object
) -> None:
    with pytest.raises(ReadError, match="filesystems"):
        replayed(make(EXEC, None, meta={"filesystems": filesystems}))


def test_sizes_that_a_recorder_saw_are_predicted(make: Make, replayed: Replayed) -> None:
    """A file that has grown since it was mapped, and one that has shrunk."""
    log = EXEC + '50 openat(AT_FDCWD, "/tmp/x", O_RDWR) = 3\n'
    note = "3</tmp/x<fe:00 7 0100002 4096 ext4>>"
    log += f"50 mmap(NULL, 8192, PROT_READ, MAP_SHARED, {note}, 0) = {A:#x}\n"
    log += f"50 mlock({A:#x}, 8192) = 0\n50 mlock({A:#x}, 8192) = -1 ENOMEM (x)\n"
    folder = make(log, None)
    faults = "@3 size fe:00 7 8192\n@4 size fe:00 7 100\n"
    (folder / "images" / "50.1" / "faults.txt").write_text(faults, "utf-8")
    report = replayed(folder)
    assert (report.total.adopted, report.total.differ) == (0, 0)
    (folder / "images" / "50.1" / "faults.txt").write_text("@3 size fe:00 7\n", "utf-8")
    with pytest.raises(ReadError, match=r"faults.txt:1: .*size DEV INODE BYTES"):
        replayed(folder)


LARGE = "mmap(NULL, {}, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {:#x}"
TOP = 0x7F4A1C137000


def placed(tmp_path: Path, kernel: str | None, *sizes_and_places: tuple[int, int]) -> ReplayReport:
    """A bare log of private mappings below a page, as (bytes, address)."""
    log = tmp_path / "calls.strace"
    calls = [LARGE.format(4096, TOP), *(LARGE.format(*one) for one in sizes_and_places)]
    log.write_text(EXEC + "".join(f"50 {call}\n" for call in calls), "utf-8")
    return Replay(RecordingFiles(str(log)), Options(kernel=kernel)).run()


UNALIGNED = [(4 << 20, TOP - (4 << 20)), (8 << 20, TOP - (12 << 20))]
ALIGNED = [(4 << 20, 0x7F4A1BC00000), (8 << 20, 0x7F4A1B400000)]
ANY_LENGTH = [(0x401000, 0x7F4A1BC00000), (0x801000, 0x7F4A1B200000)]


@pytest.mark.parametrize(
    ("calls", "adopted"),
    [
        (UNALIGNED, {"unknown configuration": 1, "unknown layout": 1}),
        (ALIGNED, {"unknown layout": 1}),
        (ANY_LENGTH, {"unknown configuration": 1, "unknown layout": 1}),
    ],
    ids=["before 6.7", "from 6.12", "6.7 to 6.11"],
)
def test_a_kernel_shows_once_how_it_aligns_anonymous_memory(
    tmp_path: Path, calls: list[tuple[int, int]], adopted: dict[str, int]
) -> None:
    report = placed(tmp_path, None, *calls)
    assert report.total.differ == 0
    assert report.total.adopted_reasons == adopted


def test_a_kernel_that_was_asked_for_is_not_learnt(tmp_path: Path) -> None:
    assert placed(tmp_path, "6.18", *UNALIGNED).total.differ == 2
    assert placed(tmp_path, "6.1", *UNALIGNED).total.differ == 0


@pytest.mark.parametrize("length", [1 << 48, (1 << 63) + 4096, (1 << 64) - 1])
@pytest.mark.parametrize("fd", ["-1", "3"])
def test_nothing_is_learnt_from_lengths_that_cannot_be(
    tmp_path: Path, length: int, fd: str
) -> None:
    flags = "MAP_PRIVATE" if fd == "3" else "MAP_PRIVATE|MAP_ANONYMOUS"
    large = f"mmap(NULL, {length}, PROT_READ, {flags}, {fd}, 0) = {A:#x}"
    assert "unknown configuration" not in bare(tmp_path, OPEN, large).total.adopted_reasons


HUGE = 'openat(AT_FDCWD, "/mnt/huge/x", O_RDWR|O_CREAT, 0600) = 3'
# Where the first mapping of a log is put, a multiple of 2 MiB.
AT = 0x7F0000000000
POOL_IS_EMPTY = "mmap(NULL, 2097152, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = -1 ENOMEM (x)"
UNRESERVED = "PROT_READ|PROT_WRITE, MAP_SHARED|MAP_NORESERVE, 3"
MAPPED_THERE = f"mmap(NULL, 4194304, {UNRESERVED}, 0) = {AT:#x}"
CUT = f"munmap({AT:#x}, 4096) = -1 EINVAL (x)"
PART_LOCKED = f"madvise({AT:#x}, 2097152, MADV_DONTDUMP) = 0"
NO_PAGE = f"mmap(NULL, 4096, {UNRESERVED}, 0x1000) = -1 EINVAL (x)"


@pytest.mark.parametrize("sign", [CUT, NO_PAGE], ids=["a range that is cut", "an offset"])
def test_hugetlbfs_without_pages_shows_in_what_is_invalid(tmp_path: Path, sign: str) -> None:
    """Mappings that were there before the sign are of huge pages from then on."""
    calls = (HUGE, POOL_IS_EMPTY, MAPPED_THERE, sign, sign, CUT, PART_LOCKED)
    whole = f"munmap({AT:#x}, 2097152) = 0"
    report = bare(tmp_path, *calls, whole, f"munmap({AT + 0x200000:#x}, 4096) = -1 EINVAL (x)")
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {
        "unknown file system": 1,
        "unknown layout": 1,
        "unknown limit": 1,
    }


def test_range_that_is_no_page_shows_nothing(tmp_path: Path) -> None:
    odd = f"munmap({AT + 1:#x}, 4096) = -1 EINVAL (x)"
    report = bare(tmp_path, HUGE, MAPPED_THERE, odd, f"munmap({AT:#x}, 4096) = 0")
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 1}


def test_length_in_whole_huge_pages_shows_in_the_place(tmp_path: Path) -> None:
    """3 MiB take 4 MiB, and begin at a multiple of 2 MiB."""
    next_one = f"mmap(NULL, 3145728, {UNRESERVED}, 0) = {AT - (4 << 20):#x}"
    report = bare(
        tmp_path, HUGE, MAPPED_THERE, next_one, CUT.replace(f"{AT:#x}", f"{AT - (4 << 20):#x}")
    )
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 1, "unknown file system": 1}


BELOW = "fe:00 77" + " " * 25 + "/lib/x.so"
STACKED_NOTE = "4</lib/x.so<{dev} 77 0100000>>"
HALVES = tuple(
    f"mmap({A + at:#x}, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED, {STACKED_NOTE}, {at:#x})"
    f" = {A + at:#x}"
    for at in (0, 4096)
)


@pytest.mark.parametrize(("dev", "vmas"), [("00:29", 2), ("fe:00", 1)], ids=["overlay", "below"])
def test_device_of_the_file_below_shows_an_overlayfs(make: Make, dev: str, vmas: int) -> None:
    """Its mappings, which would continue each other, do not merge."""
    whole = [(f"{A:x}-{A + 8192:x} rw-p 00000000 {BELOW}", "rd wr mr mw me ac")]
    halves = [
        (f"{A + at:x}-{A + at + 4096:x} rw-p {at:08x} {BELOW}", "rd wr mr mw me ac")
        for at in (0, 4096)
    ]
    calls = ('openat(AT_FDCWD, "/lib/x.so", O_RDONLY) = 4', *HALVES)
    log = EXEC + "".join(f"50 {call.format(dev=dev)}\n" for call in calls)
    middle = whole if vmas == 1 else halves
    report = replay(make(log, None, [FIRST[0], *middle, *FIRST[1:]]))
    assert report.identical
    reasons = {"unknown file system": 1} if vmas == 2 else {}
    assert report.total.adopted_reasons == reasons
