# SPDX-License-Identifier: GPL-2.0-or-later
"""What shells complete: verbs, kernels, processes and files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmalab.targets.model.versions import SUPPORTED


def completed(*words: str) -> list[str]:
    """What bash would offer for the last of some words, with its kind."""
    asked = {"_VMALAB_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("vmalab", *words))}
    done = subprocess.run(
        [sys.executable, "-m", "vmalab"],
        env=os.environ | asked | {"COMP_CWORD": str(len(words))},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()


def test_verbs() -> None:
    assert completed("wh") == ["plain,why", "plain,whatif"]


def test_kernels() -> None:
    assert completed("replay", "--kernel", "6.1") == [
        f"plain,{version}" for version in SUPPORTED if version.startswith("6.1")
    ]


def test_processes_and_files() -> None:
    assert f"plain,{os.getpid()}" in completed("why", str(os.getpid()))
    assert completed("why", "ru") == ["file,ru"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_runs_is_understood_by_it(shell: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vmalab", "completion", shell]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "_VMALAB_COMPLETE" in done.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} to read it")
    script = tmp_path / "script"
    script.write_text(done.stdout)
    subprocess.run([shell, "-n", str(script)], check=True)
