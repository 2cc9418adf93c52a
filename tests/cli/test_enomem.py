# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab enomem` as a user runs it: recordings, live processes, Prometheus, what is refused."""

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmalab.calls.errors import VmalabError
from vmalab.cli.enomem import enomem
from vmalab.explain.enomem.headroom import Headroom, headroom_of_process
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.recording.live.process_limits import ProcessLimits, parse_limits, read_limits
from vmalab.views.prometheus import headroom_lines, label_text

ROOT = Path(__file__).resolve().parents[2]
METRIC = re.compile(r'[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? \S+')


def run(*args: str | Path) -> Result:
    """Runs the verb; an error is the test's to expect."""
    return CliRunner().invoke(enomem, [str(arg) for arg in args])


def test_json_of_a_recording() -> None:
    done = run("--json", ROOT / "tests" / "data" / "mapcount-1")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["kernel"], found["memory_calls"], found["failed"]) == ("7.3", 2000, 696)
    first = found["groups"][0]
    assert (first["check"], first["call"], first["count"]) == ("map count", "mmap", 30)
    refused = next(one for one in found["refused"] if one["line"] == 868)
    assert (refused["needed"], refused["limit"], refused["over"]) == (71, 70, 1)
    assert (refused["trend"]["now"], refused["trend"]["grew"]) == (67, 12)
    rows = {row["name"]: row for row in found["headroom"]["20000.1"]}
    assert (rows["map count"]["used"], rows["map count"]["limit"]) == (71, 70)
    assert (rows["map count"]["left"], rows["map count"]["calls_left"]) == (-1, 0)


def test_a_recording_in_which_nothing_fails() -> None:
    done = run(ROOT / "examples" / "sqlite3")
    assert done.exit_code == 0
    assert done.stdout.startswith(
        str(ROOT / "examples" / "sqlite3") + ": 0 of 87 memory calls failed"
    )


def test_all_shows_every_call_that_is_kept() -> None:
    path = ROOT / "examples" / "python-rlimit-as"
    assert run(path).stdout.count("would have let it pass") == 2
    assert run(path, "--all").stdout.count("would have let it pass") == 6


def test_a_table_fits_80_columns() -> None:
    lines = run(ROOT / "tests" / "data" / "limits-1").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("times"))
    end = lines.index("", start)
    assert end - start > 10
    assert max(len(line) for line in lines[start:end]) <= 80


def test_own_process() -> None:
    done = run("--json", str(os.getpid()))
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    rows = {row["name"]: row for row in found["headroom"]}
    maps = Path("/proc/self/maps").read_text().splitlines()
    assert abs(rows["map count"]["used"] - len(maps)) < 50
    limit = int(Path("/proc/sys/vm/max_map_count").read_text())
    assert (rows["map count"]["limit"], rows["map count"]["per_second"]) == (limit, None)
    assert rows["largest gap"]["used"] > 1 << 40


def test_own_process_twice() -> None:
    done = run("-p", str(os.getpid()), "--interval", "0.01")
    assert done.exit_code == 0
    assert done.stdout.startswith(f"process {os.getpid()}, over 0.01 s:")
    assert "a second" in done.stdout


