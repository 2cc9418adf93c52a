# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that are built, recorded with their stacks, and blamed."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vmalab.cli.blame import blame as command

Run = Callable[..., subprocess.CompletedProcess[str]]


class Program:
    """A program that is built, recorded and blamed."""

    def __init__(self, record: Run, folder: Path) -> None:
        self._record = record
        self.folder = folder

    def source(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name

    def build(self, *words: str) -> None:
        subprocess.run(words, cwd=self.folder, check=True, capture_output=True)

    def blame(
        self, *words: str, record: tuple[str, ...] = ("./x",), status: int = 0
    ) -> dict[str, Any]:
        done = self._record("-k", "--", *record)
        assert done.returncode == status, done.stderr
        found = CliRunner().invoke(command, ["--json", *words, str(self.folder / "r")])
        assert found.exit_code == 0, found.output
        answer: dict[str, Any] = json.loads(found.stdout)
        return answer

    def line(self, name: str, what: str = "// guilty") -> int:
        lines = (self.folder / name).read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if what in line)


def needs(*commands: str) -> pytest.MarkDecorator:
    missing = [name for name in commands if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not on this machine: {', '.join(missing)}")


def top(found: dict[str, Any]) -> str:
    """The place of the program in the first row."""
    share = found["shares"]["site"][0]
    assert 50 <= share["vmas"] <= 60
    return str(share["cause"])
