# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab fleet report`: tables, a page, exit statuses."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmalab.cli.main import vmalab


def run(*words: str) -> Result:
    """Run the verb in this process."""
    return CliRunner().invoke(vmalab, ["fleet", "report", "--jobs", "1", *words])


def test_who_nears_a_limit_is_told(examples: Path) -> None:
    done = run(str(examples), "--rlimit", "AS=1G")
    assert done.exit_code == 1
    first, second = done.stdout.splitlines()[:2]
    assert first.startswith("4 recordings of 4 services, 2,833 memory calls: 1 used 80 % of a")
    assert second == "Linux 6.18: 4"
    assert "RLIMIT_AS  255.1 MiB of 256 MiB  python3" in done.stdout
    assert "newly passing: 3 calls in 1 recording" in " ".join(done.stdout.split())


def test_nobody_near_a_limit_ends_with_0(examples: Path) -> None:
    done = run(str(examples / "sqlite3"), "--no-whatif")
    assert done.exit_code == 0
    assert "none used 80 % of a limit" in done.stdout


def test_what_counts_as_near_can_be_chosen(examples: Path) -> None:
    assert run(str(examples / "sqlite3"), "--no-whatif", "--near", "1").exit_code == 1


def test_recordings_of_no_use_are_named(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "calls.strace").write_text("nothing\n")
    done = run(str(tmp_path))
    assert done.exit_code == 2
    assert f"vmalab: {tmp_path}/one" in done.stderr


def test_a_page_is_written(examples: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")
    page = tmp_path / "page.html"
    assert run(str(examples), "--kernel", "7.3", "--html", str(page)).exit_code == 1
    assert "not as recorded" in page.read_text("utf-8")
    text = page.read_text("utf-8")
    assert "<h1>Fleet</h1>" in text
    assert "python3 uses 99.7 % of RLIMIT_AS." in text
    assert "Nearest to a limit" in text
    assert "Linux 7.3" in text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(["--kernel", "1.0"], "no model of kernel", id="kernel"),
        pytest.param(["--set", "x"], "is not a setting", id="setting"),
        pytest.param(["--no-whatif", "--kernel", "7.3"], "excludes", id="both"),
        pytest.param(["--sample", "0"], "0 is not in the range", id="sample"),
    ],
)
def test_what_cannot_be_asked_is_said(examples: Path, words: list[str], why: str) -> None:
    done = run(str(examples), *words)
    assert done.exit_code != 0
    assert why in str(done.exception) + done.stderr