@pytest.mark.parametrize("subject", [["examples/python-rlimit-as"], ["-p", str(os.getpid())]])
def test_prometheus(subject: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    lines = run("--prometheus", *subject).stdout.splitlines()
    typed: set[str] = set()
    for line in lines:
        if line.startswith("# TYPE "):
            name, kind = line.removeprefix("# TYPE ").split()
            assert kind in ("gauge", "counter")
            assert name not in typed
            typed.add(name)
        elif not line.startswith("# HELP "):
            assert METRIC.fullmatch(line), line
            assert re.split(r"[ {]", line)[0] in typed
    assert {"vmalab_map_count", "vmalab_map_count_limit", "vmalab_largest_gap_bytes"} <= typed


def test_labels_are_escaped() -> None:
    assert label_text({"image": 'a"b\\c\nd'}) == r'{image="a\"b\\c\nd"}'
    row = Headroom("map count", "VMAs", 5, 5, None, None, 1.0)
    lines = list(headroom_lines([({"pid": "7"}, row)]))
    assert 'vmalab_map_count_limit{pid="7"} +Inf' in lines
    assert not any("exhausted" in line for line in lines)


def limits(when: float, vmas: int, locked: int) -> ProcessLimits:
    """A moment of a process that may lock 64 KiB."""
    return ProcessLimits(
        pid=1,
        when=when,
        vmas=vmas,
        largest_gap=4096,
        status={"VmSize": 400, "VmData": 80, "VmLck": locked, "VmStk": 132},
        rlimits={"AS": RLIM_INFINITY, "MEMLOCK": 65536},
        sysctl={"max_map_count": 100, "overcommit_memory": 2, "mmap_min_addr": 4096},
        commit_limit=4000,
        committed=2000,
        may_lock=False,
    )


def test_two_moments_tell_when_a_limit_is_reached() -> None:
    rows = {row.name: row for row in headroom_of_process(limits(1, 40, 0), limits(11, 60, 20))}
    count = rows["map count"]
    assert (count.used, count.left, count.per_second, count.seconds_left) == (60, 40, 2.0, 20)
    locked = rows["RLIMIT_MEMLOCK"]
    assert (locked.used, locked.limit, locked.per_second, locked.seconds_left) == (5, 16, 0.5, 22)
    commit = rows["commit limit"]
    assert (commit.used, commit.limit, commit.seconds_left) == (500, 1000, None)
    assert rows["RLIMIT_AS"].limit is None


def test_limits_as_the_kernel_prints_them() -> None:
    text = (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max data size             unlimited            unlimited            bytes     \n"
        "Max stack size            8388608              unlimited            bytes     \n"
        "Max open files            1024                 1048576              files     \n"
        "Max locked memory         65536                65536                bytes     \n"
        "Max address space         1048576              2097152              bytes     \n"
    )
    assert parse_limits(text) == {
        "DATA": RLIM_INFINITY,
        "STACK": 8388608,
        "MEMLOCK": 65536,
        "AS": 1048576,
    }


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(VmalabError, match="no such process"):
        read_limits(2**22 + 1)


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["examples/sqlite3", "-p", "1"],
        ["examples/sqlite3", "--json", "--prometheus"],
        ["examples/sqlite3", "--interval", "1"],
        ["-p", "1", "--kernel", "6.1"],
        ["-p", "0"],
        ["/proc/self/maps", "--interval", "1"],
    ],
)
def test_what_cannot_be_asked(args: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = run(*args)
    assert done.exit_code == 2
    assert "Error" in done.output


MMAP = "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000\n"


def test_limits_that_a_bare_log_lacks_are_not_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(MMAP)
    bare = run(tmp_path / "log").stdout
    stated = run(tmp_path / "log", "--rlimit", "AS=4G", "--set", "vm.overcommit_memory=0").stdout
    limits = [
        dict(re.findall(r"^((?:RLIMIT|commit)[ \w]*?)  .* (\S+) *$", text, re.M))
        for text in (bare, stated)
    ]
    assert limits[0] == dict.fromkeys(
        ("RLIMIT_AS", "RLIMIT_DATA", "RLIMIT_MEMLOCK", "RLIMIT_STACK", "commit limit"), "?"
    )
    assert (limits[1]["RLIMIT_AS"], limits[1]["commit limit"]) == ("GiB", "none")


def test_limit_that_is_not_known_is_no_metric(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(MMAP)
    names = {
        line.split("{")[0] for line in run("--prometheus", tmp_path / "log").stdout.splitlines()
    }
    assert {"vmalab_map_count_limit", "vmalab_data_bytes"} <= names
    assert "vmalab_data_limit_bytes" not in names


def test_one_vma_is_no_plural(tmp_path: Path) -> None:
    (tmp_path / "map").write_text("7f0000001000-7f0000002000 r--p 00000000 fe:00 17   /a\n")
    assert run(tmp_path / "map").stdout.splitlines()[0] == f"{tmp_path}/map: 1 VMA"
