# SPDX-License-Identifier: GPL-2.0-or-later
"""A saved map counts against the limits as the kernel counts; what it does not tell is said."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab as cli
from vmalab.explain.enomem.headroom import Headroom, headroom_of_process
from vmalab.explain.enomem.saved_map import headroom_of_map
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.recording.format.stated import Stated
from vmalab.recording.live.process_limits import read_limits
from vmalab.recording.readers.maps import parse_maps, parse_smaps


@pytest.fixture(scope="module")
def waiting() -> Iterator[int]:
    """A process that waits for its end."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x")
        process.stdin.flush()
        assert process.stdout.read(1) == b"x"
        yield process.pid
        process.stdin.close()


def named(rows: list[Headroom]) -> dict[str, Headroom]:
    return {row.name: row for row in rows}


def test_counts_are_those_of_the_kernel(waiting: int) -> None:
    live = named(headroom_of_process(limits := read_limits(waiting), limits))
    saved, _ = headroom_of_map(parse_smaps(Path(f"/proc/{waiting}/smaps").read_text()), Stated())
    ours = named(saved)
    for name in ("map count", "RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_MEMLOCK"):
        assert ours[name].used == live[name].used, name


def test_stated_limits_are_used_and_others_unknown(waiting: int) -> None:
    lines = parse_maps(Path(f"/proc/{waiting}/maps").read_text())
    stated = Stated(
        sysctl={"vm.max_map_count": 262144}, rlimits={"AS": 1 << 30, "STACK": RLIM_INFINITY}
    )
    rows, notes = headroom_of_map(lines, stated)
    ours = named(rows)
    assert (ours["map count"].limit, ours["RLIMIT_AS"].limit) == (262144, 1 << 18)
    assert (ours["RLIMIT_STACK"].limit, ours["RLIMIT_STACK"].limit_known) == (None, True)
    assert (ours["RLIMIT_DATA"].limit, ours["RLIMIT_DATA"].limit_known) == (None, False)
    assert "RLIMIT_MEMLOCK" not in ours
    assert any("RLIMIT_DATA" in note for note in notes)
    assert not any("vm.max_map_count" in note for note in notes)


def test_commit_limit_follows_from_what_is_stated(waiting: int) -> None:
    lines = parse_smaps(Path(f"/proc/{waiting}/smaps").read_text())
    stated = Stated(sysctl={"vm.overcommit_memory": 2}, ram=8 << 30)
    assert named(headroom_of_map(lines, stated)[0])["commit limit"].limit == 1 << 20
    never = Stated(sysctl={"vm.overcommit_memory": 0})
    row = named(headroom_of_map(lines, never)[0])["commit limit"]
    assert (row.limit, row.limit_known) == (None, True)


def test_missing_lines_are_no_gap() -> None:
    text = (
        "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n"
        "7f0000005000-7f0000006000 rw-p 00000000 00:00 0 \n"
    )
    stated = Stated(sysctl={"vm.mmap_min_addr": 0x7F0000000000})
    rows, _ = headroom_of_map(parse_maps(text), stated)
    assert named(rows)["largest gap"].used == 0x4000
    rows, _ = headroom_of_map(parse_maps(text), stated, {0})
    assert named(rows)["largest gap"].used == 0


def test_command_takes_a_map(tmp_path: Path, waiting: int) -> None:
    path = tmp_path / "saved.maps"
    path.write_text(Path(f"/proc/{waiting}/maps").read_text())
    result = CliRunner().invoke(cli, ["enomem", str(path), "--rlimit", "AS=1G"])
    assert result.exit_code == 0
    assert "RLIMIT_AS" in result.output
    assert "1 GiB" in result.output
    assert "Not stated, and in no map: RLIMIT_DATA, RLIMIT_STACK" in result.output
    result = CliRunner().invoke(cli, ["enomem", str(path), "--kernel", "6.1"])
    assert result.exit_code == 2
