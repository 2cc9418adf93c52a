# SPDX-License-Identifier: GPL-2.0-or-later
"""The map of a live process: the same as its maps file says, with what smaps adds."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.recording.live.live_map import parse_live_smaps, read_policies, read_process
from vmalab.recording.live.process_limits import refusal_of
from vmalab.recording.readers.maps import parse_maps, parse_smaps

SMAPS = """\
00400000-00401000 r-xp 00001000 fe:00 7                                  /bin/x y
Size:                  4 kB
Rss:                   4 kB
Pss:                   4 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
7f0000000000-7f0000003000 rw-p 00000000 00:00 0
Size:                 12 kB
Rss:                   8 kB
Anonymous:             4 kB
Swap:                  0 kB
THPeligible:           0
ProtectionKey:         2
VmFlags: rd wr mr mw me ac nh
"""


@pytest.fixture
def quiet_process() -> subprocess.Popen[bytes]:
    """A process that changes nothing any more once it has written its line."""
    process = subprocess.Popen(
        [sys.executable, "-c", "print('ready', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_what_smaps_says_is_read_as_by_the_reader_of_files() -> None:
    fast, slow = parse_live_smaps(SMAPS.encode()), parse_smaps(SMAPS)
    assert fast == slow
    assert [(line.rss, line.anonymous) for line in fast] == [(4096, 0), (8192, 4096)]
    assert (fast[1].pkey, fast[1].flags[-1] if fast[1].flags else "") == (2, "nh")


def test_a_live_process_is_as_its_maps_file_shows_it(
    quiet_process: subprocess.Popen[bytes],
) -> None:
    pid = quiet_process.pid
    with quiet_process:
        found = read_process(pid)
        text = Path(f"/proc/{pid}/maps").read_text("utf-8", "surrogateescape")
        quiet_process.communicate(b"\n")
    assert [line.text for line in found.lines] == [line.text for line in parse_maps(text)]
    if found.complete:
        assert all(line.flags for line in found.lines)
    else:
        assert found.why.startswith(f"/proc/{pid}/smaps: ")


def test_policies_of_a_live_process(quiet_process: subprocess.Popen[bytes]) -> None:
    pid = quiet_process.pid
    with quiet_process:
        starts = {line.start for line in read_process(pid).lines}
        policies = read_policies(pid)
        quiet_process.communicate(b"\n")
    if not policies:
        pytest.skip("no numa_maps here")
    assert policies.keys() <= starts
    assert set(policies.values()) == {"default"}
    assert read_policies((1 << 31) - 1) == {}


def test_no_such_process() -> None:
    """Numbers above the largest that the kernel gives."""
    limit = int(Path("/proc/sys/kernel/pid_max").read_text())
    with pytest.raises(ReadError, match="no such process"):
        read_process(limit + 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every process")
def test_a_process_of_another_user_is_refused() -> None:
    with pytest.raises(ReadError, match="rights of a debugger"):
        read_process(1)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_refusal_says_what_it_takes(code: int) -> None:
    assert "CAP_SYS_PTRACE" in refusal_of(OSError(code, os.strerror(code)))


def test_other_errors_are_the_kernels() -> None:
    assert refusal_of(OSError(errno.EIO, os.strerror(errno.EIO))) == "Input/output error"
