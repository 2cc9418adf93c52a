# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab top` without a terminal: what is printed once, and written again and again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from vmalab.calls.errors import UsageError
from vmalab.cli.main import vmalab
from vmalab.explain.enomem.headroom import AS, MAP_COUNT, MEMLOCK, Headroom
from vmalab.explain.enomem.limit_checks import BYTES, PAGES, VMAS
from vmalab.explain.enomem.watched import Watched
from vmalab.views.output import drawn
from vmalab.views.top import mark_of
from vmalab.views.top_table import processes_table

SELF = str(os.getpid())


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(vmalab, ["top", *words])
    return done.exit_code, done.stdout, done.stderr


def test_once_prints_a_line_for_each_process() -> None:
    status, out, _ = run("--once")
    heading, *lines = out.splitlines()
    assert status == 0
    assert heading.split()[:2] == ["PID", "VMAs"]
    assert SELF in [line.split()[0] for line in lines]


@pytest.mark.parametrize(
    ("used", "mark"), [(0, " "), (74, " "), (75, "*"), (89, "*"), (90, "!"), (100, "!")]
)
def test_a_process_near_a_limit_is_marked(used: int, mark: str) -> None:
    limits = tuple(Headroom(name, PAGES, used, used, 100) for name in (MAP_COUNT, AS, MEMLOCK))
    assert mark_of(Watched(1, "x", limits)) == mark


def test_once_prints_the_marks() -> None:
    lines = run("--once")[1].splitlines()
    assert lines[0].startswith("  ")
    assert {line[:2] for line in lines[1:]} <= {"  ", "* ", "! "}


def test_table_fits_its_columns() -> None:
    unlimited = Headroom(MEMLOCK, BYTES, 1023 << 20, 1023 << 20, None)
    pages = Headroom(MAP_COUNT, VMAS, 65530, 65530, 65530)
    size = Headroom(AS, BYTES, 1023 << 30, 1023 << 30, 1 << 40)
    text = drawn([processes_table([Watched(4194303, "\x1bame", (pages, size, unlimited))])], 80)
    heading, line = text.splitlines()
    assert heading.split()[-1] == "name"
    assert "a second" not in heading
    assert line.split()[:4] == ["!", "4194303", "65530", "100.0"]
    assert line.endswith("\\x1bame")


def test_warn_has_an_exit_status() -> None:
    assert run("--once", "--warn", "100", SELF)[0] == 0
    status, _, err = run("--once", "--warn", "0.001", SELF)
    assert status == 1
    assert f"process {SELF} (" in err
    assert "map count: " in err


def test_two_looks_show_growth() -> None:
    status, out, _ = run("--json", "--interval", "0.1", SELF)
    (process,) = json.loads(out)["processes"]
    assert status == 0
    rows = {row["name"]: row for row in process["headroom"]}
    assert rows["RLIMIT_AS"]["per_second"] is not None
    assert rows["map count"]["seconds_left"] is None


def test_metrics_name_the_process_and_are_escaped(tmp_path: Path) -> None:
    name = 'a"\\\n\x1b'
    code = f"import sys, pathlib; pathlib.Path('/proc/self/comm').write_text({name!r}); "
    code += "print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        status, out, _ = run("--prometheus", str(child.pid))
        child.stdin.close()
    assert status == 0
    assert f'vmalab_map_count{{pid="{child.pid}",comm="a\\"\\\\\\n\\\\x1b"}} ' in out


def test_a_process_that_is_not_there() -> None:
    status, _, err = run("--once", "4194304")
    assert status == 1 or "no such process" in err or status == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--json", "--prometheus"),
        ("--watch", "x.prom", "--once"),
        ("--warn", "80"),
        ("--once", "--warn", "101"),
        ("--once", "0"),
    ],
    ids=" ".join,
)
def test_options_that_exclude_each_other(words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2


def test_without_a_terminal_it_says_so() -> None:
    done = CliRunner().invoke(vmalab, ["top"])
    assert isinstance(done.exception, UsageError)
    assert "needs a terminal" in str(done.exception)


def test_watch_replaces_its_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "vmalab.prom"
    command = [sys.executable, "-m", "vmalab", "top", "--watch", str(path), "--interval", "0.1"]
    with subprocess.Popen([*command, SELF], stderr=subprocess.PIPE) as watcher:
        try:
            deadline = time.monotonic() + 60
            inodes: set[int] = set()
            while len(inodes) < 3:
                assert time.monotonic() < deadline
                if path.exists():
                    with path.open() as file:
                        inodes.add(os.fstat(file.fileno()).st_ino)
                        text = file.read()
                    assert text.endswith("\n")
                    assert f'vmalab_map_count{{pid="{SELF}"' in text
            watcher.send_signal(signal.SIGINT)
            assert watcher.wait(60) == 130
        finally:
            watcher.kill()
    assert os.listdir(tmp_path) == ["vmalab.prom"]
