# SPDX-License-Identifier: GPL-2.0-or-later
"""How a command ends when the machine, the input or the user ends it: a message, no traceback."""

import bdb
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from vmalab.calls.errors import ReadError
from vmalab.cli.failures import report
from vmalab.views.output import OutputError

Run = Callable[..., subprocess.CompletedProcess[str]]

COMMAND = [sys.executable, "-m", "vmalab.cli.main"]


@pytest.fixture
def shell(tmp_path: Path) -> Run:
    """Runs the command by a shell, with what stands behind it: redirections."""

    def run(redirections: str, *args: str | Path) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'exec "$@" {redirections}', "sh", *COMMAND, *map(str, args)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120
        )

    return run


PRINTING = {
    "maps": ["replay", "--maps", "examples/sqlite3"],
    "tables": ["why", "examples/sqlite3"],
    "help": ["--help"],
    "version": ["--version"],
}


@pytest.mark.parametrize("name", PRINTING)
@pytest.mark.parametrize(
    ("redirection", "why"),
    [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")],
    ids=["closed", "full"],
)
def test_output_that_cannot_be_written_is_said(
    shell: Run, examples: Path, tmp_path: Path, name: str, redirection: str, why: str
) -> None:
    (tmp_path / "examples").symlink_to(examples)
    done = shell(redirection, *PRINTING[name])
    assert done.stderr == f"vmalab: standard output: {why}\n"
    assert done.returncode == 2


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_message_that_cannot_be_written_is_lost_and_the_status_stays(
    shell: Run, redirection: str
) -> None:
    assert shell(redirection, "replay", "missing").returncode == 2


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_output_stays_where_messages_cannot_be_written(
    shell: Run, examples: Path, redirection: str
) -> None:
    done = shell(redirection, "replay", examples / "sqlite3")
    assert "total: 1 of 1 recording identical" in done.stdout
    assert done.returncode == 0


def test_nothing_is_open_and_the_status_stays(shell: Run, examples: Path) -> None:
    assert shell("<&- >&- 2>&-", "replay", examples / "sqlite3").returncode == 2


def test_what_is_printed_goes_to_no_file_that_was_opened(shell: Run, tmp_path: Path) -> None:
    """With descriptor 1 closed, the next file that is opened would get its number."""
    path = tmp_path / "log"
    path.write_text("50 brk(NULL) = 0x1000\n", "utf-8")
    before = path.read_bytes()
    done = shell(">&-", "replay", "--html", "page.html", "log")
    assert done.returncode == 2
    assert path.read_bytes() == before
    assert (tmp_path / "page.html").read_text("utf-8").rstrip().endswith("</body></html>")


@pytest.mark.parametrize("name", PRINTING)
def test_reader_that_goes_away_ends_the_command_by_sigpipe(examples: Path, name: str) -> None:
    with subprocess.Popen(
        [*COMMAND, *PRINTING[name]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=examples.parent,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == -signal.SIGPIPE


# Sets the limit when all is imported, so that it is met where the recording is read.
SHORT_OF_MEMORY = """
import resource, sys
from vmalab.cli import replay
from vmalab.cli.main import main
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (24 << 20), resource.RLIM_INFINITY))
sys.argv = ["vmalab", "replay", "r"]
main()
"""


def test_memory_that_is_short_is_said_with_the_limit(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r/calls.strace").write_text("50 brk(NULL) = 0x1000\n", "utf-8")
    with open(tmp_path / "r/meta.json", "wb") as file:
        file.truncate(60 << 20)
    command = [sys.executable, "-c", SHORT_OF_MEMORY]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stderr.startswith("vmalab: out of memory (the limit is ")
    assert len(done.stderr.splitlines()) == 1
    assert done.returncode == 2


RULES = {
    "loaded": "import bdb\nraise bdb.BdbQuit\n",
    "used": (
        "import bdb\n"
        "from vmalab.linux.mm.vma_internal import VmaInternal\n"
        "class Rule(VmaInternal):\n"
        "    def __init__(self, config):\n"
        "        raise bdb.BdbQuit\n"
    ),
}


@pytest.mark.parametrize("when", RULES)
def test_leaving_the_debugger_is_quiet(
    shell: Run, examples: Path, tmp_path: Path, when: str
) -> None:
    (tmp_path / "rule.py").write_text(RULES[when], "utf-8")
    done = shell("", "replay", "--seam", "rule.py", examples / "sqlite3")
    assert (done.stdout, done.stderr) == ("", "")
    assert done.returncode == 130


CAUSES = {
    "input": (ReadError("f", 3, "no"), 2, "vmalab: f:3: no\n"),
    "usage": (click.UsageError("no"), 2, "Error: no\n"),
    "interrupt": (KeyboardInterrupt(), 130, "vmalab: interrupted\n"),
    "debugger": (bdb.BdbQuit(), 130, ""),
    "reader": (OutputError(BrokenPipeError(errno.EPIPE, "x")), 141, ""),
    "disk": (
        OSError(errno.ENOSPC, "No space left", "/tmp/f\x1b"),
        2,
        "/tmp/f\\x1b: No space left\n",
    ),
    "files": (OSError(errno.EMFILE, "Too many open files"), 2, "vmalab: Too many open files\n"),
    "memory of the kernel": (OSError(errno.ENOMEM, "x"), 2, "vmalab: out of memory ("),
    "library": (ImportError("x.so: failed to map segment"), 2, "vmalab: out of memory ("),
    "defect": (ValueError("\x1b"), 2, "vmalab: a defect of vmalab: ValueError: \\x1b\n"),
    "wrong call": (OSError(errno.EBADF, "x"), 2, "vmalab: a defect of vmalab: OSError"),
    "depth": (RecursionError("x"), 2, "vmalab: a defect of vmalab: RecursionError"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_only_defects_are_called_so(cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    error, status, said = CAUSES[cause]
    assert report(error) == status
    printed = capsys.readouterr().err
    assert said in printed if said else printed == ""
    assert ("please report it" in printed) == ("defect" in said)


DEEP = 200_000


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r/meta.json", "[" * DEEP),
        ("r/meta.json", '{"a":' * DEEP),
        ("snapshot", '{"entries": ' + "[" * DEEP),
    ],
    ids=["lists", "objects", "checkpoint"],
)
def test_deep_json_is_refused(vmalab_here: Run, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r/calls.strace").write_text("50 brk(NULL) = 0x1000\n", "utf-8")
    (tmp_path / name).write_text(text, "utf-8")
    done = vmalab_here("why", name.partition("/")[0])
    assert done.stderr == f"vmalab: {name}: nested too deeply\n"
    assert done.returncode == 2


def test_json_is_ascii_without_controls(shell: Run, tmp_path: Path) -> None:
    name = "l\udcff\x7f\u202e\x9b"
    (tmp_path / name).write_text("50 brk(NULL) = 0x1000\n", "utf-8")
    done = shell("", "replay", "--json", os.fsencode(name).decode("utf-8", "surrogateescape"))
    assert done.stdout.rstrip("\n").isprintable()
    assert done.stdout.isascii()
    assert json.loads(done.stdout)["recording"] == name
