# SPDX-License-Identifier: GPL-2.0-or-later
"""Annotations of a workflow: where they stand, and what a hostile name cannot do."""

from pathlib import Path

from click.testing import CliRunner

from vmalab.cli.main import vmalab
from vmalab.views.github import command

LOG = """50 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000
50 munmap(0x7f0000000001, 4096) = 0
50 mmap(what
"""


def test_a_difference_stands_at_its_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG)
    done = CliRunner().invoke(vmalab, ["replay", "--github", str(log)])
    assert done.exit_code == 1
    lines = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert lines == done.stdout.splitlines()
    assert lines[0].startswith(
        f"::error file={log},line=2,title=differs%2C image 50.0::munmap(0x7f"
    )
    assert "%0Arecorded: 0%0Amodel: -1 EINVAL" in lines[0]
    assert any(line.startswith(f"::warning file={log},line=3::") for line in lines)
    assert lines[-1].startswith(f"::error file={log}::")


def test_what_is_identical_is_a_notice() -> None:
    done = CliRunner().invoke(vmalab, ["replay", "--github", "examples/sqlite3"])
    assert done.exit_code == 0
    last = done.stdout.splitlines()[-1]
    assert last.startswith(
        "::notice file=examples/sqlite3/calls.strace.gz::examples/sqlite3: ident"
    )


def test_a_name_begins_no_command_of_its_own() -> None:
    made = command("error", "a\r\n::warning::b%0A\x1b[1m", "x,y:z\n::", 3, "t:u")
    assert made == (
        r"::error file=x%2Cy%3Az\x0a%3A%3A,line=3,title=t%3Au::a\x0d%0A::warning::b%250A\x1b[1m"
    )


def test_github_and_json_exclude_each_other() -> None:
    done = CliRunner().invoke(vmalab, ["replay", "--github", "--json", "x"])
    assert done.exit_code == 2
    assert "exclude each other" in done.stderr
