# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab blame` as a user runs it."""

import json
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vmalab.calls.errors import VmalabError
from vmalab.cli.blame import blame as command
from vmalab.recording.readers.maps import read_snapshot

ROOT = Path(__file__).parent.parent.parent


def blame(*arguments: str) -> Result:
    """Runs the verb as `vmalab blame ARGUMENTS` would, from the top of the sources."""
    with chdir(ROOT):
        return CliRunner().invoke(command, arguments)


def blame_json(*arguments: str) -> dict[str, Any]:
    done = blame(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_program_at_its_peak(examples: Path) -> None:
    """Most VMAs of Python are its libraries' segments, the loader's doing."""
    found = blame_json(str(examples / "python-rlimit-as"))
    assert (found["image"], found["line"], len(found["vmas"])) == ("22543.1", 377, 104)
    shares = [(share["cause"], share["vmas"]) for share in found["shares"]["call"]]
    assert shares == [("mmap", 73), ("mprotect", 18), ("exec", 12), ("brk", 1)]
    assert found["shares"]["site"][0]["cause"] == (
        "mmap(PROT_READ|PROT_EXEC, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE)"
    )


def test_tables_fit_a_terminal(examples: Path) -> None:
    done = blame(str(examples / "python-rlimit-as"), "--all")
    lines = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert lines[0].endswith("104 VMAs, 95 boundaries between them")
    assert all(len(line) <= 80 for line in lines[1:])
    listed = [line for line in lines if line.split(maxsplit=2)[1:2] in (["mapped"], ["split"])]
    assert len(listed) == 104 - 12
    assert listed[0].split()[:4] == ["52", "split", "55d4558b9000-55d4558ba000", "r--p"]


def test_the_life_of_a_vma(examples: Path) -> None:
    path = str(examples / "python-rlimit-as")
    found = blame_json(path, "--addr", "7fe229185000")
    events = [(event["what"], event["deed"]["line"]) for event in found["life"]]
    assert events == [("mapped", 68), ("grew", 69), ("grew", 70), ("grew", 102), ("grew", 195)]
    done = blame(path, "--addr", "7fe229185000")
    assert "start by    line 195, thread 22543: mmap(NULL, 1048576, " in done.stdout
    assert blame(path, "--addr", "1000").stdout.endswith("Nothing is mapped at 1000.\n")


def test_a_line_of_the_log(examples: Path) -> None:
    recording = examples / "dense-1"
    found = blame_json(str(recording), "--at", "999")
    snapshot = recording / "images" / "20000.1" / "checkpoint-999.smaps"
    lines = [line for line in read_snapshot(str(snapshot)) if line.start < 1 << 63]
    assert [(vma["start"], vma["end"], vma["perms"]) for vma in found["vmas"]] == [
        (line.start, line.end, line.perms) for line in lines
    ]
    assert max(vma["born"]["line"] for vma in found["vmas"]) <= 999


def test_images_can_be_chosen(examples: Path) -> None:
    """The shell, and the sqlite3 that it became."""
    found = blame_json(str(examples / "sqlite3"), "--at", "end")
    assert found["others"] == {}
    assert found["image"] == "23075.2"


def test_one_sum_alone(examples: Path) -> None:
    done = blame(str(examples / "sqlite3"), "--by", "library", "--top", "2")
    assert "(no stack recorded)" in done.stdout
    assert "place in the program" not in done.stdout


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(
        'openat(AT_FDCWD, "/a\\33[31m[red]", O_RDONLY) = 3</a\\33[31m[red]>\n'
        "mmap(0x10000000, 4096, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3, 0) = 0x10000000\n"
    )
    done = blame(str(path), "--addr", "10000000")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "[red]" in done.stdout


def test_lines_that_are_not_understood_are_told(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("brk(NULL) = 0x10000000\nwhat?\n")
    done = blame(str(path))
    assert done.exit_code == 0
    assert "could not be understood: 1. " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("/no/such/file",), "cannot open"),
        (("examples/sqlite3", "--at", "3"), "no process image exists after line 3"),
        (("README.md",), "(no line of the log can be used)"),
        (("examples/dense-1", "--image", "x"), "the image 'x' does not exist"),
        (("examples/dense-1", "--by", "mood"), "Invalid value for '--by'"),
    ],
)
def test_what_cannot_be_used_is_said(arguments: tuple[str, ...], message: str) -> None:
    done = blame(*arguments)
    assert isinstance(done.exception, VmalabError) or done.exit_code == 2
    assert message in f"{done.exception} {done.stderr}"
