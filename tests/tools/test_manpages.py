# SPDX-License-Identifier: GPL-2.0-or-later
"""Man pages: one for each verb, without a complaint of man's, and safe from what is in a text."""

import shutil
import subprocess
from pathlib import Path

import pytest
from commands import commands
from manpages import escaped, write_all

from vmalab.cli.verbs import VERBS


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with everything."""
    folder = tmp_path_factory.mktemp("share")
    write_all(folder)
    return folder


def test_there_is_a_page_for_each_verb(share: Path) -> None:
    pages = {path.name for path in (share / "man/man1").iterdir()}
    assert pages == {"vmalab.1", *(f"vmalab-{name}.1" for name in VERBS)}


def test_a_page_has_every_option_and_the_example(share: Path) -> None:
    text = (share / "man/man1/vmalab-replay.1").read_text("utf-8").replace("\\-", "-")
    [replay] = [command for command in commands() if command.name == "replay"]
    assert len(replay.options) > 8
    assert [spelt for spelt, _ in replay.options if f"\\fB{spelt}\\fR" not in text] == []
    assert ".SH EXAMPLE\n.nf\nvmalab replay run\n" in text


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not on this machine")
def test_man_shows_all_pages_without_a_complaint(share: Path) -> None:
    pages = sorted(map(str, (share / "man/man1").iterdir()))
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", *pages],
        env={"PATH": "/usr/bin:/bin", "MANPAGER": "cat", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("SYNOPSIS") == len(pages)


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not on this machine")
def test_mandoc_complains_of_nothing_but_the_date_that_no_page_has(share: Path) -> None:
    pages = sorted(map(str, (share / "man/man1").iterdir()))
    command = ["mandoc", "-T", "lint", "-W", "warning", *pages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = (done.stdout + done.stderr).splitlines()
    assert [line for line in complaints if not line.endswith('missing date, using "": TH')] == []
    assert len(complaints) == len(pages)


def test_text_is_no_request_of_roff() -> None:
    assert escaped(".so /etc/passwd") == "\\&.so /etc/passwd"
    assert escaped("a\\n-b'c") == "a\\en\\-b\\(aqc"


def test_each_shell_gets_what_it_completes_by(share: Path) -> None:
    assert "complete -o nosort" in (share / "bash-completion/completions/vmalab").read_text()
    assert (share / "zsh/site-functions/_vmalab").read_text().startswith("#compdef vmalab")
    assert "complete" in (share / "fish/vendor_completions.d/vmalab.fish").read_text()
