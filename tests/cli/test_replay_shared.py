# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab replay --jobs`: prints what one process prints, in the same order."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmalab.calls.errors import UsageError
from vmalab.cli.replay import replay

# Beside the examples: one that differs there, and one of no use.
LOG = """50 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000
50 mprotect(0x7f0000000000, 4096, PROT_READ) = -1 EACCES (Permission denied)
"""


@pytest.fixture
def words(examples: Path, tmp_path: Path) -> list[str]:
    """The paths that are replayed."""
    (tmp_path / "differs").write_text(LOG)
    (tmp_path / "useless").write_text("nothing\n")
    return [str(examples / "sqlite3"), *(str(tmp_path / name) for name in ("differs", "useless"))]


def run(*words: str) -> Result:
    """Run the verb in this process."""
    return CliRunner().invoke(replay, words)


def timeless(text: str) -> str:
    """Return a text without the seconds that it took."""
    return re.sub(r'[\d.]+ s$|"seconds":[\d.e-]+', "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("more", [[], ["--json"], ["--kernel", "6.1"]])
def test_two_processes_print_what_one_prints(words: list[str], more: list[str]) -> None:
    alone, shared = run(*words, *more), run(*words, *more, "--jobs", "2")
    assert timeless(shared.stdout) == timeless(alone.stdout)
    assert shared.stderr == alone.stderr
    assert shared.exit_code == alone.exit_code == 2
    if more == ["--json"]:
        assert len([json.loads(line) for line in shared.stdout.splitlines()]) == 2


def test_what_a_worker_cannot_do_is_said(words: list[str]) -> None:
    done = run(*words, "--jobs", "2", "--maps")
    assert isinstance(done.exception, UsageError)
    assert "--jobs and --cluster go with" in str(done.exception)
