# SPDX-License-Identifier: GPL-2.0-or-later
"""Of a log alone it is said which limit may have refused a call, and how near it was."""

from pathlib import Path

import pytest

from vmalab.explain.enomem.failed_calls import Refused, enomem
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.replay.replay import Options

MIB = 1 << 20
ANON = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0"
HELD = f"mmap(NULL, {200 * MIB}, {ANON}) = 0x7f0000000000"
REFUSED = f"mmap(NULL, {MIB}, {ANON}) = -1 ENOMEM (Cannot allocate memory)"


def refusal(tmp_path: Path, *calls: str, **limits: int) -> Refused:
    path = tmp_path / "calls.strace"
    path.write_text("".join(f"{call}\n" for call in (*calls, HELD, REFUSED)))
    found, report = enomem(RecordingFiles(str(path), Stated(rlimits=limits)), Options())
    assert report.total.differ == 0
    [refused] = found.refused
    return refused


@pytest.mark.parametrize("name", ["AS", "DATA"])
def test_stated_limit_that_is_near_is_named(tmp_path: Path, name: str) -> None:
    verdict = refusal(tmp_path, **{name: 205 * MIB}).verdict
    assert verdict.check == f"RLIMIT_{name}"
    assert verdict.why == (
        f"200 MiB in the log and 1 MiB more, within 4 MiB of RLIMIT_{name}, 205 MiB; "
        "start-up VMAs are not in the log"
    )


def test_limit_that_the_program_asked_for_is_used_as_well(tmp_path: Path) -> None:
    told = f"prlimit64(0, RLIMIT_AS, NULL, {{rlim_cur={205 * MIB}, rlim_max=RLIM64_INFINITY}}) = 0"
    assert refusal(tmp_path, told).verdict.check == "RLIMIT_AS"


def test_limit_that_is_far_is_not_named(tmp_path: Path) -> None:
    verdict = refusal(tmp_path, AS=4096 * MIB).verdict
    assert verdict.check == "unknown"
    assert "the log holds no limits (vm.max_map_count, RLIMIT_DATA, RAM)" in verdict.why
    assert "the call asks for 1 MiB" in verdict.why
