# SPDX-License-Identifier: GPL-2.0-or-later
"""`--html`: a page beside what is printed, of one recording; what cannot be written is said."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")

from vmalab.calls.errors import UsageError
from vmalab.cli.replay import replay


def test_a_page_is_written_beside_the_json(examples: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = CliRunner().invoke(replay, ["--json", "--html", str(page), str(examples / "sqlite3")])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["memory_calls"] == 87
    assert "<h1>examples/sqlite3</h1>" in page.read_text("utf-8")


def test_a_page_of_a_replay_that_stopped(examples: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    words = ["--kernel", "6.1", "--stop", "--html", str(page), str(examples / "dense-1")]
    assert CliRunner().invoke(replay, words).exit_code == 1
    text = page.read_text("utf-8")
    assert "Not as recorded" in text
    assert '"pieces":[[' in text


def test_a_page_is_of_one_recording(examples: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = CliRunner().invoke(replay, ["--html", str(page), str(examples)])
    assert isinstance(done.exception, UsageError)
    assert "several" in str(done.exception)
    assert not page.exists()


def test_a_page_that_cannot_be_written(examples: Path, tmp_path: Path) -> None:
    page = tmp_path / "missing" / "page.html"
    done = CliRunner().invoke(replay, ["--html", str(page), str(examples / "sqlite3")])
    assert done.exit_code == 2
    assert f"vmalab: {page}: cannot write: No such file or directory" in done.stderr
