# SPDX-License-Identifier: GPL-2.0-or-later
"""Refusals of calls that make memory outside of the address space."""

from pathlib import Path

import pytest

from vmalab.explain.enomem.failed_calls import UNKNOWN, Enomem, enomem
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options

EXEC = 'execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
USER = (
    "setresuid(65534, 65534, 65534) = 0\n"
    "prlimit64(0, RLIMIT_MEMLOCK, {rlim_cur=64*1024, rlim_max=64*1024}, NULL) = 0\n"
)
SMALL = "io_uring_setup(32, {flags=0, sq_thread_cpu=0, sq_thread_idle=0}) = 3\n"
LARGE = "io_uring_setup(4096, {flags=0, sq_thread_cpu=0, sq_thread_idle=0}) = "
NO_MEMORY = "-1 ENOMEM (Cannot allocate memory)\n"


def found_in(tmp_path: Path, log: str) -> Enomem:
    path = tmp_path / "calls.strace"
    path.write_text(EXEC + log)
    return enomem(RecordingFiles(str(path)), Options())[0]


def test_io_urings_of_a_user_count_together(tmp_path: Path) -> None:
    """Live on Linux 6.18 the second one passed with 421888 bytes, and not with 421887."""
    found = found_in(tmp_path, USER + SMALL + LARGE + NO_MEMORY)
    assert (found.failed, found.others_failed) == (0, 1)
    [refused] = found.refused
    assert (refused.verdict.check, refused.errno) == ("RLIMIT_MEMLOCK", "ENOMEM")
    assert refused.verdict.remedy == "RLIMIT_MEMLOCK of 421888 bytes (ulimit -l 412)"
    assert (refused.verdict.needed, refused.verdict.limit) == (103, 16)


def test_a_closed_io_uring_counts_no_more(tmp_path: Path) -> None:
    [refused] = found_in(tmp_path, USER + SMALL + "close(3) = 0\n" + LARGE + NO_MEMORY).refused
    assert refused.verdict.needed == 101


def test_explaining_leaves_no_descriptor(tmp_path: Path) -> None:
    found = found_in(tmp_path, 2 * ("userfaultfd(0) = -1 EPERM (Operation not permitted)\n"))
    [first, second] = found.refused
    assert first.verdict == second.verdict
    assert found.groups[0].count == 2


@pytest.mark.parametrize(
    ("call", "errno", "candidate"),
    [
        ("io_uring_setup(4, {flags=0})", "EPERM", "kernel.io_uring_disabled"),
        ("io_uring_setup(4, {flags=0})", "ENOMEM", "RLIMIT_MEMLOCK"),
        ("userfaultfd(O_CLOEXEC)", "EPERM", "vm.unprivileged_userfaultfd"),
        ('memfd_create("x", 0)', "EACCES", "vm.memfd_noexec"),
        ("memfd_secret(0)", "ENOSYS", "secretmem.enable"),
        ("shmget(IPC_PRIVATE, 2097152, SHM_HUGETLB|0600)", "EPERM", "vm.hugetlb_shm_group"),
        ("shmctl(3, SHM_LOCK, NULL)", "ENOMEM", "RLIMIT_MEMLOCK"),
        ("shmget(0x5, 4096, 0600)", "EACCES", "permission bits"),
        ('memfd_create("x", 0)', "EMFILE", "RLIMIT_NOFILE"),
    ],
)
def test_what_may_have_refused_is_named(
    tmp_path: Path, call: str, errno: str, candidate: str
) -> None:
    [refused] = found_in(tmp_path, f"{call} = -1 {errno} (x)\n").refused
    assert refused.verdict.check == UNKNOWN
    assert candidate in refused.verdict.why
