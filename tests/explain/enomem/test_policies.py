# SPDX-License-Identifier: GPL-2.0-or-later
"""Refusals of PROT_EXEC: a noexec mount is told apart from policies, and these by their errno."""

from pathlib import Path

import pytest

from vmalab.explain.enomem.failed_calls import Refused, enomem
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options

EXEC = 'execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
JIT = "mmap(NULL, 65536, PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 {} (x)\n"


def refused(tmp_path: Path, calls: str) -> Refused:
    """The one refusal that a bare log shows."""
    log = tmp_path / "calls.strace"
    log.write_text(EXEC + calls, "utf-8")
    found, report = enomem(RecordingFiles(str(log)), Options())
    assert report.identical
    assert len(found.refused) == 1
    return found.refused[0]


@pytest.mark.parametrize(("errno", "first"), [("EPERM", "a seccomp filter"), ("EACCES", "SELinux")])
def test_a_policy_is_named_by_its_errno(tmp_path: Path, errno: str, first: str) -> None:
    found = refused(tmp_path, JIT.format(errno))
    assert found.verdict.check == "refused by a filter"
    assert found.verdict.why.startswith(f"PROT_EXEC is refused by {first}")


def test_a_filter_refuses_other_calls_too(tmp_path: Path) -> None:
    found = refused(tmp_path, "userfaultfd(O_CLOEXEC) = 3\nmlockall(MCL_CURRENT) = -1 ENOSYS (x)\n")
    assert found.verdict.why == "a seccomp filter answers so to mlockall"


def test_a_noexec_mount_is_told_as_such(tmp_path: Path) -> None:
    opened = 'openat(AT_FDCWD, "/tmp/x", O_RDONLY) = 3\n'
    mapped = "mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3, 0) = -1 EPERM (x)\n"
    found = refused(tmp_path, opened + mapped)
    assert (found.verdict.check, found.argument) == ("argument", "prot")
    assert "noexec" in found.verdict.why
